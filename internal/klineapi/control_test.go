package klineapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// control sends one call to the control handler and decodes the answer.
func (x *exchange) controlCall(method, path, body string, into any) int {
	x.t.Helper()
	rec := httptest.NewRecorder()
	x.api.Control().ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			x.t.Fatalf("%s %s: %v in %s", method, path, err, rec.Body)
		}
	}
	return rec.Code
}

func TestFaultsAreSetListedAndClearedByControl(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	var set struct{ IDs []int64 }
	if code := x.controlCall("POST", "/faults", `{"kind":"rest-forbidden","path":"/api/v3/klines","symbol":"ETHUSDT","count":1}`, &set); code != 201 || len(set.IDs) != 1 {
		t.Fatalf("%d %v", code, set)
	}
	if code := x.controlCall("POST", "/faults", `[{"kind":"frame-drop","rate":0.5},{"kind":"rest-timeout","delay":"1s"}]`, &set); code != 201 || len(set.IDs) != 2 {
		t.Fatalf("%d %v", code, set)
	}
	if r := x.get(klinesPath); r.status != 403 {
		t.Errorf("the fault does not strike: %d", r.status)
	}
	var list []Fault
	x.controlCall("GET", "/faults", "", &list)
	if len(list) != 3 || list[0].Struck != 1 || list[2].Delay != Duration(time.Second) || list[1].Rate != 0.5 {
		t.Errorf("listed: %+v", list)
	}
	var problem struct{ Error string }
	for _, body := range []string{`{"kind":"no-such"}`, `[{"kind":"frame-drop"},{"kind":"no-such"}]`, `{`, `5`, `{"kind":"rest-slow","delay":"soon"}`} {
		if code := x.controlCall("POST", "/faults", body, &problem); code != 400 || problem.Error == "" {
			t.Errorf("POST /faults %s: %d %q", body, code, problem.Error)
		}
	}
	var cleared struct{ Cleared int }
	if code := x.controlCall("DELETE", "/faults?id=2", "", &cleared); code != 200 || cleared.Cleared != 1 {
		t.Errorf("clearing one: %d %+v", code, cleared)
	}
	if code := x.controlCall("DELETE", "/faults?id=x", "", nil); code != 400 {
		t.Errorf("clearing nonsense: %d", code)
	}
	if x.controlCall("DELETE", "/faults", "", &cleared); cleared.Cleared != 2 {
		t.Errorf("clearing the rest: %+v", cleared)
	}
	if code := x.controlCall("POST", "/faults", `"`+strings.Repeat("x", maxControlBody)+`"`, nil); code != 400 {
		t.Errorf("a body without bound: %d", code)
	}
}

func TestConnectionsAreShutAndCutByControl(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	var n struct{ Connections int }
	c := x.dial("/ws")
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
	if code := x.controlCall("POST", "/shutdown", `{"lead":"5s"}`, &n); code != 200 || n.Connections != 1 {
		t.Errorf("%d %+v", code, n)
	}
	if got := c.read(); got != `{"e":"serverShutdown","E":`+number(t0)+`}` {
		t.Errorf("got %s", got)
	}
	x.clock.untilAsleep(t, t0+5000)
	if code := x.controlCall("POST", "/cut", `{"reset":true}`, &n); code != 200 || n.Connections != 1 {
		t.Errorf("%d %+v", code, n)
	}
	if code, _ := c.closed(); code != -1 {
		t.Errorf("closed with %d", code)
	}
	if code := x.controlCall("POST", "/shutdown", "", &n); code != 200 {
		t.Errorf("without a body: %d", code)
	}
}

func TestCountersTellWhatClientsDid(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 30*time.Second, nil)
	for range 3 {
		x.get(klinesPath)
	}
	x.get("/api/v3/klines?symbol=NOSUCH&interval=1m")
	x.get("/api/v3/ping")
	x.get("/nothing")
	c := x.dial("/ws/" + ethKline)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	x.clock.Advance(31 * time.Second)
	n := len(c.untilFinal())
	var got Counters
	x.controlCall("GET", "/counters", "", &got)
	want := Counters{Requests: map[string]int64{"/api/v3/klines": 4, "/api/v3/ping": 1, "other": 1}, KlinesBy: map[string]int64{"ETHUSDT": 3, "?": 1},
		WeightUsed: 10, Upgrades: 1, Connections: 1, Streams: 1, ClosesSent: 1, ClientFrames: got.ClientFrames, FramesSent: got.FramesSent,
		PeakWeight: 10, Struck: map[FaultKind]int64{}}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) || got.FramesSent < int64(n) || got.ClientFrames < 1 {
		t.Errorf("counted %s\nwant    %s", a, b)
	}
	if code := x.controlCall("DELETE", "/counters", "", nil); code != http.StatusNoContent {
		t.Errorf("reset: %d", code)
	}
	if c := x.api.Counters(); len(c.Requests) != 0 || c.WeightUsed != 0 || c.ClosesSent != 0 || c.PeakWeight != 0 || c.Connections != 1 {
		t.Errorf("after the reset: %+v", c)
	}
}

func TestTheProfileInForceIsServedAndReadsBack(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.Close = CloseLoaded; p.BanFirst = Duration(time.Hour) })
	var raw json.RawMessage
	x.controlCall("GET", "/profile", "", &raw)
	p, err := ParseProfile(raw)
	if err != nil || p != x.api.Profile() {
		t.Errorf("%v: %s", err, raw)
	}
}

func TestAProfileKeepsDefaultsAndRefusesNonsense(t *testing.T) {
	t.Parallel()
	p, err := ParseProfile([]byte(`{"limit_over":"reject","rest_lag":"3s","weights":{"klines":5}}`))
	want := DefaultProfile()
	want.LimitOver, want.RestLag, want.Weights.Klines = LimitReject, Duration(3*time.Second), 5
	if err != nil || p != want {
		t.Errorf("%v: %+v", err, p)
	}
	for _, text := range []string{`{`, `{"limit_ovr":"reject"}`, `{"limit_over":"maybe"}`, `{"tick":"0s"}`, `{"ping_interval":"20"}`, `{"close_lost":1.1}`,
		`{"close_lost":-1}`, `{"weight_limit":0}`, `{"upgrade_refusal":200}`, `{"upgrade_refusal":700}`, `{"close_fast_max":"1ms"}`, `{"ban_max":"1s"}`} {
		if _, err := ParseProfile([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New takes an impossible profile")
		}
	}()
	New(Config{Profile: Profile{Seed: 1}})
}
