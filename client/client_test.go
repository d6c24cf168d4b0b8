package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

var noon = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

// parts are what stands behind the server that a client speaks to.
type parts struct {
	fleet   *servertest.Fleet
	candles *servertest.Candles
	logs    *servertest.Logs
}

// dial makes a client of a real server over parts in memory.
func dial(t testing.TB, options ...client.Option) (*client.Client, *parts) {
	t.Helper()
	clock := func() time.Time { return noon }
	p := &parts{servertest.NewFleet(clock, "ETHUSDT"), servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 1200), servertest.NewLogs()}
	s := server.New(server.Config{
		Fleet: p.fleet, Candles: p.candles, Logs: p.logs, Clock: clock,
		Ready: []server.Check{{Name: "agent", Run: func(ctx context.Context) error {
			_, err := p.fleet.Status(ctx)
			return err
		}}},
	})
	h := httptest.NewServer(s.Handler())
	return connect(t, h, options...), p
}

func connect(t testing.TB, h *httptest.Server, options ...client.Option) *client.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		h.Close()
	})
	c, err := client.New(h.URL, append(options, client.WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var eth = api.StartRequest{Symbol: "ETHUSDT", Timeframe: "1m"}

func TestACollectorIsStartedSeenAndStopped(t *testing.T) {
	t.Parallel()
	c, p := dial(t)
	ctx := t.Context()
	request := eth
	request.Since, request.Exchange = "24h", "binance"
	started, err := c.Start(ctx, request)
	if err != nil || started.PID != servertest.FirstPID || started.ID != 1 || started.Message != "Collector iniciado para ETHUSDT en timeframe 1m" {
		t.Fatalf("the start says %v, %v", started, err)
	}
	if p.fleet.Since().Time() != noon.Add(-24*time.Hour) {
		t.Errorf("the back-fill begins at %s", p.fleet.Since())
	}
	alive, err := c.Status(ctx)
	if err != nil || len(alive) != 1 || alive[0].PID != started.PID || !alive[0].StartedAt.Equal(noon) {
		t.Errorf("the status is %v, %v", alive, err)
	}
	one, err := c.Collector(ctx, started.ID)
	if err != nil || one != alive[0] {
		t.Errorf("the collector is %v, %v", one, err)
	}
	stopped, err := c.Stop(ctx, api.StopRequest{ID: started.ID})
	if err != nil || stopped.PID != started.PID {
		t.Errorf("the stop says %v, %v", stopped, err)
	}
}

func TestAllAreStoppedAndThoseThatAreNotAreNamed(t *testing.T) {
	t.Parallel()
	c, p := dial(t, client.WithLanguage("en"))
	ctx := t.Context()
	if answer, err := c.StopAll(ctx); err != nil || answer.Message != "Collectors stopped: 0" || answer.Stopped == nil || len(answer.Stopped) != 0 {
		t.Errorf("of nobody the stop says %+v, %v", answer, err)
	}
	hour := eth
	hour.Timeframe = "1h"
	for _, request := range []api.StartRequest{eth, hour} {
		if _, err := c.Start(ctx, request); err != nil {
			t.Fatal(err)
		}
	}
	p.fleet.Deafen(1, problem.New(problem.Internal, problem.CodeStopFailed, nil, "x", "detail", "state D"))
	answer, err := c.StopAll(ctx)
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Status != 500 || failure.Code != api.CodeStopAllFailed || failure.Error() != "Collectors that could not be stopped: 1; stopped: 1" {
		t.Errorf("the error is %#v", err)
	}
	if !slices.Equal(answer.Stopped, []api.StoppedCollector{{ID: 2, PID: servertest.FirstPID + 1}}) ||
		!slices.Equal(answer.Failed, []api.FailedStop{{ID: 1, Code: api.CodeStopFailed, Error: "The collector could not be stopped: state D"}}) {
		t.Errorf("the answer is %+v", answer)
	}
	p.fleet.Deafen(1, nil)
	answer, err = c.StopAll(ctx)
	if err != nil || !slices.Equal(answer.Stopped, []api.StoppedCollector{{ID: 1, PID: servertest.FirstPID}}) || answer.Failed != nil {
		t.Errorf("the second time the answer is %+v, %v", answer, err)
	}
	p.fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"))
	if _, err := c.StopAll(ctx); !errors.As(err, &failure) || failure.Status != 503 || failure.Code != api.CodeDatabaseUnavailable {
		t.Errorf("without a database the error is %#v", err)
	}
}

func TestErrorsCarryStatusCodeAndPID(t *testing.T) {
	t.Parallel()
	c, p := dial(t, client.WithLanguage("en"))
	ctx := t.Context()
	if _, err := c.Start(ctx, eth); err != nil {
		t.Fatal(err)
	}
	check := func(err error, status int, code string, pid int, message string) {
		t.Helper()
		var failure *client.Error
		if !errors.As(err, &failure) || failure.Status != status || failure.Code != code || failure.PID != pid || failure.Error() != message {
			t.Errorf("the error is %#v", err)
		}
	}
	_, err := c.Start(ctx, eth)
	check(err, 409, api.CodeAlreadyRunning, servertest.FirstPID, "A collector is running already for ETHUSDT on timeframe 1m")
	_, err = c.Stop(ctx, api.StopRequest{PID: 7})
	check(err, 404, api.CodeCollectorNotFound, 7, "Collector not found or already stopped")
	_, err = c.Stop(ctx, api.StopRequest{})
	check(err, 400, api.CodeInvalidPID, 0, "The pid is not valid: give the whole number above zero that the collector's start answered")
	_, err = c.Start(ctx, api.StartRequest{Symbol: "NOSUCH", Timeframe: "1m"})
	check(err, 400, api.CodeUnknownSymbol, 0, "The symbol NOSUCH does not exist on binance")
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Params["symbol"] != "NOSUCH" {
		t.Errorf("the parameters are %v", failure.Params)
	}
	p.fleet.Fail(problem.New(problem.Banned, problem.CodeExchangeBanned, nil, "x", "exchange", "binance", "until", noon.Add(time.Minute).Format(time.RFC3339)))
	_, err = c.Start(ctx, eth)
	check(err, 503, api.CodeExchangeBanned, 0, "binance refuses this machine's requests until 2025-11-04T12:01:00Z")
	if !errors.As(err, &failure) || failure.RetryAfter != 61*time.Second {
		t.Errorf("retry after %s", failure.RetryAfter)
	}
}

func TestACollectorThatWaitsIsListedWithItsFormerLives(t *testing.T) {
	t.Parallel()
	c, p := dial(t, client.WithLanguage("en"))
	ctx := t.Context()
	if _, err := c.Start(ctx, eth); err != nil {
		t.Fatal(err)
	}
	if lives, err := c.History(ctx, 1, 0); err != nil || len(lives) != 0 {
		t.Errorf("before the first end the history is %v, %v", lives, err)
	}
	p.fleet.Ended(1, collector.Exit{At: noon, Known: true, Signal: 9, Reason: "killed"}, time.Time{})
	p.fleet.Ended(1, collector.Exit{At: noon, Known: true, Code: 1, Reason: "the bus is away"}, noon.Add(time.Second))
	if running, err := c.Status(ctx); err != nil || len(running) != 0 {
		t.Errorf("of a collector without a process the status is %v, %v", running, err)
	}
	all, err := c.Collectors(ctx)
	if err != nil || len(all) != 1 || all[0].Phase != "backoff" || !all[0].NextAttempt.Equal(noon.Add(time.Second)) || all[0].Restarts != 2 ||
		all[0].LastExit.Code == nil || *all[0].LastExit.Code != 1 || all[0].LastExit.Reason != "the bus is away" {
		t.Errorf("the collectors are %v, %v", all, err)
	}
	lives, err := c.History(ctx, 1, 0)
	if err != nil || len(lives) != 2 || lives[0].Text != "ended with exit code 1" || lives[1].Text != "ended by signal 9 (SIGKILL)" || lives[1].PID != servertest.FirstPID {
		t.Errorf("the history is %v, %v", lives, err)
	}
	if lives, err := c.History(ctx, 1, 1); err != nil || len(lives) != 1 || lives[0].Signal != 0 {
		t.Errorf("the newest life is %v, %v", lives, err)
	}
	var failure *client.Error
	if _, err := c.History(ctx, 2, 0); !errors.As(err, &failure) || failure.Status != 404 {
		t.Errorf("the history of nobody is %v", err)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	c, p := dial(t, client.WithLanguage("en"))
	if err := c.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	if ready, err := c.Ready(t.Context()); err != nil || ready.Status != "ready" || ready.Checks["agent"] != "ok" {
		t.Errorf("ready: %v, %v", ready, err)
	}
	p.fleet.Fail(problem.New(problem.Unavailable, problem.CodeBusUnavailable, nil, "x"))
	ready, err := c.Ready(t.Context())
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Status != 503 || failure.Code != api.CodeNotReady ||
		ready.Checks["agent"] != "The message bus is not available now: try again later" {
		t.Errorf("not ready: %v, %v", ready, err)
	}
}

func TestCandlesComeAsTypesOrAsCSV(t *testing.T) {
	t.Parallel()
	c, p := dial(t)
	q := client.CandlesQuery{
		Series: client.Series{Symbol: "ETHUSDT", Timeframe: "1m", Exchange: "binance", From: noon.Add(time.Minute), To: noon.Add(3 * time.Minute)},
		Limit:  2, Descending: true,
	}
	answer, err := c.Candles(t.Context(), q)
	if err != nil || len(answer.Candles) != 2 || answer.Candles[0].OpenTime != noon.Add(3*time.Minute).UnixMilli() || answer.Candles[0].Close != "100.00000003" {
		t.Errorf("the candles are %v, %v", answer, err)
	}
	file, err := c.CandlesCSV(t.Context(), client.CandlesQuery{Series: client.Series{Symbol: "ETHUSDT", Timeframe: "1m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil || strings.Count(string(data), "\n") != 1201 {
		t.Errorf("%d lines of CSV, %v", strings.Count(string(data), "\n"), err)
	}
	coverage, err := c.Coverage(t.Context(), q.Series)
	if err != nil || coverage.Expected != 3 || coverage.Present != 3 {
		t.Errorf("the coverage is %v, %v", coverage, err)
	}
	p.candles.Fail(errors.New("the disk is gone"), 1199)
	broken, err := c.CandlesCSV(t.Context(), client.CandlesQuery{Series: client.Series{Symbol: "ETHUSDT", Timeframe: "1m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if _, err := io.ReadAll(broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a CSV that breaks off ends with %v", err)
	}
}

func TestALogIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	c, p := dial(t)
	if _, err := c.Start(t.Context(), eth); err != nil {
		t.Fatal(err)
	}
	p.logs.Write(1, "one\ntwo\n\nfour: with a colon")
	if lines, err := c.Logs(t.Context(), 1, 2); err != nil || strings.Join(lines, "|") != "|four: with a colon" {
		t.Errorf("the log's end is %q, %v", lines, err)
	}
	var lines []string
	err := c.FollowLogs(t.Context(), 1, 3, func(line string) error {
		if lines = append(lines, line); len(lines) == 3 {
			p.logs.Write(1, "five")
			p.logs.End(1)
		}
		return nil
	})
	if err != nil || strings.Join(lines, "|") != "two||four: with a colon|five" {
		t.Errorf("the log is %q, %v", lines, err)
	}
	enough := errors.New("enough")
	if err := c.FollowLogs(t.Context(), 1, 0, func(string) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("following ended with %v", err)
	}
	var failure *client.Error
	if err := c.FollowLogs(t.Context(), 9, 0, nil); !errors.As(err, &failure) || failure.Status != 404 || failure.ID != 9 {
		t.Errorf("following nobody ended with %v", err)
	}
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, p := dial(t)
	if _, err := c.Start(t.Context(), eth); err != nil {
		t.Fatal(err)
	}
	p.logs.Write(1, "one")
	ctx, cancel := context.WithCancel(t.Context())
	err := c.FollowLogs(ctx, 1, 1, func(string) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
}

// TestOtherServersAreNotTakenForVelador: whoever answers, the error says what is wrong, within bounds.
func TestOtherServersAreNotTakenForVelador(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"a web page":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an error in HTML": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<h1>502</h1>", http.StatusBadGateway) },
		"a broken answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "{")
		},
		"an endless failure": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); flood(w) },
		"an endless answer":  func(w http.ResponseWriter, _ *http.Request) { flood(w) },
		"an endless event":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "data: "); flood(w) },
		"endless data lines": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat("data: x\n", 1000)); err != nil {
					return
				}
			}
		},
		"a stream's early end": func(http.ResponseWriter, *http.Request) {},
	}
	for name, answer := range answers {
		c := connect(t, httptest.NewServer(answer))
		if _, err := c.Status(t.Context()); err == nil {
			t.Errorf("%s was taken for a status", name)
		}
		if err := c.FollowLogs(t.Context(), 1, 1, func(string) error { return nil }); err == nil {
			t.Errorf("%s was taken for a log", name)
		}
	}
	c, err := client.New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), "asking the server at http://127.0.0.1:1") {
		t.Errorf("without a server the error is %v", err)
	}
}

func flood(w io.Writer) {
	piece := strings.Repeat("x", 1<<20)
	for {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}

func TestAnAddressIsChecked(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "localhost:3000", "ftp://x", "http://", "http://[::1", "/x", "http://x\x7f"} {
		if _, err := client.New(bad); err == nil {
			t.Errorf("%q was taken for an address", bad)
		}
	}
	for _, good := range []string{client.DefaultURL, "https://velador.example/behind/a/proxy/"} {
		if _, err := client.New(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestAPathInTheAddressIsKept(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		io.WriteString(w, `{"status":"ok"}`)
	}))
	defer h.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(h.URL+"/behind/", client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Healthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "/behind/healthz" {
		t.Errorf("asked for %s", got)
	}
}
