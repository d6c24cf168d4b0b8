package server

import (
	"net/http"
	"testing"
	"time"

	"velador/api"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

const ethMinute = `{"timeframe":"1m","symbol":"ETHUSDT"}`

func TestTheContractIsKeptToTheByte(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.get("/api/collectors/status").want(t, 200, `{"collectors":[]}`)
	h.post("/api/collectors/start", ethMinute).want(t, 200,
		`{"message":"Collector iniciado para ETHUSDT en timeframe 1m","pid":12345,"id":1}`)
	h.get("/api/collectors/status").want(t, 200,
		`{"collectors":[{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"2025-11-04T12:00:00.000Z","uptime":0,`+
			`"id":1,"exchange":"binance","host":"testhost","phase":"starting","adopted":false,"cpu":0,"memory":{"rss":0},"restarts":0,`+
			`"candles":0,"openGaps":0,"messagesPerSecond":0,"series":0,"seriesLive":0}]}`)
	h.post("/api/collectors/start", ethMinute).want(t, 409,
		`{"error":"Ya hay un collector en ejecución para ETHUSDT en timeframe 1m","pid":12345,"id":1,"code":"already_running","symbol":"ETHUSDT","timeframe":"1m"}`)
	h.post("/api/collectors/stop", `{"pid":12345}`).want(t, 200,
		`{"message":"Collector detenido exitosamente","pid":12345}`)
	h.post("/api/collectors/stop", `{"pid":12345}`).want(t, 404,
		`{"error":"Collector no encontrado o ya detenido","pid":12345}`)
	h.get("/api/collectors/status").want(t, 200, `{"collectors":[]}`)
}

func TestTheContractIsKeptInEnglish(t *testing.T) {
	t.Parallel()
	h := build(t)
	english := []string{"Accept-Language", "en"}
	h.post("/api/collectors/start", ethMinute, english...).want(t, 200,
		`{"message":"Collector started for ETHUSDT on timeframe 1m","pid":12345,"id":1}`)
	h.post("/api/collectors/start", ethMinute, english...).want(t, 409,
		`{"error":"A collector is running already for ETHUSDT on timeframe 1m","pid":12345,"id":1,"code":"already_running","symbol":"ETHUSDT","timeframe":"1m"}`)
	h.post("/api/collectors/stop", `{"pid":12345}`, english...).want(t, 200,
		`{"message":"Collector stopped successfully","pid":12345}`)
	h.post("/api/collectors/stop", `{"pid":12345}`, english...).want(t, 404,
		`{"error":"Collector not found or already stopped","pid":12345}`)
}

func TestAnswersCarryNothingOfTheFramework(t *testing.T) {
	t.Parallel()
	r := build(t).get("/api/collectors/status")
	if r.header.Get("Link") != "" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("the headers are %v", r.header)
	}
}

func TestUptimeAndInstantsAreWrittenAsTheContractSays(t *testing.T) {
	t.Parallel()
	begun := time.Date(2025, 11, 4, 10, 30, 0, 120_000_000, time.FixedZone("CET", 3600))
	var got api.CollectorStatus
	describe(&got, &collector.Live{Record: collector.Record{StartedAt: begun}, Uptime: 3600*time.Second + 999*time.Millisecond}, spanish)
	if text, err := got.StartedAt.MarshalJSON(); err != nil || string(text) != `"2025-11-04T09:30:00.120Z"` {
		t.Errorf("startedAt is %s (%v)", text, err)
	}
	if got.Uptime != 3600 {
		t.Errorf("uptime is %d", got.Uptime)
	}
}

func TestClientsMayLeaveOutTheContentTypeOrNameAnother(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "nonsense;;"} {
		h := build(t)
		r := h.post("/api/collectors/start", ethMinute, "Content-Type", contentType)
		if r.status != 200 {
			t.Errorf("with content type %q the answer is %d %s", contentType, r.status, r.body)
		}
	}
}

func TestStartTakesWhatIsOptional(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		since string
		want  int64 // epoch milliseconds
	}{
		"none":              {`null`, 0},
		"an empty text":     {`""`, 0},
		"a number":          {`1700000000000`, 1700000000000},
		"digits in a text":  {`"1700000000000"`, 1700000000000},
		"RFC 3339":          {`"2025-11-04T10:00:00+01:00"`, noon.Add(-3 * time.Hour).UnixMilli()},
		"a date":            {`"2025-11-04"`, noon.Add(-12 * time.Hour).UnixMilli()},
		"hours":             {`"24h"`, noon.Add(-24 * time.Hour).UnixMilli()},
		"hours and minutes": {`"1h30m"`, noon.Add(-90 * time.Minute).UnixMilli()},
		"days":              {`"30d"`, noon.Add(-30 * 24 * time.Hour).UnixMilli()},
		"weeks":             {`"2w"`, noon.Add(-14 * 24 * time.Hour).UnixMilli()},
	} {
		h := build(t)
		r := h.post("/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT","exchange":"binance","since":`+test.since+`,"unknown":{"a":[1]}}`)
		if r.status != 200 {
			t.Errorf("since as %s: %d %s", name, r.status, r.body)
		}
		if got := int64(h.fleet.Since()); got != test.want {
			t.Errorf("since as %s is %d, not %d", name, got, test.want)
		}
	}
}

func TestStartTakesSelectors(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", `{"timeframe":"1M","symbol":"*USDT, ETHBTC"}`).want(t, 200,
		`{"message":"Collector iniciado para *USDT,ETHBTC en timeframe 1M","pid":12345,"id":1}`)
}

func TestACollectorMayBeStoppedByID(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.post("/api/collectors/stop", `{"id":2}`).want(t, 404,
		`{"error":"Collector no encontrado o ya detenido","id":2,"code":"collector_not_found"}`)
	h.post("/api/collectors/stop", `{"id":1,"pid":99}`).want(t, 200, `{"message":"Collector detenido exitosamente","pid":12345}`)
}

func TestAPIDThatSeveralMachinesHaveIs409WithTheIDs(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.fleet.Fail(problem.New(problem.Conflict, problem.CodeAmbiguousPID, nil, "x", "pid", "12345", "ids", "4, 9"))
	h.post("/api/collectors/stop", `{"pid":12345}`).want(t, 409,
		`{"error":"Varias máquinas tienen un collector con el pid 12345: indique el id, uno de 4, 9","pid":12345,"code":"ambiguous_pid","ids":"4, 9"}`)
}

func TestOneCollectorIsShownDeadOrAlive(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.post("/api/collectors/stop", `{"id":1}`)
	h.get("/api/collectors/1").want(t, 200,
		`{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"stopped","startedAt":"2025-11-04T12:00:00.000Z","uptime":0,`+
			`"id":1,"exchange":"binance","host":"testhost","phase":"stopped","adopted":false,"cpu":0,"memory":{"rss":0},"restarts":0,`+
			`"candles":0,"openGaps":0,"messagesPerSecond":0,"series":0,"seriesLive":0,"stoppedAt":"2025-11-04T12:00:00.000Z"}`)
	h.get("/api/collectors/2").problem(t, 404, "collector_not_found")
}

func TestWhatFailsBehindTheServerIsPutIntoWords(t *testing.T) {
	t.Parallel()
	until := noon.Add(90 * time.Second).Format(time.RFC3339)
	for name, test := range map[string]struct {
		failure error
		status  int
		code    string
		retry   string
	}{
		"unavailable database": {problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"), 503, "database_unavailable", ""},
		"unavailable exchange": {problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, nil, "x", "exchange", "binance"), 503, "exchange_unavailable", ""},
		"banned":               {problem.New(problem.Banned, problem.CodeExchangeBanned, nil, "x", "exchange", "binance", "until", until), 503, "exchange_banned", "91"},
		"process that dies":    {problem.New(problem.Internal, problem.CodeCollectorFailed, nil, "x", "symbol", "E", "timeframe", "1m", "detail", "exit 78"), 500, "collector_failed", ""},
		"a defect":             {http.ErrBodyNotAllowed, 500, "internal", ""},
		"a conflict of rows":   {&store.ExistsError{Record: collector.Record{ID: 4}}, 409, "already_running", ""},
		"a missing row":        {store.ErrNotFound, 404, "collector_not_found", ""},
		"a code of the future": {problem.New(problem.Invalid, "from_the_future", nil, "A new thing"), 400, "from_the_future", ""},
	} {
		h := build(t)
		h.beyond = true
		h.fleet.Fail(test.failure)
		r := h.post("/api/collectors/start", ethMinute)
		r.problem(t, test.status, test.code)
		if got := r.header.Get("Retry-After"); got != test.retry {
			t.Errorf("%s: Retry-After is %q, not %q", name, got, test.retry)
		}
	}
}
