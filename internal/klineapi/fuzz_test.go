package klineapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a query holds, the answer is JSON with a status of the surface, and costs its weight.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "symbol=ETHUSDT&interval=1m", "symbol=ETHUSDT&interval=1m&limit=10&startTime=1795428900000&endTime=1795428960000&timeZone=-1:00",
		"symbols=[%22ETHUSDT%22,%22BTCUSDT%22]", "symbols=[]", "permissions=[%22SPOT%22]", "symbolStatus=TRADING&type=MINI", "symbol=%zz", "a&b&&=c&=",
		"symbol=币安", "limit=99999999999999999999", "timeZone=+8", "symbol=ETHUSDT&interval=1M&startTime=18446744073709551615", "symbols=[\"\"]", "symbols=["} {
		f.Add(seed, "klines")
		f.Add(seed, "exchangeInfo")
		f.Add(seed, "ticker/24hr")
	}
	api := New(Config{Source: busy(), Clock: newStepClock(t0)})
	f.Fuzz(func(t *testing.T, query, path string) {
		if strings.ContainsAny(path, "?#%") {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
		r.URL = &url.URL{Path: "/api/v3/" + path, RawQuery: query}
		rec := httptest.NewRecorder()
		api.limits.clients = make(map[string]*usage)
		api.serveREST(rec, r)
		body := rec.Body.Bytes()
		switch rec.Code {
		case 200, 400:
			if !json.Valid(body) || !utf8.Valid(body) {
				t.Errorf("%d with %q", rec.Code, body)
			}
		case 404:
		default:
			t.Errorf("status %d", rec.Code)
		}
		if rec.Header().Get("X-MBX-USED-WEIGHT") == "" {
			t.Error("the weight is not told")
		}
	})
}

// Whatever a client says, the answer is one JSON object: a result or an error, with its id.
func FuzzControlMessage(f *testing.F) {
	for _, seed := range []string{`{"method":"SUBSCRIBE","params":["ethusdt@kline_1m"],"id":1}`, `{"method":"LIST_SUBSCRIPTIONS","id":"abc"}`,
		`{"method":"SET_PROPERTY","params":["combined",true],"id":null}`, `{`, `[]`, `{"id":1}`, `{"method":"X","id":1}`, `{"id":"\u0061","method":"GET_PROPERTY"}`,
		`{"method":"UNSUBSCRIBE","params":[null],"id":-1}`, "{\"method\":\"\xff\"}", `{"method":"SUBSCRIBE","params":null,"id":0}`} {
		f.Add([]byte(seed))
	}
	p := DefaultProfile()
	api := New(Config{Source: newMarket(), Clock: newStepClock(t0), Profile: p})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newConn(api, "", nil, nil, false, false)
		defer c.stop()
		c.handle(data)
		for _, t := range c.topics {
			api.hub.unsubscribe(c, t)
		}
		if len(c.queue) == 0 {
			t.Fatal("no answer")
		}
		var answer map[string]json.RawMessage
		if err := json.Unmarshal(c.queue[0].data, &answer); err != nil {
			t.Fatalf("%v in %q", err, c.queue[0].data)
		}
		_, result := answer["result"]
		_, failed := answer["error"]
		if result == failed {
			t.Errorf("neither result nor error, or both: %s", c.queue[0].data)
		}
		if _, id := answer["id"]; result && !id {
			t.Errorf("a result without an id: %s", c.queue[0].data)
		}
	})
}

// A name is either refused or understood, and what is understood has a symbol the market may have.
func FuzzTopic(f *testing.F) {
	for _, seed := range []string{"ethusdt@kline_1m", "ethusdt@kline_1d@+08:00", "!miniTicker@arr", "ethusdt@miniTicker", "@@@", "币安@kline_1m", "ETHUSDT@trade", "!"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		topic, wellFormed := parseTopic(name)
		if topic.kind != topicSilent && !wellFormed {
			t.Errorf("%q is malformed and of kind %d", name, topic.kind)
		}
		if topic.kind == topicKline && (!topic.tf.Valid() || topic.symbol == "") {
			t.Errorf("%q is %+v", name, topic)
		}
		if topic.name != name {
			t.Errorf("%q became %q", name, topic.name)
		}
	})
}

// Whatever steers the simulator: it is done, or refused with a sentence.
func FuzzControl(f *testing.F) {
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "/faults", `{"kind":"frame-drop","rate":0.5,"count":3}`}, {"POST", "/faults", `[{"kind":"rest-slow","delay":"1s"},{"kind":"x"}]`}, {"POST", "/faults", `{"rate":1e999}`},
		{"POST", "/shutdown", `{"lead":"60s"}`}, {"POST", "/shutdown", `{"lead":-5}`}, {"POST", "/cut", `{"reset":true}`}, {"DELETE", "/faults?id=3", ""}, {"DELETE", "/faults?id=%zz", ""},
		{"GET", "/counters", ""}, {"PATCH", "/", "null"},
	} {
		f.Add(seed.method, seed.path, []byte(seed.body))
	}
	market := newMarket()
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		api := New(Config{Source: market, Clock: newStepClock(t0)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		defer func() { _ = api.Run(ctx) }() // ends what was begun
		path, query, _ := strings.Cut(path, "?")
		r := httptest.NewRequest(http.MethodPost, "http://x/", strings.NewReader(string(body)))
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
		rec := httptest.NewRecorder()
		api.Control().ServeHTTP(rec, r)
		switch rec.Code {
		case 200, 201, 400:
			if !json.Valid(rec.Body.Bytes()) {
				t.Errorf("%d with %q", rec.Code, rec.Body)
			}
		case 204, 301, 307, 404, 405:
		default:
			t.Errorf("%s %s %q: status %d", method, path, body, rec.Code)
		}
	})
}

func FuzzProfile(f *testing.F) {
	for _, seed := range []string{`{}`, `{"wall_control":true,"weight_limit":500,"rest_lag":"2s"}`, `{"close_lost":2}`, `{"nobody":1}`, `{"tick":"-1s"}`, `null`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProfile(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseProfile(again); err != nil || back != p {
			t.Errorf("%q is read as %+v and came back as %+v: %v", data, p, back, err)
		}
	})
}
