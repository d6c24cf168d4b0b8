package klineapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// ailing starts an exchange with one fault and a client of its stream, and gives how many pings the
// client has seen so far.
func ailing(t *testing.T, fault Fault) (x *exchange, c *websocket.Conn, pings func() int) {
	t.Helper()
	x = start(t, busy(), 10*time.Second, func(p *Profile) {
		p.PongDeadline, p.MaxClientFrames = Duration(time.Hour), 0 // the clock runs faster than pongs
	})
	if _, err := x.api.Faults().Add(fault); err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{}, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, x.server.URL+"/ws", &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { seen <- struct{}{}; return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if err := c.Write(ctx, websocket.MessageText, []byte(`{"method":"SUBSCRIBE","params":["`+ethKline+`"],"id":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := c.Read(ctx); err != nil || string(answer) != `{"result":null,"id":1}` {
		t.Fatalf("%s, %v", answer, err)
	}
	return x, c, func() int { return len(seen) }
}

// frames reads what comes within some two virtual minutes of a connection that may end.
func frames(t *testing.T, x *exchange, c *websocket.Conn) (got []string, err error) {
	t.Helper()
	read := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for {
			_, data, err := c.Read(ctx)
			if err != nil {
				read <- err
				return
			}
			got = append(got, string(data))
		}
	}()
	for range 60 {
		x.clock.Advance(2 * time.Second)
		x.untilServed()
	}
	select {
	case err = <-read:
	case <-time.After(300 * time.Millisecond): // what is on its way in loopback arrives
		stop()
		<-read
	}
	return got, err
}

// SIM-W18: a peer that vanishes, a message without end, and connections that bring half of what they
// should.
func TestConnectionsFailInAllTheWaysThatTCPDoesNotTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   Fault
		frames  func(n int) bool
		pinged  bool
		touched string // what the error says, if there is one
	}{
		{Fault{Kind: ConnNoData}, func(n int) bool { return n == 0 }, true, ""},
		{Fault{Kind: ConnNoPings}, func(n int) bool { return n > 20 }, false, ""},
		{Fault{Kind: FrameStall, Skip: 3}, func(n int) bool { return n == 3 }, false, ""},
		{Fault{Kind: FrameEndless, Skip: 3}, func(n int) bool { return n == 3 }, true, ""},
		{Fault{Kind: FrameHuge, Skip: 3}, func(n int) bool { return n == 3 }, false, "limit"},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			t.Parallel()
			x, client, pings := ailing(t, c.fault)
			got, err := frames(t, x, client)
			if !c.frames(len(got)) || (c.touched == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.touched) {
				t.Errorf("%d frames, then %v", len(got), err)
			}
			if errors.Is(err, context.DeadlineExceeded) || c.touched == "" && (pings() > 0) != c.pinged {
				t.Errorf("%d pings, %v", pings(), err)
			}
		})
	}
}
