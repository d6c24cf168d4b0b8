package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
)

// withMetrics gives a server a page of figures.
func withMetrics(c *Config) {
	c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "velador_up 1\n")
	})
}

// beating is a collector that follows two markets, one of which has a gap.
var beating = collector.Vitals{
	Phase: collector.PhaseLive, Adopted: true, MessagesPerSecond: 3.456, CPUPercent: 0.375, RSS: 18874368, USS: 9437184,
	Beat: collector.Beat{Series: 2, LiveNow: 1, OpenGaps: 1, Candles: 1440,
		Clock: candle.MillisOf(noon), LastOpen: candle.MillisOf(noon) - 72_000, LastClose: candle.MillisOf(noon) - 12_001},
}

const beatingMembers = `"phase":"live","adopted":true,"cpu":0.38,"memory":{"rss":18874368,"uss":9437184},"restarts":0,` +
	`"lastCandle":{"openTime":1762257528000,"ageSeconds":12},"candles":1440,"openGaps":1,"messagesPerSecond":3.46,"series":2,"seriesLive":1`

func TestVitalsFollowTheContractsMembers(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.fleet.Beats(1, beating)
	one := `{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"2025-11-04T12:00:00.000Z","uptime":0,` +
		`"id":1,"exchange":"binance","host":"testhost",` + beatingMembers + `}`
	for range 2 { // as it is written, and as it was kept
		h.get("/api/collectors/status").want(t, 200, `{"collectors":[`+one+`]}`)
		h.get("/api/collectors").want(t, 200, `{"collectors":[`+one+`]}`)
	}
	h.get("/api/collectors/1").want(t, 200, one)
	h.fleet.Beats(1, collector.Vitals{Phase: collector.PhaseStopping})
	if r := h.get("/api/collectors/status"); !strings.Contains(r.body, `"phase":"stopping","adopted":false`) {
		t.Errorf("after a change the status is %s", r.body)
	}
}

func TestTheListHasALengthAndIsNotChunked(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) { c.Fleet = newBusyFleet(500, 0) })
	r := h.get("/api/collectors/status")
	if r.header.Get("Content-Length") != fmt.Sprint(len(r.body)) || len(r.body) < 100_000 || strings.Count(r.body, `"pid":`) != 500 {
		t.Errorf("the answer has %d bytes: %v", len(r.body), r.header)
	}
	if head := h.call(http.MethodHead, "/api/collectors/status", ""); head.header.Get("Content-Length") != fmt.Sprint(len(r.body)) || head.body != "" {
		t.Errorf("HEAD is answered with %v", head.header)
	}
}

func TestACollectorThatWaitsIsListedWithItsReasonAndItsNextAttempt(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.fleet.Ended(1, collector.Exit{At: noon, Known: true, Code: 1, Reason: "the bus cannot be reached"}, noon.Add(2*time.Second))
	h.get("/api/collectors/status").want(t, 200, `{"collectors":[]}`)
	waiting := func(text string) string {
		return `{"pid":0,"timeframe":"1m","symbol":"ETHUSDT","status":"error","startedAt":"2025-11-04T12:00:00.000Z","uptime":0,` +
			`"id":1,"exchange":"binance","host":"testhost","phase":"backoff","nextAttempt":"2025-11-04T12:00:02.000Z","adopted":false,` +
			`"cpu":0,"memory":{"rss":0},"restarts":1,"lastExit":{"at":"2025-11-04T12:00:00.000Z","code":1,"reason":"the bus cannot be reached","text":"` + text + `"},` +
			`"candles":0,"openGaps":0,"messagesPerSecond":0,"series":0,"seriesLive":0,"lastError":"the bus cannot be reached"}`
	}
	const spanishText, englishText = "terminó con el código de salida 1", "ended with exit code 1"
	h.get("/api/collectors").want(t, 200, `{"collectors":[`+waiting(spanishText)+`]}`)
	h.get("/api/collectors", "Accept-Language", "en").want(t, 200, `{"collectors":[`+waiting(englishText)+`]}`)
	h.get("/api/collectors/1").want(t, 200, waiting(spanishText))
	h.get("/api/collectors/1", "Accept-Language", "en").want(t, 200, waiting(englishText))
}

func TestTheHistoryTellsHowEachLifeEnded(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.get("/api/collectors/1/history").want(t, 200, `{"id":1,"lives":[]}`)
	h.fleet.Ended(1, collector.Exit{At: noon.Add(time.Second), Known: true, Signal: 9, Reason: "killed"}, time.Time{})
	h.fleet.Ended(1, collector.Exit{At: noon.Add(2 * time.Second)}, time.Time{})
	h.fleet.Ended(1, collector.Exit{At: noon.Add(3 * time.Second), Known: true}, time.Time{})
	third := `{"pid":14345,"host":"testhost","startedAt":"2025-11-04T12:00:02.000Z","endedAt":"2025-11-04T12:00:03.000Z","code":0,"reason":"","text":"%s"}`
	second := `{"pid":13345,"host":"testhost","startedAt":"2025-11-04T12:00:01.000Z","endedAt":"2025-11-04T12:00:02.000Z","reason":"","text":"%s"}`
	first := `{"pid":12345,"host":"testhost","startedAt":"2025-11-04T12:00:00.000Z","endedAt":"2025-11-04T12:00:01.000Z","signal":9,"reason":"killed","text":"%s"}`
	h.get("/api/collectors/1/history").want(t, 200, fmt.Sprintf(`{"id":1,"lives":[`+third+","+second+","+first+`]}`,
		"terminó con el código de salida 0", "terminó sin que nadie viera cómo", "terminado por la señal 9 (SIGKILL)"))
	h.get("/api/collectors/1/history?limit=1", "Accept-Language", "en").want(t, 200, fmt.Sprintf(`{"id":1,"lives":[`+third+`]}`, "ended with exit code 0"))
	if r := h.get("/api/collectors/2/history"); r.problem(t, 404, "collector_not_found")["id"] != 2.0 {
		t.Errorf("the answer is %s", r.body)
	}
}

func TestAFleetThatFailsFailsEveryList(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"))
	for _, path := range []string{"/api/collectors/status", "/api/collectors", "/api/collectors/1", "/api/collectors/1/history"} {
		h.get(path).problem(t, 503, "database_unavailable")
	}
}

func TestWhatIsKeptOfAListIsBoundedByIt(t *testing.T) {
	t.Parallel()
	var known fragments
	all := newBusyFleet(100, 0).list
	for i := range all {
		known.appendList(nil, all[i:min(i+10, len(all))], spanish)
		if got := len(known.kept[0]); got > 11 {
			t.Fatalf("%d collectors are kept of a list of ten", got)
		}
	}
	known.appendList(nil, nil, spanish)
	if len(known.kept[0]) != 0 || known.kept[1] != nil {
		t.Errorf("of an empty list %d are kept, and %d in another language", len(known.kept[0]), len(known.kept[1]))
	}
}

func TestListsAskedForAtTheSameTimeAreWhole(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.post("/api/collectors/start", `{"timeframe":"1m","symbol":"BTCUSDT"}`)
	want := h.get("/api/collectors/status").body
	answers := make(chan string)
	const askers = 8
	for range askers {
		go func() {
			for range 50 {
				resp, err := h.client.Get(h.http.URL + "/api/collectors/status")
				if err != nil {
					answers <- err.Error()
					continue
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				answers <- string(body) + fmt.Sprint(err)
			}
		}()
	}
	for range askers * 50 {
		if got := <-answers; got != want+"<nil>" {
			t.Errorf("an answer is %s", got)
		}
	}
}

func TestMetricsStandBehindTheTokenAndOnlyWhereThereAreSome(t *testing.T) {
	t.Parallel()
	h := build(t, withMetrics, withKeys(t))
	h.get("/metrics").problem(t, 401, "unauthorized")
	r := h.get("/metrics", "Authorization", "Bearer "+fullToken)
	if r.status != 200 || r.body != "velador_up 1\n" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("the figures are %d %s %v", r.status, r.body, r.header)
	}
	h.call(http.MethodPost, "/metrics", "{}", "Authorization", "Bearer "+fullToken).problem(t, 405, "method_not_allowed")
	build(t).get("/metrics").problem(t, 404, "route_not_found")
}
