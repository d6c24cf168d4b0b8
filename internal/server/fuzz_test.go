package server

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"velador/internal/access"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/verify"
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

func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		ethMinute, `{"symbol":"ETHUSDT","timeframe":"1m","from":"2025-11-04","to":"1762257660000","dryRun":true}`, `{"symbol":"ETHUSDT","timeframe":"1m","from":5}`,
		`{"symbol":"*","timeframe":"1m"}`, `{"symbol":"ETHUSDT","timeframe":"1m","dryRun":"yes"}`, `{"symbol":"ETHUSDT","timeframe":"1m","dryRun":null,"from":"0","to":"0"}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	s := New(Config{Fleet: servertest.NewFleet(time.Now), Candles: servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3), Logs: servertest.NewLogs(), Exchanges: []string{"binance"}})
	f.Fuzz(func(t *testing.T, body []byte) {
		task, err := s.parseVerify(body)
		switch {
		case err != nil && problem.KindOf(err) != problem.Invalid:
			t.Fatalf("%q is refused by %v", body, err)
		case err == nil && (!task.Series.Timeframe.Valid() || task.Series.Symbol == "" || task.Series.Exchange != "binance" || task.Range.Empty() || task.Range == (candle.Range{})):
			t.Fatalf("%q is read as %+v", body, task)
		}
	})
}

// Whatever stands in the form of the door, it leads to a path of this server or stays shut.
func FuzzLogin(f *testing.F) {
	const token = "0123456789abcdef"
	for _, seed := range []struct{ next, guess string }{
		{"/", token}, {"//evil.example", token}, {"/\\evil.example", token}, {"https://evil.example/", token}, {"/login", token}, {"/a?b=//c#d", token},
		{"/\t/evil.example", token}, {"javascript:alert(1)", token}, {"/%2f%2fevil.example", token}, {"", "x"}, {"/\x00", ""},
	} {
		f.Add(seed.next, seed.guess)
	}
	var keys access.Keys
	if err := keys.AddFile("ops " + token); err != nil {
		f.Fatal(err)
	}
	s := New(Config{Fleet: servertest.NewFleet(time.Now), Candles: servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3), Logs: servertest.NewLogs(), Keys: &keys, Clock: time.Now})
	who := 0
	f.Fuzz(func(t *testing.T, next, guess string) {
		who++ // one who guesses too often is kept waiting
		form := url.Values{"next": {next}, "token": {guess}}.Encode()
		r := httptest.NewRequest(http.MethodPost, loginPath, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:5", who>>16&255, who>>8&255, who&255)
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		opened := answer.Header().Get("Set-Cookie") != ""
		if right := strings.TrimSpace(guess) == token; opened != right {
			t.Fatalf("the token %q: %d", guess, answer.Code)
		}
		if !opened {
			return
		}
		to, err := url.Parse(answer.Header().Get("Location"))
		if text := answer.Header().Get("Location"); err != nil || to.Host != "" || to.Scheme != "" || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.HasPrefix(text, `/\`) {
			t.Errorf("%q leads to %q", next, text)
		}
	})
}

// tolerant checks what holds for an answer to anything: it blames the request and not ourselves, and is
// what it says it is.
func tolerant(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	body := answer.Body.Bytes()
	if answer.Code >= 500 || !utf8.Valid(body) {
		t.Fatalf("the answer is %d %q", answer.Code, body)
	}
	switch kind, _, _ := strings.Cut(answer.Header().Get("Content-Type"), ";"); kind {
	case "application/json":
		if !json.Valid(body) {
			t.Fatalf("the answer is not JSON: %d %q", answer.Code, body)
		}
	case "text/csv":
		if _, err := csv.NewReader(bytes.NewReader(body)).ReadAll(); err != nil {
			t.Fatalf("the answer is not CSV: %v: %q", err, body)
		}
	}
}

// FuzzQueries asks every call that reads, with any parameters and any place to go on from.
func FuzzQueries(f *testing.F) {
	paths := []string{
		"/api/coverage", "/api/data/collectors", "/api/data/series", "/api/data/candles", "/api/data/gaps", "/api/candles/stream",
		"/api/collectors/1/logs", "/api/collectors/1/history", "/api/symbols", "/login",
		"/api/collectors", "/api/collectors/status", "/api/collectors/1", "/healthz", "/readyz",
	}
	for i, query := range []string{
		ethSeries + "&by=day&from=2025-11-04&to=1762257660000", "status=stopped&search=eth&sort=id&order=desc&limit=3", "search=%25_%5c&format=csv",
		ethSeries + "&cursor=eyJ0IjoiY2FuZGxlcyJ9", "state=open&from=0&to=9223372036854775807&cursor=e30", ethSeries + "&after=1762252200000",
		"follow=true&tail=1", "limit=1000", "search=ETH&limit=1", "next=//evil.example/%0d%0aSet-Cookie:x",
	} {
		f.Add(byte(i), query, "1762252200000")
		f.Add(byte(i), query+"&"+query+";a=%zz", "-9223372036854775808")
	}
	db := newShelf(f)
	db.put(false, 0, 1, 2, 5)
	db.market.Fail() // a stream ends with its first look
	clock := func() time.Time { return noon }
	fleet := servertest.NewFleet(clock, "ETHUSDT")
	s := New(Config{Fleet: fleet, Logs: servertest.NewLogs(), Clock: clock, Candles: db, Browser: db, Market: db.market, Symbols: someSymbols{}})
	f.Fuzz(func(t *testing.T, which byte, query, lastID string) {
		r := httptest.NewRequest(http.MethodGet, paths[int(which)%len(paths)], nil)
		r.URL.RawQuery = query
		r.Header.Set("Last-Event-ID", lastID)
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		tolerant(t, answer)
	})
}

// someSymbols is an exchange that has a few.
type someSymbols struct{}

func (someSymbols) Symbols(context.Context, string) ([]string, error) {
	return []string{"BTCUSDT", "ETHBTC", "ETHUSDT"}, nil
}

// FuzzBodies sends any body to every call that changes something, beside those that have a target of
// their own.
func FuzzBodies(f *testing.F) {
	paths := []string{"/api/collectors/restart", stopAllPath, verifyPath, loginPath, logoutPath}
	for i, body := range []string{
		`{"pid":12345}`, `{}`, `{"symbol":"ETHUSDT","timeframe":"1m","from":"2025-11-04","to":1762257660000,"dryRun":true}`, "token=x&next=%2Fdata", "",
		`{"id":1e400}`, `[]`, `{"symbol":"ETHUSDT","timeframe":"1m","dryRun":1,"from":{}}`, "next=/\\evil&next=a;b=%zz", "\x00",
	} {
		f.Add(byte(i), []byte(body))
	}
	at := &auditor{plan: plainPlan, run: func(_ context.Context, p verify.Plan, _ verify.Watcher) (verify.Report, error) {
		return verify.Report{Range: p.Range}, nil
	}}
	clock := func() time.Time { return noon }
	keys := new(access.Keys)
	if err := keys.Add(access.Visitor{Name: "ops", Right: access.Full}, fullToken); err != nil {
		f.Fatal(err)
	}
	s := New(Config{Fleet: servertest.NewFleet(clock, "ETHUSDT"), Logs: servertest.NewLogs(), Clock: clock, Candles: servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3), Verifier: at, Keys: keys})
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		s.changes, s.guesses = access.NewPace(changeEvery, changeBurst), access.NewPace(guessEvery, guessBurst) // the clock stands
		r := httptest.NewRequest(http.MethodPost, paths[int(which)%len(paths)], bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+fullToken)
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		tolerant(t, answer)
		if to := answer.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
			t.Fatalf("%q leads to %q", body, to)
		}
	})
}

// FuzzVisitors lets anybody call by any name, with any token and any cookie. Nobody gets in.
func FuzzVisitors(f *testing.F) {
	f.Add("localhost", "Bearer "+readToken, sessionCookie+"=x")
	f.Add("[::1]:3000", "bearer", "velador_session=\"; velador_session=")
	f.Add("evil.example", "Basic Og==", ";;=")
	f.Add("127.0.0.1:99999", "Bearer \x00 \x00", "\x00")
	keys := new(access.Keys)
	if err := keys.Add(access.Visitor{Name: "ops", Right: access.Full}, fullToken); err != nil {
		f.Fatal(err)
	}
	s := New(Config{Fleet: servertest.NewFleet(time.Now, "ETHUSDT"), Logs: servertest.NewLogs(), Candles: servertest.Minutes("ETHUSDT", 0, 1), Keys: keys, Hosts: access.NewHosts("velador.example")})
	f.Fuzz(func(t *testing.T, host, authorization, cookie string) {
		s.guesses = access.NewPace(guessEvery, guessBurst)
		r := httptest.NewRequest(http.MethodGet, "/api/collectors", nil)
		r.Host = host
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Cookie", cookie)
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		tolerant(t, answer)
		if answer.Code != http.StatusUnauthorized && answer.Code != http.StatusMisdirectedRequest && !strings.HasSuffix(authorization, " "+fullToken) {
			t.Fatalf("the answer is %d %s", answer.Code, answer.Body)
		}
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
