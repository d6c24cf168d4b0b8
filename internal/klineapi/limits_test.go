package klineapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const klinesPath = "/api/v3/klines?symbol=ETHUSDT&interval=1m&limit=1"

func (r reply) weight() string { return r.header.Get("X-MBX-USED-WEIGHT-1M") }

// SIM-R12
func TestEveryAnswerTellsTheWeightUsed(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	used := 0
	for _, c := range []struct {
		path   string
		weight int
	}{
		{"/api/v3/ping", 1}, {"/api/v3/time", 1}, {klinesPath, 2}, {"/api/v3/uiKlines?symbol=ETHUSDT&interval=1m", 2}, {"/api/v3/exchangeInfo", 20},
		{"/api/v3/klines?symbol=x&limit=y", 2}, {"/api/v3/klines", 2}, // refused calls cost their weight
		{"/api/v3/ticker/24hr?symbol=ETHUSDT", 2}, {"/api/v3/ticker/24hr?symbols=[%22ETHUSDT%22,%22BTCUSDT%22]", 2},
		{"/api/v3/ticker/24hr?symbols=[" + strings.Repeat("%22X%22,", 20) + "%22X%22]", 40},
		{"/api/v3/ticker/24hr?symbols=[" + strings.Repeat("%22X%22,", 100) + "%22X%22]", 80},
		{"/api/v3/ticker/24hr", 80}, {"/api/v3/ticker/price?symbol=ETHUSDT", 2}, {"/api/v3/ticker/price", 4}, {"/api/v3/nothing", 1},
	} {
		used += c.weight
		r := x.get(c.path)
		if want := fmt.Sprint(used); r.weight() != want || r.header.Get("X-MBX-USED-WEIGHT") != want {
			t.Errorf("after GET %s: used %s and %s, want %s", c.path, r.weight(), r.header.Get("X-MBX-USED-WEIGHT"), want)
		}
	}
	x.clock.Advance(time.Minute)
	if r := x.get("/api/v3/ping"); r.weight() != "1" {
		t.Errorf("in the next minute: used %s, want 1", r.weight())
	}
}

// SIM-R12
func TestTenKlinesCallsWeighTwenty(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	var r reply
	for range 10 {
		r = x.get(klinesPath)
	}
	if r.weight() != "20" {
		t.Errorf("used %s, want 20", r.weight())
	}
}

// SIM-R13
func TestBeyondTheLimitCallsAreRefusedUntilTheNextMinute(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 30*time.Second+500*time.Millisecond, func(p *Profile) { p.WeightLimit = 20 })
	for range 10 {
		if r := x.get(klinesPath); r.status != 200 {
			t.Fatalf("within the limit: %d", r.status)
		}
	}
	r := x.get(klinesPath)
	const want = `{"code":-1003,"msg":"Too much request weight used; current limit is 20 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}`
	if r.status != 429 || r.body != want || r.header.Get("Retry-After") != "30" || r.weight() != "22" {
		t.Errorf("the 11th call: %d, Retry-After %s, used %s, %s", r.status, r.header.Get("Retry-After"), r.weight(), r.body)
	}
	x.clock.Advance(29*time.Second + 499*time.Millisecond)
	if r = x.get(klinesPath); r.status != 429 || r.header.Get("Retry-After") != "1" {
		t.Errorf("1 ms before the minute ends: %d, Retry-After %s", r.status, r.header.Get("Retry-After"))
	}
	x.clock.Advance(time.Millisecond)
	if r = x.get("/api/v3/exchangeInfo"); r.status != 200 || !strings.Contains(r.body, `"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":20}`) {
		t.Errorf("in the next minute: %d %s", r.status, r.body)
	}
	if c := x.api.Counters(); c.Status429 != 2 || c.Status418 != 0 || c.OverLimit != 2 || c.PeakWeight != 24 {
		t.Errorf("counted %d 429 and %d 418, %d beyond the limit, %d weight at most, want 2, 0, 2 and 24", c.Status429, c.Status418, c.OverLimit, c.PeakWeight)
	}
}

// SIM-R13
func TestRawRequestsAreLimitedPerFiveMinutes(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.RawLimit = 3 })
	for range 3 {
		x.get("/api/v3/ping")
		x.clock.Advance(time.Minute)
	}
	if r := x.get("/api/v3/ping"); r.status != 429 || r.header.Get("Retry-After") != "120" || r.body != `{"code":-1003,"msg":"Too many requests queued."}` {
		t.Errorf("the 4th: %d, Retry-After %s, %s", r.status, r.header.Get("Retry-After"), r.body)
	}
	x.clock.Advance(2 * time.Minute)
	if r := x.get("/api/v3/ping"); r.status != 200 {
		t.Errorf("in the next five minutes: %d", r.status)
	}
}

// SIM-R14
func TestWhoIgnores429IsBannedAndEachBanIsTwiceAsLong(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.WeightLimit = 20; p.BanMax = Duration(8 * time.Minute) })
	for i, want := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 8 * time.Minute} {
		for range 10 {
			if r := x.get(klinesPath); r.status != 200 {
				t.Fatalf("ban %d: within the limit: %d", i, r.status)
			}
		}
		for range 5 {
			if r := x.get(klinesPath); r.status != 429 {
				t.Fatalf("ban %d: beyond the limit: %d", i, r.status)
			}
		}
		r := x.get(klinesPath)
		msg := `{"code":-1003,"msg":"Way too much request weight used; IP banned until ` + number(x.clock.Now().Add(want)) + `. Please use WebSocket Streams for live updates to avoid bans."}`
		if r.status != 418 || r.body != msg || r.header.Get("Retry-After") != fmt.Sprint(want.Seconds()) {
			t.Fatalf("ban %d: %d, Retry-After %s, %s\nwant %s", i, r.status, r.header.Get("Retry-After"), r.body, msg)
		}
		x.clock.Advance(want - time.Second)
		if r = x.get("/api/v3/ping"); r.status != 418 || r.header.Get("Retry-After") != "1" {
			t.Fatalf("ban %d: a second before it ends: %d, Retry-After %s", i, r.status, r.header.Get("Retry-After"))
		}
		x.clock.Advance(time.Second)
		if r = x.get("/api/v3/ping"); r.status != 200 {
			t.Fatalf("ban %d: after it: %d", i, r.status)
		}
		x.clock.Advance(time.Minute)
	}
	if c := x.api.Counters(); c.OverLimit != 4*6 || c.WhileBanned != 4 {
		t.Errorf("counted %d calls beyond the limit and %d during a ban, want 24 and 4", c.OverLimit, c.WhileBanned)
	}
}

// What a fault orders is not the client's doing; what it does during such a ban is.
func TestRefusalsThatAFaultOrdersAreCountedApart(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	for _, kind := range []FaultKind{Rest429, Rest418} {
		if _, err := x.api.Faults().Add(Fault{Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		x.get(klinesPath)
	}
	if c := x.api.Counters(); c.Status429 != 1 || c.Status418 != 1 || c.OverLimit != 0 || c.WhileBanned != 0 || c.Struck[Rest429] != 1 || c.Struck[Rest418] != 1 {
		t.Errorf("after two faults: %+v", c)
	}
	x.get("/api/v3/ping")
	x.api.Faults().Clear(0)
	if c := x.api.Counters(); c.OverLimit != 0 || c.WhileBanned != 1 || c.Struck[Rest418] != 1 {
		t.Errorf("after a call during the ban: %+v", c)
	}
	x.api.ResetCounters()
	if c := x.api.Counters(); len(c.Struck) != 0 || c.WhileBanned != 0 {
		t.Errorf("after the reset: %+v", c)
	}
}

// SIM-R14
func TestABanLeavesStreamsAloneUnlessTheProfileCutsThem(t *testing.T) {
	t.Parallel()
	for _, cuts := range []bool{false, true} {
		x := start(t, busy(), 0, func(p *Profile) { p.BanCutsWS = cuts })
		c := x.dial("/ws")
		c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":false,"id":1}`)
		if _, err := x.api.Faults().Add(Fault{Kind: Rest418, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if r := x.get(klinesPath); r.status != 418 || r.header.Get("Retry-After") != "120" {
			t.Fatalf("%d, Retry-After %s", r.status, r.header.Get("Retry-After"))
		}
		if cuts {
			if code, _ := c.closed(); code != closePolicy {
				t.Errorf("the stream of a banned IP ends with %d", code)
			}
			if resp := x.refused("/ws"); resp.StatusCode != http.StatusTeapot {
				t.Errorf("a handshake of a banned IP: %d", resp.StatusCode)
			}
			continue
		}
		c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":2}`, `{"result":false,"id":2}`)
		x.dial("/ws")
	}
}

// SIM-T2
func TestLimitsRunOnTheWallClockWhereTheProfileSaysSo(t *testing.T) {
	t.Parallel()
	wall := newStepClock(t0 + 17*hour)
	p := DefaultProfile()
	p.WallControl, p.WeightLimit, p.RestLag = true, 2, 0
	clock := newStepClock(t0)
	api := New(Config{Source: busy(), Clock: clock, Wall: wall, Profile: p})
	call := func() verdict { return api.limits.charge("10.0.0.1", 2, api.control.Now()) }
	if v := call(); v.status != 200 {
		t.Fatalf("the first call: %d", v.status)
	}
	clock.Advance(time.Hour)
	if v := call(); v.status != 429 || v.retryAfter != 60 {
		t.Errorf("an hour of the exchange's clock later: %d, Retry-After %d", v.status, v.retryAfter)
	}
	wall.Advance(time.Minute)
	if v := call(); v.status != 200 {
		t.Errorf("a minute of wall time later: %d", v.status)
	}
}

func TestTheTableOfClientsStaysBounded(t *testing.T) {
	t.Parallel()
	p := DefaultProfile()
	l := newLimits(&p)
	l.force("banned", t0, time.Hour, verdict{})
	for i := range 3 * maxClients {
		l.charge(fmt.Sprint(i), 1, t0)
	}
	if len(l.clients) > maxClients+1 {
		t.Errorf("%d clients are remembered", len(l.clients))
	}
	if l.bannedFor("banned", t0) != 3600 {
		t.Error("a ban was forgotten")
	}
}
