package klineapi

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"velador/internal/candle"
)

// pinged is a client whose PONGs the test decides about.
type pinged struct {
	t     *testing.T
	ws    *websocket.Conn
	pings chan string
	texts chan string
	ended chan error
}

func (x *exchange) pinged(path string) *pinged {
	x.t.Helper()
	ws, resp, err := websocket.DefaultDialer.DialContext(x.t.Context(), "ws"+strings.TrimPrefix(x.server.URL, "http")+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	resp.Body.Close()
	c := &pinged{t: x.t, ws: ws, pings: make(chan string, 100), texts: make(chan string, 100), ended: make(chan error, 1)}
	ws.SetPingHandler(func(payload string) error {
		c.pings <- payload
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				c.ended <- err
				return
			}
			c.texts <- string(data)
		}
	}()
	x.t.Cleanup(func() {
		ws.Close()
		<-done
	})
	return c
}

func (c *pinged) pong(payload string) {
	c.t.Helper()
	if err := c.ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
}

// alive asks something, so that what was sent before has arrived, and expects an answer. It tells
// how many frames of streams came before it.
func (c *pinged) alive() (frames int) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)); err != nil {
		c.t.Fatal(err)
	}
	for !strings.HasPrefix(receive(c.t, "an answer", c.texts), `{"result":`) {
		frames++
	}
	return frames
}

func receive[T any](t *testing.T, what string, from chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// SIM-W8
func TestPingsWantTheirOwnPayloadBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer func(c *pinged, payload string)
		lives  bool
	}{
		{"a copy of the payload", func(c *pinged, payload string) { c.pong(payload) }, true},
		{"no PONG", func(*pinged, string) {}, false},
		{"an empty PONG", func(c *pinged, _ string) { c.pong("") }, false},
		{"another payload", func(c *pinged, payload string) { c.pong(payload + "0") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := start(t, busy(), 0, nil)
			client := x.pinged("/ws")
			client.alive()
			for i := range 4 { // PINGs at 20, 40, 60 and, were it not cut, 80 s
				at := t0 + candle.Millis(i+1)*20_000
				x.clock.untilAsleep(t, at)
				x.clock.Advance(20 * time.Second)
				if i == 3 && !c.lives {
					break
				}
				payload := receive(t, "a PING", client.pings)
				if payload != number(at) {
					t.Errorf("the payload is %q, want %s", payload, number(at))
				}
				c.answer(client, payload)
				client.alive() // at 60 s everybody still lives
			}
			if c.lives {
				return
			}
			var closing *websocket.CloseError
			if err := receive(t, "the end", client.ended); !errors.As(err, &closing) || closing.Code != closePolicy {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

// SIM-W8
func TestAMissingPongMayEndInAReset(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.PongCut = CutReset })
	client := x.pinged("/ws")
	x.clock.untilAsleep(t, t0+20_000)
	x.clock.Advance(20 * time.Second)
	receive(t, "a PING", client.pings)
	x.clock.untilAsleep(t, t0+40_000)
	x.clock.Advance(time.Minute)
	var closing *websocket.CloseError
	if err := receive(t, "the end", client.ended); errors.As(err, &closing) {
		t.Errorf("it ends with a close frame: %v", err)
	}
}

// SIM-W7, SIM-W8
func TestAClientsPingIsAnsweredAndCounted(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	client := x.pinged("/ws")
	pongs := make(chan string, 10)
	client.ws.SetPongHandler(func(payload string) error {
		pongs <- payload
		return nil
	})
	for i := range 6 {
		payload := number(candle.Millis(i))
		if err := client.ws.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			break
		}
		if got := receive(t, "a PONG", pongs); got != payload {
			t.Errorf("the PONG carries %q, want %q", got, payload)
		}
	}
	var closing *websocket.CloseError
	if err := receive(t, "the end", client.ended); !errors.As(err, &closing) || closing.Code != 1008 || closing.Text != "Too many requests" {
		t.Errorf("it ends with %v", err)
	}
}

// SIM-T2
func TestPingsRunOnTheWallClockWhereTheProfileSaysSo(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.WallControl = true })
	client := x.pinged("/ws/" + ethKline)
	client.alive()
	for range 120 { // 1000 × 20 s of the exchange's clock would demand a PING each
		x.clock.Advance(time.Minute)
	}
	for n := 0; n < 100; { // every close comes, and the connection lives
		if strings.Contains(receive(t, "a frame", client.texts), `"x":true`) {
			n++
		}
	}
	client.ws.SetPingHandler(nil)
	select {
	case payload := <-client.pings:
		t.Errorf("a PING %s came", payload)
	case err := <-client.ended:
		t.Errorf("the connection ended: %v", err)
	default:
	}
}

// SIM-W20
func TestAClientThatDoesNotReadIsCutAndOthersKeepTheirCadence(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, func(p *Profile) { p.SendQueue = 64 << 10; p.PingInterval = Duration(time.Hour) })
	slow := x.dial("/stream") // read no more after the ack
	slow.ask(`{"method":"SUBSCRIBE","params":["`+ethKline+`"],"id":1}`, `{"result":null,"id":1}`)
	live := x.dial("/ws/" + ethKline)
	live.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":false,"id":1}`)
	if _, err := x.api.Faults().Add(Fault{Kind: FrameExtraKey}); err != nil { // a copy for each: nothing is shared
		t.Fatal(err)
	}
	frames := 0
	for x.api.Counters().SlowCut == 0 {
		if frames++; frames > 1<<20 {
			t.Fatal("the client that does not read is never cut")
		}
		for _, c := range x.connections() {
			if c.combined.Load() {
				c.market(make([]byte, 16<<10))
			}
		}
		if frames < 100 {
			x.clock.Advance(2 * time.Second)
			live.read()
		}
	}
	x.clock.Advance(2 * time.Second)
	live.read()
}

func (x *exchange) connections() (list []*conn) {
	x.api.each(func(c *conn) { list = append(list, c) })
	return list
}

// SIM-W20
func TestAWriteWithoutHeadwayCutsTheClient(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, func(p *Profile) { p.SendQueue = 1 << 30; p.SendTimeout = Duration(10 * time.Millisecond) })
	slow := x.dial("/ws")
	slow.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
	list := x.connections()
	for range 64 { // far beyond what the sockets hold
		list[0].market(make([]byte, 1<<20))
	}
	select {
	case <-list[0].life.Done():
	case <-time.After(patience):
		t.Fatal("the client is never cut")
	}
	if x.api.Counters().SlowCut != 1 {
		t.Errorf("counted %d cuts", x.api.Counters().SlowCut)
	}
}
