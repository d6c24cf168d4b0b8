package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/server/servertest"
)

// noon is when the tests' clock stands.
var noon = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

// house is a server over parts in memory, reached over real HTTP.
type house struct {
	t       testing.TB
	fleet   *servertest.Fleet
	candles *servertest.Candles
	logs    *servertest.Logs
	server  *Server
	http    *httptest.Server
	client  *http.Client
	log     *strings.Builder // of the server, at level error; read it after the call that it is about
	beyond  bool             // its parts fail in ways that no real ones do, which no description lists
}

// referee gives who holds each answer against the description.
func (h *house) referee() *referee {
	h.t.Helper()
	j, err := theReferee()
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

// build opens a house; change may alter its configuration.
func build(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	h := &house{t: t, log: &strings.Builder{}}
	clock := func() time.Time { return noon }
	h.fleet = servertest.NewFleet(clock, "ETHUSDT", "BTCUSDT", "ETHBTC")
	h.candles = servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 1200)
	h.logs = servertest.NewLogs()
	cfg := Config{
		Fleet: h.fleet, Candles: h.candles, Logs: h.logs, Clock: clock, Exchanges: []string{"binance", "bybit"}, Version: "1.2.3",
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	for _, c := range change {
		c(&cfg)
	}
	h.server = New(cfg)
	h.http = httptest.NewServer(h.server.Handler())
	h.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		h.http.Close()
	})
	return h
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// call makes a request; headers are pairs of name and value.
func (h *house) call(method, path, body string, headers ...string) reply {
	h.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, h.http.URL+path, content)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s %s: reading the answer: %v", method, path, err)
	}
	r := reply{resp.StatusCode, resp.Header, string(data)}
	if !h.beyond {
		h.referee().answer(h.t, method, path, r)
	}
	return r
}

func (h *house) get(path string, headers ...string) reply {
	h.t.Helper()
	return h.call(http.MethodGet, path, "", headers...)
}

func (h *house) post(path, body string, headers ...string) reply {
	h.t.Helper()
	return h.call(http.MethodPost, path, body, headers...)
}

// want checks an answer's status and its body to the byte, but for the line end.
func (r reply) want(t testing.TB, status int, body string) {
	t.Helper()
	if r.status != status || strings.TrimSuffix(r.body, "\n") != body {
		t.Errorf("the answer is\n%d %s, not\n%d %s", r.status, r.body, status, body)
	}
}

// problem checks that an answer is an error in the contract's shape and gives its members.
func (r reply) problem(t testing.TB, status int, code string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(r.body), &members); err != nil {
		t.Fatalf("the error is no JSON object (%v): %d %.300q", err, r.status, r.body)
	}
	sentence, _ := members["error"].(string)
	if r.status != status || sentence == "" || strings.ContainsAny(sentence, "{}") && code != "invalid_body" {
		t.Errorf("the answer is %d %s; status %d and a sentence are expected", r.status, r.body, status)
	}
	if got, _ := members["code"].(string); got != code {
		t.Errorf("the code is %q, not %q, in %s", got, code, r.body)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("an error has content type %q", got)
	}
	if r.header.Get("Link") != "" || members["$schema"] != nil {
		t.Errorf("something was added to an error: %v %s", r.header, r.body)
	}
	return members
}
