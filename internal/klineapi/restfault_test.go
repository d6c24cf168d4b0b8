package klineapi

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIM-R15: each fault strikes once as it is named, and the call after it is healthy.
func TestEveryRestFaultStrikesAsOftenAsItIsSetAndIsOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault Fault
		check func(r reply, err error) bool
	}{
		{Fault{Kind: RestForbidden}, func(r reply, err error) bool {
			return err == nil && r.status == 403 && r.header.Get("Content-Type") == htmlType && strings.Contains(r.body, "<html>")
		}},
		{Fault{Kind: RestRestricted}, func(r reply, err error) bool {
			return err == nil && r.status == 451 && strings.HasPrefix(r.body, `{"code":0,"msg":"Service unavailable from a restricted location`)
		}},
		{Fault{Kind: RestServerError}, func(r reply, err error) bool {
			return err == nil && r.status == 502 && strings.Contains(r.body, "<html>")
		}},
		{Fault{Kind: RestServerError, Status: 500}, func(r reply, err error) bool { return err == nil && r.status == 500 }},
		{Fault{Kind: RestReset}, func(_ reply, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
		}},
		{Fault{Kind: RestTruncated}, func(r reply, err error) bool {
			return err == nil && r.status == 200 && r.body != "" && !json.Valid([]byte(r.body))
		}},
		{Fault{Kind: RestSlow, Delay: Duration(time.Nanosecond)}, func(r reply, err error) bool {
			return err == nil && r.status == 200 && json.Valid([]byte(r.body))
		}},
		{Fault{Kind: RestEmpty}, func(r reply, err error) bool { return err == nil && r.status == 200 && r.body == "" }},
		{Fault{Kind: RestContentType}, func(r reply, err error) bool {
			return err == nil && r.status == 200 && r.header.Get("Content-Type") == htmlType && json.Valid([]byte(r.body))
		}},
		{Fault{Kind: Rest429}, func(r reply, err error) bool {
			return err == nil && r.status == 429 && r.header.Get("Retry-After") == "60" && strings.Contains(r.body, "-1003")
		}},
		{Fault{Kind: Rest429, RetryAfter: Duration(1500 * time.Millisecond)}, func(r reply, err error) bool {
			return err == nil && r.status == 429 && r.header.Get("Retry-After") == "2"
		}},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			t.Parallel()
			x := start(t, busy(), 0, nil)
			c.fault.Path, c.fault.Symbol, c.fault.Count, c.fault.Skip = "/api/v3/klines", "ETHUSDT", 2, 1
			if _, err := x.api.Faults().Add(c.fault); err != nil {
				t.Fatal(err)
			}
			healthy := func(when, path string) {
				t.Helper()
				if r := x.get(path); r.status != 200 || !json.Valid([]byte(r.body)) || r.header.Get("Content-Type") != jsonType {
					t.Errorf("%s: %d %s", when, r.status, r.body)
				}
			}
			healthy("the match that is skipped", klinesPath)
			healthy("another path", "/api/v3/ticker/price?symbol=ETHUSDT")
			healthy("another symbol", "/api/v3/klines?symbol=BTCUSDT&interval=1m")
			for i := range 2 {
				r, err := x.try(klinesPath)
				if !c.check(r, err) {
					t.Errorf("strike %d: %d %v %v %.200s", i, r.status, err, r.header, r.body)
				}
				if err == nil && r.weight() == "" {
					t.Errorf("strike %d does not tell the weight used", i)
				}
			}
			healthy("afterwards", klinesPath)
			if list := x.api.Faults().List(); len(list) != 1 || list[0].Struck != 2 {
				t.Errorf("the list says %+v", list)
			}
		})
	}
}

// SIM-R15
func TestABackendTimeoutAnswers504AfterTenSecondsOfTheClock(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	if _, err := x.api.Faults().Add(Fault{Kind: RestTimeout, Count: 1}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan reply, 1)
	go func() {
		r, _ := x.try(klinesPath)
		answered <- r
	}()
	x.clock.untilAsleep(t, t0+10_000)
	x.clock.Advance(9999 * time.Millisecond)
	select {
	case r := <-answered:
		t.Fatalf("answered too early: %d", r.status)
	default:
	}
	x.clock.Advance(time.Millisecond)
	if r := <-answered; r.status != 504 || !strings.HasPrefix(r.body, `{"code":-1007,"msg":"Timeout waiting for response from backend server.`) {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestStoppingEndsADelayedAnswer(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	if _, err := x.api.Faults().Add(Fault{Kind: RestTimeout}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = x.try(klinesPath)
	}()
	x.clock.untilAsleep(t, t0+10_000)
	x.api.stop()
	<-ended
}

func TestARatedFaultStrikesItsShareAndTheSameOnesForTheSameSeed(t *testing.T) {
	t.Parallel()
	strikes := func() (pattern []bool) {
		f := newFaults(7)
		if _, err := f.Add(Fault{Kind: FrameDrop, Rate: 0.1}); err != nil {
			t.Fatal(err)
		}
		for range 10_000 {
			_, struck := f.strike(place{}, FrameDrop)
			pattern = append(pattern, struck)
		}
		return pattern
	}
	first, second := strikes(), strikes()
	n := 0
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("two runs with one seed differ at match %d", i)
		}
		if first[i] {
			n++
		}
	}
	if n < 900 || n > 1100 {
		t.Errorf("%d of 10,000 struck, want about 1,000", n)
	}
}

func TestImpossibleFaultsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFaults(1)
	for _, fault := range []Fault{{}, {Kind: "no-such"}, {Kind: FrameDrop, Rate: 1.5}, {Kind: FrameDrop, Rate: -1}, {Kind: FrameDrop, Count: -1},
		{Kind: FrameDrop, Skip: -1}, {Kind: RestSlow, Delay: -1}, {Kind: Rest429, RetryAfter: -1}, {Kind: RestServerError, Status: 200}} {
		if _, err := f.Add(fault); err == nil {
			t.Errorf("%+v was accepted", fault)
		}
	}
	for range maxFaults {
		if _, err := f.Add(Fault{Kind: FrameDrop}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Add(Fault{Kind: FrameDrop}); err == nil {
		t.Error("the set grows without bound")
	}
	if n := f.Clear(0); n != maxFaults || f.active.Load() != 0 {
		t.Errorf("cleared %d, %d are active", n, f.active.Load())
	}
}
