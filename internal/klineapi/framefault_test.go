package klineapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
)

// minutesOf runs the stream of ETHUSDT over some minutes under a fault that is set before the first
// frame, and gives what a subscriber receives until a second, healthy stream has had all its closes.
func minutesOf(t *testing.T, fault Fault) []string {
	t.Helper()
	x := start(t, busy(), 10*time.Second, nil)
	fault.Stream = ethKline
	if _, err := x.api.Faults().Add(fault); err != nil {
		t.Fatal(err)
	}
	c := x.dial("/stream?streams=" + ethKline + "/btcusdt@kline_1m")
	c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":true,"id":1}`)
	var frames []string
	for other, step := 0, 0; other < 3; step++ {
		x.clock.Advance(2 * time.Second)
		x.untilServed()
		// What is answered now comes behind all frames of this step.
		answer := fmt.Sprintf(`{"result":true,"id":%d}`, step)
		c.write(fmt.Sprintf(`{"method":"GET_PROPERTY","params":["combined"],"id":%d}`, step))
		for frame := c.read(); frame != answer; frame = c.read() {
			switch {
			case !strings.HasPrefix(frame, `{"stream":"btcusdt@kline_1m"`):
				frames = append(frames, frame)
			case decode(t, frame).final():
				other++
			}
		}
	}
	return frames
}

// SIM-W18, SIM-W12, SIM-W14
func TestEveryFaultOfAStreamShowsInItsFrames(t *testing.T) {
	t.Parallel()
	healthy := minutesOf(t, Fault{Kind: FrameDrop, Symbol: "NOSUCH"})
	if len(healthy) < 60 {
		t.Fatalf("a healthy stream has %d frames", len(healthy))
	}
	isHealthy := func(frame string) bool { return slices.Contains(healthy, frame) }
	for _, c := range []struct {
		fault Fault
		check func(frames []string) bool
	}{
		{Fault{Kind: FrameDrop, Rate: 0.5}, func(f []string) bool {
			return len(f) > len(healthy)/4 && len(f) < len(healthy)*3/4 && !slices.ContainsFunc(f, func(s string) bool { return !isHealthy(s) })
		}},
		{Fault{Kind: FrameDuplicate, Count: 1}, func(f []string) bool { return len(f) >= 2 && f[0] == f[1] && f[2] != f[1] && isHealthy(f[0]) }},
		{Fault{Kind: FrameStale, Skip: 3, Count: 1}, func(f []string) bool {
			return slices.Equal(f[:4], healthy[:4]) && f[4] == healthy[2] && f[5] == healthy[4]
		}},
		{Fault{Kind: FrameExtraKey, Count: 1}, func(f []string) bool {
			return strings.Contains(f[0], `"zz":{"new":[1,null]}`) && json.Valid([]byte(f[0])) && strings.ReplaceAll(f[0], `"zz":{"new":[1,null]},`, "") == healthy[0]
		}},
		{Fault{Kind: FrameTimeUnit, Count: 1}, func(f []string) bool {
			return strings.Contains(f[0], `"t":`+number(t0)+`000,`) && strings.Contains(f[1], `"t":`+number(t0)+`,`)
		}},
		{Fault{Kind: FrameUnknownEvent, Count: 1}, func(f []string) bool {
			return strings.HasPrefix(f[0], `{"stream":"`+ethKline+`","data":{"e":"unheardOf","E":`) && json.Valid([]byte(f[0])) && f[1] == healthy[0]
		}},
		{Fault{Kind: FrameGarbage, Count: 1}, func(f []string) bool { return !json.Valid([]byte(f[0])) && f[1] == healthy[0] }},
		{Fault{Kind: StreamSilence}, func(f []string) bool { return len(f) == 0 }},
		{Fault{Kind: SubscribeSilent, Count: 1}, func(f []string) bool { return len(f) == 0 }},
		{Fault{Kind: FrameFlood, Count: 1}, func(f []string) bool {
			return len(f) == len(healthy)+9 && f[9] == healthy[0] && f[10] == healthy[1]
		}},
		{Fault{Kind: StreamLostClose}, func(f []string) bool {
			return len(f) > 50 && !slices.ContainsFunc(f, func(s string) bool { return strings.Contains(s, `"x":true`) })
		}},
		{Fault{Kind: StreamLateClose, Count: 1}, func(f []string) bool {
			i := slices.IndexFunc(f, func(s string) bool { return strings.Contains(s, `"x":true`) })
			return i > 0 && decode(t, f[i]).open() == t0 && decode(t, f[i-1]).open() == t0+minute && decode(t, f[i+1]).open() == t0+minute && sameSet(f, healthy)
		}},
		{Fault{Kind: StreamWrongOrder, Count: 1}, func(f []string) bool { return f[0] == healthy[1] && f[1] == healthy[0] && sameSet(f, healthy) }},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			t.Parallel()
			if frames := minutesOf(t, c.fault); !c.check(frames) {
				t.Errorf("%d frames; the first are %s", len(frames), strings.Join(frames[:min(8, len(frames))], "\n"))
			}
		})
	}
}

// sameSet tells whether two lists of frames hold the same ones, whatever their order; the last step
// may be missing in one of them.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// SIM-W18
func TestAResetInsteadOfAFrameEndsOneConnectionOnly(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, nil)
	one, two := x.dial("/ws/"+ethKline), x.dial("/ws/"+ethKline)
	for _, c := range []*client{one, two} {
		c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":false,"id":1}`)
	}
	if _, err := x.api.Faults().Add(Fault{Kind: FrameReset, Symbol: "ETHUSDT", Count: 1}); err != nil {
		t.Fatal(err)
	}
	x.clock.Advance(2 * time.Second)
	_, errOne := one.next()
	_, errTwo := two.next()
	if (errOne == nil) == (errTwo == nil) {
		t.Fatalf("one: %v, two: %v", errOne, errTwo)
	}
	lost, lives := errOne, two
	if errOne == nil {
		lost, lives = errTwo, one
	}
	if websocket.CloseStatus(lost) != -1 {
		t.Errorf("the reset came as a close frame: %v", lost)
	}
	x.clock.Advance(2 * time.Second)
	lives.read()
}

// SIM-W18
func TestAHalfOpenConnectionIsAcceptedAndSaysNothing(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, nil)
	if _, err := x.api.Faults().Add(Fault{Kind: ConnHalfOpen, Count: 1}); err != nil {
		t.Fatal(err)
	}
	mute := x.pinged("/ws/" + ethKline)
	if err := mute.ws.WriteMessage(1, []byte(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)); err != nil {
		t.Fatal(err)
	}
	live := x.pinged("/ws/" + ethKline)
	frames := live.alive()
	for i := range 5 {
		x.clock.untilAsleep(t, t0+10_000+candle.Millis(i+1)*20_000)
		x.clock.Advance(20 * time.Second)
		live.pong(receive(t, "a PING", live.pings))
		frames += live.alive()
	}
	if frames == 0 { // they are on their way
		receive(t, "a frame on the other connection", live.texts)
	}
	select {
	case text := <-mute.texts:
		t.Errorf("it says %s", text)
	case ping := <-mute.pings:
		t.Errorf("it pings: %s", ping)
	case err := <-mute.ended:
		t.Errorf("it ends: %v", err)
	default:
	}
	x.api.CutConnections(false)
	receive(t, "the end", mute.ended)
}

// SIM-W18
func TestHandshakesAreRefusedAndDelayed(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	for _, status := range []int{403, 429, 451, 503} {
		if _, err := x.api.Faults().Add(Fault{Kind: HandshakeRefused, Path: "/ws", Status: status, Count: 1, RetryAfter: Duration(7 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		x.dial("/stream") // another path
		if resp := x.refused("/ws/" + ethKline); resp.StatusCode != status || resp.Header.Get("Retry-After") != "7" {
			t.Errorf("%d, Retry-After %s, want %d", resp.StatusCode, resp.Header.Get("Retry-After"), status)
		}
	}
	x.api.Faults().Clear(0)
	if _, err := x.api.Faults().Add(Fault{Kind: HandshakeSlow, Count: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shaken := make(chan error, 1)
	go func() {
		ws, _, err := websocket.Dial(ctx, x.server.URL+"/ws", nil)
		if err == nil {
			ws.CloseNow()
		}
		shaken <- err
	}()
	x.clock.untilAsleep(t, t0+10_000)
	select {
	case err := <-shaken:
		t.Fatalf("the handshake is over already: %v", err)
	default:
	}
	x.clock.Advance(10 * time.Second)
	if err := receive(t, "the handshake", shaken); err != nil {
		t.Error(err)
	}
}

// SIM-W18
func TestCuttingEndsEveryConnectionTheWayThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, withReset := range []bool{false, true} {
		x := start(t, busy(), 0, nil)
		clients := []*client{x.dial("/ws"), x.dial("/stream")}
		for _, c := range clients {
			c.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)
			c.read()
		}
		if n := x.api.CutConnections(withReset); n != 2 {
			t.Errorf("%d connections were cut", n)
		}
		for _, c := range clients {
			if code, _ := c.closed(); (code == closeGoingAway) == withReset {
				t.Errorf("with reset %t: closed with %d", withReset, code)
			}
		}
	}
}
