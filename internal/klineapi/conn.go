package klineapi

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"velador/internal/candle"
)

// Close codes that the server sends.
const (
	closeNormal    = websocket.CloseNormalClosure
	closeGoingAway = websocket.CloseGoingAway
	closePolicy    = websocket.ClosePolicyViolation
)

// lingerAfterClose is how long a connection waits for the client's side of a close.
const lingerAfterClose = time.Second

// conn is one client's WebSocket connection. Three goroutines serve it: the handler's own reads,
// write sends what is queued, watch pings and ends it in time.
type conn struct {
	api    *API
	ip     string
	ws     *websocket.Conn
	wire   *wire
	micros bool
	born   candle.Millis // by the control clock

	mute    atomic.Bool // half-open: it says nothing at all
	endless atomic.Bool // it is inside of a message that never ends
	noData  bool        // it sends no market data
	noPings bool        // it sends no pings, and answers none

	combined atomic.Bool

	life context.Context // ends with the connection
	stop context.CancelFunc

	mu      sync.Mutex
	queue   []outgoing
	waiting int  // bytes queued or being written
	closing bool // a close frame is queued: nothing comes after it
	pings   []ping
	ready   chan struct{} // has room for one: something is queued

	// The reader's own.
	names  []string
	topics map[string]topic
	recent []candle.Millis // instants of the client's last frames
}

// outgoing is one frame to send. The data is shared and not written to.
type outgoing struct {
	opcode int
	data   []byte
}

// rawBytes is the opcode of what is no frame but goes out as it is.
const rawBytes = -1

// moreOfIt is a fragment of one byte that is not the last of its message.
var moreOfIt = []byte{0, 1, ' '}

// ping is a PING that was not answered yet.
type ping struct {
	payload string
	at      candle.Millis
}

func newConn(a *API, ip string, ws *websocket.Conn, w *wire, combined, micros bool) *conn {
	c := &conn{api: a, ip: ip, ws: ws, wire: w, micros: micros, born: a.control.Now(),
		ready: make(chan struct{}, 1), topics: make(map[string]topic)}
	c.combined.Store(combined)
	c.life, c.stop = context.WithCancel(context.Background())
	return c
}

// serve runs the connection until it ends; names are the streams that its URL asks for.
func (c *conn) serve(names []string) {
	var parts sync.WaitGroup
	parts.Go(c.write)
	parts.Go(c.watch)
	if !c.mute.Load() {
		c.start(names)
	}
	c.read()
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	if !closing {
		c.stop() // else the writer sends the close frame first, within its time limit, and stops
	}
	for _, t := range c.topics {
		c.api.hub.unsubscribe(c, t)
	}
	parts.Wait()
	c.wire.Close()
}

// send queues a frame. A client for which too much waits is cut (SIM-W20).
func (c *conn) send(opcode int, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueue(opcode, data)
}

func (c *conn) enqueue(opcode int, data []byte) {
	if c.closing || c.mute.Load() || c.life.Err() != nil {
		return
	}
	if opcode == websocket.TextMessage && c.endless.Load() {
		opcode, data = rawBytes, moreOfIt
	}
	if c.waiting+len(data) > c.api.profile.SendQueue {
		c.api.tally.slowCut.Add(1)
		c.api.log.Info("a client that does not read was cut", "ip", c.ip, "bytes", c.waiting)
		c.abort()
		return
	}
	c.waiting += len(data)
	c.queue = append(c.queue, outgoing{opcode, data})
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// end closes the connection with a close frame, after what is queued.
func (c *conn) end(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute.Load() {
		c.abort()
		return
	}
	c.enqueue(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason))
	c.closing = true
}

// abort ends the connection at once with a TCP reset.
func (c *conn) abort() {
	c.stop()
	reset(c.wire)
}

// write sends what is queued until the connection ends.
func (c *conn) write() {
	defer c.stop()
	var batch []outgoing
	for {
		select {
		case <-c.life.Done():
			return
		case <-c.ready:
		}
		c.mu.Lock()
		batch, c.queue = c.queue, batch[:0]
		c.mu.Unlock()
		closed, err := c.writeBatch(batch)
		if err != nil {
			if isTimeout(err) {
				c.api.tally.slowCut.Add(1)
				c.api.log.Info("a client that does not read was cut", "ip", c.ip)
			}
			c.abort()
			return
		}
		if closed {
			c.wire.closeWrite()
			_ = c.ws.SetReadDeadline(time.Now().Add(lingerAfterClose)) // fails only where reading fails too
			return
		}
		clear(batch) // the frames' bytes are not kept alive
	}
}

// writeBatch writes frames and flushes them; closed tells that a close frame was among them.
func (c *conn) writeBatch(batch []outgoing) (closed bool, err error) {
	size := 0
	for _, o := range batch {
		size += len(o.data)
		if o.opcode == rawBytes {
			_, err = c.wire.Write(o.data)
		} else {
			err = c.ws.WriteMessage(o.opcode, o.data)
		}
		if err != nil {
			return false, err
		}
		closed = closed || o.opcode == websocket.CloseMessage
	}
	err = c.wire.flush()
	c.mu.Lock()
	c.waiting -= size
	c.mu.Unlock()
	return closed, err
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// read takes the client's frames until the connection ends. Each one, PINGs and PONGs included,
// counts against the client's rate (SIM-W7).
func (c *conn) read() {
	c.ws.SetReadLimit(maxMessage)
	c.ws.SetPingHandler(func(payload string) error {
		if c.tolerates() && !c.noPings {
			c.send(websocket.PongMessage, []byte(payload))
		}
		return nil
	})
	c.ws.SetPongHandler(func(payload string) error {
		if c.tolerates() {
			c.pong(payload)
		}
		return nil
	})
	c.ws.SetCloseHandler(func(code int, _ string) error {
		if code == websocket.CloseNoStatusReceived {
			code = closeNormal
		}
		c.end(code, "")
		return nil
	})
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		if c.tolerates() && !c.mute.Load() && kind == websocket.TextMessage {
			c.handle(data)
		}
	}
}

// tolerates counts a client's frame; the connection ends when there are too many within a second.
func (c *conn) tolerates() bool {
	c.api.tally.clientFrames.Add(1)
	most := c.api.profile.MaxClientFrames
	if most == 0 || c.mute.Load() {
		return true
	}
	now := c.api.control.Now()
	if len(c.recent) == most {
		if now-c.recent[0] < 1000 {
			c.api.tally.flooded.Add(1)
			c.end(closePolicy, "Too many requests")
			return false
		}
		copy(c.recent, c.recent[1:])
		c.recent = c.recent[:most-1]
	}
	c.recent = append(c.recent, now)
	return true
}

// pong takes a PONG: one that answers a PING settles it and all before it; others count for nothing
// (SIM-W8).
func (c *conn) pong(payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.pings {
		if p.payload == payload {
			c.pings = append(c.pings[:0], c.pings[i+1:]...)
			return
		}
	}
}

// watch pings the client, and ends the connection when PONGs stay out or its age is reached
// (SIM-W8, SIM-W9).
func (c *conn) watch() {
	p := &c.api.profile
	old := c.born + candle.Millis(p.MaxAge.millis())
	nextPing := c.born + candle.Millis(p.PingInterval.millis())
	if c.noPings {
		nextPing = never
	}
	for !c.mute.Load() {
		now := c.api.control.Now()
		if now >= old {
			c.end(closeGoingAway, "")
			return
		}
		c.mu.Lock()
		deadline := never
		if len(c.pings) > 0 {
			deadline = c.pings[0].at + candle.Millis(p.PongDeadline.millis())
		}
		if now < deadline && now >= nextPing {
			c.pings = append(c.pings, ping{strconv.FormatInt(int64(now), 10), now})
			c.enqueue(websocket.PingMessage, []byte(c.pings[len(c.pings)-1].payload))
			nextPing = now + candle.Millis(p.PingInterval.millis())
			deadline = c.pings[0].at + candle.Millis(p.PongDeadline.millis())
		}
		c.mu.Unlock()
		if now >= deadline {
			c.pongMissed()
			return
		}
		if c.api.control.Sleep(c.life, min(old, nextPing, deadline)) != nil {
			return
		}
	}
}

func (c *conn) pongMissed() {
	c.api.log.Info("a client without PONGs was cut", "ip", c.ip)
	if c.api.profile.PongCut == CutReset {
		c.abort()
		return
	}
	c.end(closePolicy, "Pong timeout")
}
