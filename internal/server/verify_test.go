package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/verify"
)

// auditor is a Verifier whose runs do what a test says.
type auditor struct {
	plan func(verify.Task) (verify.Plan, error)
	run  func(context.Context, verify.Plan, verify.Watcher) (verify.Report, error)
}

func (a *auditor) Plan(_ context.Context, t verify.Task) (verify.Plan, error) { return a.plan(t) }

func (a *auditor) Run(ctx context.Context, p verify.Plan, w verify.Watcher) (verify.Report, error) {
	return a.run(ctx, p, w)
}

// plainPlan takes every task for 100 candles before noon.
func plainPlan(t verify.Task) (verify.Plan, error) {
	t.Range = candle.Range{From: candle.MillisOf(noon.Add(-100 * time.Minute)), To: candle.MillisOf(noon.Add(-time.Minute))}
	return verify.Plan{Task: t, Expected: 100}, nil
}

const verifyPath = "/api/verify"

func TestAVerificationTellsItsProgressItsDifferencesAndItsReport(t *testing.T) {
	t.Parallel()
	var asked verify.Task
	a := &auditor{plan: func(t verify.Task) (verify.Plan, error) { asked = t; return plainPlan(t) }}
	a.run = func(_ context.Context, p verify.Plan, w verify.Watcher) (verify.Report, error) {
		d, err := candle.ParseDecimal("1.50")
		if err != nil {
			return verify.Report{}, err
		}
		c := candle.Candle{OpenTime: p.Range.From, CloseTime: p.Range.From + 59_999, Open: d, High: d, Low: d, Close: d}
		wrong := c
		wrong.Trades = 9
		w.Difference(verify.Difference{Kind: verify.Differing, Stored: wrong, Served: c})
		w.Difference(verify.Difference{Kind: verify.Missing, Served: c})
		counts := verify.Counts{Checked: 99, Differing: 1, Missing: 1, Requests: 2, UpTo: p.Range.To}
		w.Progress(counts)
		for range 2 * toldDifferences {
			w.Difference(verify.Difference{Kind: verify.Vanished, Stored: c})
		}
		return verify.Report{Counts: counts, Range: p.Range, Confirmed: &p.Range, Corrected: 2, Took: 1500 * time.Millisecond}, nil
	}
	h := build(t, func(c *Config) { c.Verifier = a })
	answer := h.post(verifyPath, `{"symbol":"ETHUSDT","timeframe":"1m","from":"2025-11-04","dryRun":false,"more":1}`)
	if answer.status != 200 || answer.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%+v", answer)
	}
	if want := (verify.Task{Series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}, Range: candle.Range{From: 1762214400000, To: candle.MaxMillis}}); asked != want {
		t.Errorf("asked for %+v", asked)
	}
	counts := map[string]int{}
	var report api.VerifyReport
	for event := range strings.SplitSeq(answer.body, "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(event, "event: "), "\ndata: ")
		counts[name]++
		if name == "report" {
			if err := json.Unmarshal([]byte(data), &report); err != nil {
				t.Error(err)
			}
		}
	}
	if counts["progress"] < 1 || counts["difference"] != toldDifferences || counts["report"] != 1 || !strings.HasSuffix(answer.body, "event: end\ndata: \n\n") {
		t.Errorf("events: %v", counts)
	}
	if report.Symbol != "ETHUSDT" || report.Checked != 99 || report.Done != 100 || report.Expected != 100 || report.Corrected != 2 || report.Seconds != 1.5 || report.From == nil ||
		report.ConfirmedFrom == nil || *report.ConfirmedFrom != *report.From || *report.ConfirmedTo != *report.To {
		t.Errorf("%+v", report)
	}
	if !strings.Contains(answer.body, `{"kind":"differing","stored":{"openTime":1762251600000,`) || !strings.Contains(answer.body, `event: difference`+"\n"+`data: {"kind":"missing","served":{`) {
		t.Errorf("the differences are told as %.600s", answer.body)
	}
}

func TestAVerificationThatCannotBeginHasAStatus(t *testing.T) {
	t.Parallel()
	a := &auditor{plan: func(t verify.Task) (verify.Plan, error) {
		return verify.Plan{}, problem.New(problem.NotFound, problem.CodeSeriesNotFound, nil, "", "symbol", t.Series.Symbol, "timeframe", "1m", "exchange", "binance")
	}}
	h := build(t, func(c *Config) { c.Verifier = a })
	h.post(verifyPath, `{"symbol":"ETHUSDT","timeframe":"1m"}`).want(t, 404,
		`{"error":"No hay ninguna serie de ETHUSDT en timeframe 1m de binance","code":"series_not_found","exchange":"binance","symbol":"ETHUSDT","timeframe":"1m"}`)
	for body, code := range map[string]string{
		`{"timeframe":"1m"}`:                                           "missing_parameter",
		`{"symbol":"ETHUSDT","timeframe":"1x"}`:                        "invalid_timeframe",
		`{"symbol":"ETHUSDT","timeframe":"1m","from":"x"}`:             "invalid_time",
		`{"symbol":"ETHUSDT","timeframe":"1m","from":"2","to":"1"}`:    "invalid_range",
		`{"symbol":"ETHUSDT","timeframe":"1m","from":5}`:               "not_text",
		`{"symbol":"ETHUSDT","timeframe":"1m","dryRun":"yes"}`:         "invalid_choice",
		`{"symbol":"ETHUSDT","timeframe":"1m","exchange":"elsewhere"}`: "unknown_exchange",
		`[]`: "invalid_body",
	} {
		if answer := h.post(verifyPath, body); answer.status != http.StatusBadRequest || !strings.Contains(answer.body, `"code":"`+code+`"`) {
			t.Errorf("%s: %d %s", body, answer.status, answer.body)
		}
	}
	if answer := h.get(verifyPath); answer.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d %s", answer.status, answer.body)
	}
}

func TestOneVerificationOfASeriesAndFewAtOnce(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	ended := make(chan error, 10)
	a := &auditor{plan: plainPlan, run: func(ctx context.Context, p verify.Plan, _ verify.Watcher) (verify.Report, error) {
		begun <- struct{}{}
		select {
		case <-goOn:
			return verify.Report{}, problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, nil, "", "exchange", "binance")
		case <-ctx.Done():
			ended <- ctx.Err()
			return verify.Report{}, ctx.Err()
		}
	}}
	h := build(t, func(c *Config) { c.Verifier = a })
	answers := make(chan reply, 10)
	for _, tf := range []string{"1m", "5m", "1h"} {
		go func() { answers <- h.post(verifyPath, `{"symbol":"ETHUSDT","timeframe":"`+tf+`"}`) }()
		<-begun
	}
	// The fourth one goes away in the midst of it, which ends it.
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.http.URL+verifyPath, strings.NewReader(`{"symbol":"ETHUSDT","timeframe":"1d"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if answer := h.post(verifyPath, `{"symbol":"ETHUSDT","timeframe":"1m"}`); answer.status != http.StatusConflict {
		t.Errorf("a second one of a series: %d %s", answer.status, answer.body)
	}
	if answer := h.post(verifyPath, `{"symbol":"BTCUSDT","timeframe":"1m"}`); answer.status != http.StatusServiceUnavailable {
		t.Errorf("a fifth one: %d %s", answer.status, answer.body)
	}
	leave()
	resp.Body.Close()
	if err := <-ended; err == nil {
		t.Error("it went on without its client")
	}
	close(goOn)
	for range 3 {
		if answer := <-answers; !strings.Contains(answer.body, "event: error\ndata: {\"error\":\"No se puede contactar con binance ahora") {
			t.Errorf("one that failed midway says %s", answer.body)
		}
	}
	eventuallyFree(t, h)
}

// Whoever has heard the last word may ask again at once, though the connection may still be on its way
// to its end.
func TestTheLastWordIsSaidWhenTheNextOneMayBegin(t *testing.T) {
	t.Parallel()
	a := &auditor{plan: plainPlan, run: func(context.Context, verify.Plan, verify.Watcher) (verify.Report, error) {
		return verify.Report{}, nil
	}}
	var s *Server
	free := func() bool {
		s.verifying.Lock()
		defer s.verifying.Unlock()
		return len(s.verifying.series) == 0
	}
	h := build(t, func(c *Config) { c.Verifier = a })
	s = h.server
	w := &overheard{header: http.Header{}, free: free}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, verifyPath, strings.NewReader(`{"symbol":"ETHUSDT","timeframe":"1m"}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Handler().ServeHTTP(w, r)
	if !w.report || w.early {
		t.Errorf("a report was sent: %v; while the series was still taken: %v", w.report, w.early)
	}
}

// overheard is an answer that looks, at each piece, whether a verification is still counted.
type overheard struct {
	header        http.Header
	free          func() bool
	report, early bool
}

func (o *overheard) Header() http.Header { return o.header }
func (o *overheard) WriteHeader(int)     {}
func (o *overheard) Flush()              {}

func (o *overheard) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), "event: report") {
		o.report, o.early = true, !o.free()
	}
	return len(p), nil
}

// eventuallyFree waits until all that were under way are counted out.
func eventuallyFree(t *testing.T, h *house) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		h.server.verifying.Lock()
		n := len(h.server.verifying.series)
		h.server.verifying.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d verifications are still counted", n)
		}
		time.Sleep(time.Millisecond)
	}
}
