package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/server/servertest"
	"velador/internal/store"
)

// fuzzed gives a way to ask a server over parts in memory, without a network. Each call finds a
// fleet without collectors.
func fuzzed() func(*http.Request) *httptest.ResponseRecorder {
	clock := func() time.Time { return noon }
	s := New(Config{
		Fleet: servertest.NewFleet(clock), Candles: servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3),
		Logs: servertest.NewLogs(), Clock: clock,
	})
	return func(r *http.Request) *httptest.ResponseRecorder {
		s.cfg.Fleet = servertest.NewFleet(clock, "ETHUSDT")
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		return answer
	}
}

// judge checks what holds for every answer: JSON in the contract's shape, and never a status that
// blames ourselves.
func judge(t *testing.T, answer *httptest.ResponseRecorder, allowed string) {
	t.Helper()
	body := answer.Body.Bytes()
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil || !utf8.Valid(body) {
		t.Fatalf("the answer is not JSON (%v): %q", err, body)
	}
	sentence, _ := members["error"].(string)
	if (answer.Code == 200) != (sentence == "") {
		t.Fatalf("the answer is %d %s", answer.Code, body)
	}
	if !strings.Contains(allowed, http.StatusText(answer.Code)) {
		t.Fatalf("the answer is %d %s", answer.Code, body)
	}
}

func FuzzStart(f *testing.F) {
	for _, seed := range []string{
		ethMinute, ``, `null`, `[]`, `{}`, `{"timeframe":"1m","symbol":"ETHUSDT","exchange":"binance","since":"24h"}`,
		`{"timeframe":"1M","symbol":"*USDT,ETHUSDT","since":1700000000000}`, `{"timeframe":1,"symbol":{}}`, `{"symbol":"\ud800","timeframe":"1m"}`,
		"\xef\xbb\xbf" + ethMinute, `{"timeframe":"1m","symbol":"ETHUSDT","since":"99999999999999999999d"}`, `{"a":[[[[[[]]]]]]}`,
	} {
		f.Add([]byte(seed))
	}
	ask := fuzzed()
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := ask(httptest.NewRequest(http.MethodPost, "/api/collectors/start", bytes.NewReader(body)))
		judge(t, answer, "OK, Bad Request, Request Entity Too Large")
	})
}

func FuzzStop(f *testing.F) {
	for _, seed := range []string{`{"pid":12345}`, `{"pid":0}`, `{"pid":-1}`, `{"pid":1.5}`, `{"pid":"1"}`, `{"id":1}`, `{"pid":1e9}`, `{"pid":99999999999999999999}`, `{}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	ask := fuzzed()
	f.Fuzz(func(t *testing.T, body []byte) {
		ref, err := parseStop(body)
		if (err == nil) != (ref.PID > 0 || ref.ID > 0) || (err != nil && problem.KindOf(err) != problem.Invalid) {
			t.Fatalf("%q is read as %v, %v", body, ref, err)
		}
		answer := ask(httptest.NewRequest(http.MethodPost, "/api/collectors/stop", bytes.NewReader(body)))
		judge(t, answer, "Not Found, Bad Request, Request Entity Too Large")
	})
}

func FuzzCandlesQuery(f *testing.F) {
	for _, seed := range []string{
		ethSeries, ethSeries + "&from=2025-11-04T12:01:00Z&to=1762257660000&limit=2&order=desc", ethSeries + "&format=csv", "symbol=%ff&timeframe=1m",
		ethSeries + "&limit=-1", ethSeries + "&format=parquet", "a=%zz", ";", ethSeries + "&from=0&to=0", "symbol&timeframe",
	} {
		f.Add(seed)
	}
	ask := fuzzed()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/api/candles", nil)
		r.URL.RawQuery = query
		answer := ask(r)
		if answer.Code == 200 && strings.HasPrefix(answer.Header().Get("Content-Type"), "text/csv") {
			for i, line := range strings.Split(strings.TrimSuffix(answer.Body.String(), "\n"), "\n") {
				if _, err := candle.ParseCSV(line); err != nil && (i > 0 || line != candle.CSVHeader) {
					t.Fatalf("line %d of the CSV is %q: %v", i+1, line, err)
				}
			}
			return
		}
		judge(t, answer, "OK, Bad Request")
	})
}

func FuzzLanguage(f *testing.F) {
	for _, seed := range []string{"", "en", "es-MX,es;q=0.9,en;q=0.8", "*;q=0", "en;q=NaN", ";=,", "en;q=1e-400"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if got := languageOf(header); got != spanish && got != english {
			t.Fatalf("%q gives %q", header, got)
		}
	})
}

// TestTheEpochIsARangeOfItsOwn: to a store the zero Range means everything.
func TestTheEpochIsARangeOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ from, to string }{{"0", "0"}, {"1970-01-01", "1970-01-01T00:00:00Z"}} {
		r, err := parseRange(test.from, test.to)
		if err != nil || (store.Query{Range: r}) == (store.Query{}) || !r.Contains(0) || r.Contains(1) {
			t.Errorf("%v is read as %v, %v", test, r, err)
		}
	}
}
