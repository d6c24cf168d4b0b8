package binance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

var someRange = candle.Range{From: testStart, To: testStart.Add(5 * time.Minute)}

// answer makes the venue answer everything with this.
func answer(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// hang answers when the test is over.
func hang(t *testing.T) (http.HandlerFunc, func()) {
	released := make(chan struct{})
	return func(http.ResponseWriter, *http.Request) {
		select {
		case <-released:
		case <-t.Context().Done():
		}
	}, func() { close(released) }
}

const (
	jsonType = "application/json;charset=UTF-8"
	htmlPage = "<html><body>no</body></html>"
)

func TestEachRefusalHasItsMeaning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault http.HandlerFunc
		kind  problem.Kind
		code  problem.Code
	}{
		{"unknown symbol", answer(400, jsonType, `{"code":-1121,"msg":"Invalid symbol."}`), problem.NotFound, problem.CodeUnknownSymbol},
		{"illegal symbol", answer(400, jsonType, `{"code":-1100,"msg":"Illegal characters found in parameter 'symbol'; legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'."}`), problem.Invalid, problem.CodeUnknownSymbol},
		{"illegal time", answer(400, jsonType, `{"code":-1100,"msg":"Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'."}`), problem.Unavailable, problem.CodeExchangeNonsense},
		{"unknown interval", answer(400, jsonType, `{"code":-1120,"msg":"Invalid interval."}`), problem.Invalid, problem.CodeInvalidTimeframe},
		{"busy", answer(400, jsonType, `{"code":-1008,"msg":"Server is currently overloaded."}`), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"firewall", answer(403, "text/html", htmlPage), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"forbidden country", answer(451, jsonType, `{"code":0,"msg":"Service unavailable from a restricted location"}`), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"other server", answer(404, "text/plain", ""), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"failure", answer(503, "text/html", htmlPage), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"back-end too slow", answer(504, jsonType, `{"code":-1007,"msg":"Timeout waiting for response from backend server."}`), problem.Unavailable, problem.CodeExchangeUnavailable},
		{"redirection", answer(302, "text/html", htmlPage, "Location", "/login"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"page instead of an answer", answer(200, "text/html", "[]"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"page that calls itself JSON", answer(200, jsonType, htmlPage), problem.Unavailable, problem.CodeExchangeNonsense},
		{"nothing", answer(200, jsonType, ""), problem.Unavailable, problem.CodeExchangeNonsense},
		{"cut short", answer(200, jsonType, "["+row(testCandle(0))+","), problem.Unavailable, problem.CodeExchangeNonsense},
		{"something behind", answer(200, jsonType, "[] []"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"an object", answer(200, jsonType, "{}"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"eleven columns", answer(200, jsonType, "["+strings.Replace(row(testCandle(0)), `,"0"]`, "]", 1)+"]"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"number for a price", answer(200, jsonType, `[[1795428900000,3010.1,"1","1","1","1",1795428959999,"1",1,"1","1","0"]]`), problem.Unavailable, problem.CodeExchangeNonsense},
		{"high below open", answer(200, jsonType, `[[1795428900000,"2","1","1","1","1",1795428959999,"1",1,"1","1","0"]]`), problem.Unavailable, problem.CodeExchangeNonsense},
		{"row that was not asked for", answer(200, jsonType, "["+row(testCandle(9))+"]"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"endless row", answer(200, jsonType, `[["`+strings.Repeat("9", maxElement+4096)+`"]]`), problem.Unavailable, problem.CodeExchangeNonsense},
		{"endless answer", answer(200, jsonType, `[`+strings.Repeat(" ", maxPageBody)+`]`), problem.Unavailable, problem.CodeExchangeNonsense},
		{"too many rows", answer(200, jsonType, "["+strings.Repeat(row(testCandle(0))+",", pageRows)+row(testCandle(0))+"]"), problem.Unavailable, problem.CodeExchangeNonsense},
		{"reset within the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "["+row(testCandle(0)))
		}, problem.Unavailable, problem.CodeExchangeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := newVenue(t).start(false)
			e := v.adapter(nil)
			e.clock.reached(v.now)
			v.locked(func() { v.fault = c.fault })
			page, err := e.Candles(t.Context(), testSymbol, candle.Minute1, someRange)
			if problem.KindOf(err) != c.kind || problem.CodeOf(err) != c.code || len(page.Candles) != 0 {
				t.Errorf("%v (%s, %s), want %s, %s", err, problem.KindOf(err), problem.CodeOf(err), c.kind, c.code)
			}
			v.locked(func() { v.fault = nil })
			if page, err = e.Candles(t.Context(), testSymbol, candle.Minute1, someRange); err != nil || len(page.Candles) != 6 {
				t.Errorf("after the fault: %d candles, %v", len(page.Candles), err)
			}
		})
	}
}

func TestBanLastsAsLongAsTheVenueSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		header string
		want   time.Duration
	}{
		{429, "17", 17 * time.Second},
		{429, "", 60 * time.Second},
		{429, "soon", 60 * time.Second},
		{418, "", 120 * time.Second},
		{418, "259200", 72 * time.Hour},
		{418, "99999999", 72 * time.Hour},
		{429, "0", time.Second},
	} {
		v := newVenue(t).start(false)
		e := v.adapter(nil)
		v.locked(func() { v.fault = answer(c.status, jsonType, `{"code":-1003,"msg":"x"}`, "Retry-After", c.header) })
		began := time.Now()
		_, err := e.Time(t.Context())
		var ban *exchange.BanError
		if !errors.As(err, &ban) || ban.Status != c.status {
			t.Fatalf("%d %q: %v", c.status, c.header, err)
		}
		if got := ban.Until.Sub(began).Round(2 * time.Second); got != c.want.Round(2*time.Second) {
			t.Errorf("%d %q: stays away for %s, want %s", c.status, c.header, got, c.want)
		}
		if _, err := e.Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.KindOf(err) != problem.Banned {
			t.Errorf("a stream is dialled during the ban: %v", err)
		}
	}
}

func TestSlowAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	slow, release := hang(t)
	defer release()
	v.fault = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush() // the answer begins and does not go on
		v.mu.Unlock()
		defer v.mu.Lock()
		slow(w, r)
	}
	e := v.adapter(func(c *Config) { c.RequestTimeout = 200 * time.Millisecond })
	if _, err := e.Time(t.Context()); problem.CodeOf(err) != problem.CodeExchangeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestUnreachableVenueIsUnavailable(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	v.server.Close()
	if _, err := e.Time(t.Context()); problem.CodeOf(err) != problem.CodeExchangeUnavailable {
		t.Errorf("%v", err)
	}
	if _, err := e.Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.CodeOf(err) != problem.CodeExchangeUnavailable {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{RESTURL: "http://[broken"}).Time(t.Context()); problem.KindOf(err) != problem.Invalid {
		t.Errorf("%v", err)
	}
}

// spending notes what an adapter tells its budget.
type spending struct {
	exchange.Budget
	spent, used, limit int
	window             time.Duration
}

func (s *spending) Spend(_ context.Context, weight int) error { s.spent += weight; return nil }
func (s *spending) Observe(used int)                          { s.used = used }
func (s *spending) SetLimit(limit int, window time.Duration)  { s.limit, s.window = limit, window }

func TestBudgetIsToldOfWeightsLimitsAndTheVenuesCount(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	s := &spending{}
	e := v.adapter(func(c *Config) { c.Budget = s })
	for _, step := range []struct {
		ask    func() error
		weight int
	}{
		{func() error { _, err := e.Time(t.Context()); return err }, 1},
		{func() error {
			_, err := e.Candles(t.Context(), testSymbol, candle.Minute1, someRange)
			return err
		}, 2},
		{func() error { _, err := e.Markets(t.Context()); return err }, 20},
		{func() error { _, err := e.Market(t.Context(), testSymbol); return err }, 20},
	} {
		before := s.spent
		if err := step.ask(); err != nil || s.spent-before != step.weight {
			t.Errorf("%v, spent %d, want %d", err, s.spent-before, step.weight)
		}
	}
	if s.used != 4 || s.limit != 6000 || s.window != time.Minute {
		t.Errorf("%+v", s)
	}
	// The window's name is the venue's.
	e.adopt(rateLimit{kind: "REQUEST_WEIGHT", interval: "SECOND", count: 10, limit: 100})
	e.observe(http.Header{"X-Mbx-Used-Weight-10s": {"77"}})
	if s.used != 77 || s.limit != 100 || s.window != 10*time.Second {
		t.Errorf("%+v", s)
	}
	for _, odd := range []rateLimit{{kind: "ORDERS", interval: "DAY", count: 1, limit: 5}, {kind: "REQUEST_WEIGHT", interval: "AEON", count: 1, limit: 5}, {kind: "REQUEST_WEIGHT", interval: "DAY", count: 0, limit: 5}} {
		if e.adopt(odd); s.limit == 5 {
			t.Errorf("%+v was adopted", odd)
		}
	}
}

func TestCatalogueAsksForLittleAndGivesWhatIsFollowed(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	all, err := e.Markets(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	want := exchange.Market{Symbol: "OLDUSDT", Base: "OLD", Quote: "USDT", Status: "BREAK"}
	if all[1] != want || !all[2].Trading || all[2].Base != "币安人生" {
		t.Errorf("%+v", all)
	}
	some, err := e.MarketsOf(t.Context(), func(symbol string) bool { return symbol == "OLDUSDT" })
	if err != nil || len(some) != 1 || some[0] != want {
		t.Errorf("%+v, %v", some, err)
	}
	one, err := e.Market(t.Context(), testSymbol)
	if err != nil || one != all[0] {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := e.Market(t.Context(), testUnknown); problem.KindOf(err) != problem.NotFound || problem.CodeOf(err) != problem.CodeUnknownSymbol {
		t.Errorf("%v", err)
	}
	for _, asked := range v.asked() {
		if !strings.Contains(asked, "showPermissionSets=false") {
			t.Errorf("asked %s", asked)
		}
	}
}
