package binance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"velador/internal/exchange"
)

const (
	writeTimeout = 10 * time.Second
	// maxBadFrames is how many frames in a row may make no sense before the connection is given up.
	// One alone is told to the log and dropped: a thousand other symbols must not suffer for one,
	// and a candle that is missing is found and fetched by REST.
	maxBadFrames = 16
	tellEvery    = time.Minute // a symbol that stays wrong must not fill the log
	// maxClockLead is how far after a candle's end an event may lie to move the clock. The clock
	// never goes back, so a single wrong event time must not push it into the future.
	maxClockLead = time.Minute
)

// conn is one stream connection. Two goroutines work on it: the caller's, in Receive, and keep,
// which subscribes and then watches that the venue still speaks (watch.go).
type conn struct {
	exchange *Exchange
	decoder  *decoder
	ws       *websocket.Conn
	signs    signs

	stop context.CancelFunc // ends keep
	kept chan struct{}      // closed when keep has ended

	// Of the goroutine in Receive.
	buffer  []byte
	acked   []bool        // by request, whose ids begin with 1
	waiting int           // acknowledgements that have not come
	allIn   chan struct{} // closed when waiting has become 0
	bad     int           // frames in a row that made no sense
	dropped int           // such frames in all
	told    time.Time     // when the log was last told of one

	mu  sync.Mutex
	err error // why the connection is of no use; the first reason stays
}

var errClosed = fmt.Errorf("the stream of %s was closed by us: %w", Name, net.ErrClosed)

func newConn(e *Exchange, d *decoder, requests int) *conn {
	return &conn{
		exchange: e, decoder: d, signs: signs{born: time.Now()}, kept: make(chan struct{}),
		buffer: make([]byte, 1<<10), acked: make([]bool, requests+1), waiting: requests, allIn: make(chan struct{}),
	}
}

// begin starts keep on a connection that stands.
func (c *conn) begin(ws *websocket.Conn, names []string) {
	c.ws = ws
	c.signs.ping()
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() {
		defer close(c.kept)
		defer stop()
		if err := c.keep(ctx, names); err != nil {
			c.fail(err)
		}
	}()
}

// pinged notes a ping; the library answers it with its payload.
func (c *conn) pinged(context.Context, []byte) bool {
	c.signs.ping()
	return true
}

// keep subscribes, waits for the acknowledgements, and then watches over silence until ctx ends.
func (c *conn) keep(ctx context.Context, names []string) error {
	if err := c.subscribe(ctx, names); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-c.allIn:
	case <-time.After(c.exchange.config.AckTimeout):
		return unavailable(nil, "{exchange} did not acknowledge the subscriptions in time; a new connection is tried")
	}
	return c.watch(ctx)
}

// subscribe sends the names, 200 in a message, four messages a second: the venue closes a
// connection that sends more than five, pongs included (EXCHANGES.md 2.10).
func (c *conn) subscribe(ctx context.Context, names []string) error {
	ticks := time.NewTicker(subscribeInterval)
	defer ticks.Stop()
	id := 0
	for some := range slices.Chunk(names, subscribeNames) {
		if id++; id > 1 {
			select {
			case <-ctx.Done():
				return nil
			case <-ticks.C:
			}
		}
		message, err := json.Marshal(struct {
			Method string   `json:"method"`
			Params []string `json:"params"`
			ID     int      `json:"id"`
		}{"SUBSCRIBE", some, id})
		if err != nil {
			return fmt.Errorf("write a subscription: %w", err)
		}
		timed, cancel := context.WithTimeout(ctx, writeTimeout)
		err = c.ws.Write(timed, websocket.MessageText, message)
		cancel()
		if err != nil {
			return unavailable(fmt.Errorf("subscribe: %w", err), "The connection to {exchange} has broken; a new one is tried")
		}
	}
	return nil
}

// fail ends the connection for a reason; only the first one counts.
func (c *conn) fail(reason error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = reason
	}
	c.mu.Unlock()
	c.stop()
	_ = c.ws.CloseNow() // the venue does not wait for farewells, and a dead one would make us wait
}

func (c *conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and waits for keep.
func (c *conn) Close() error {
	c.fail(errClosed)
	<-c.kept
	return nil
}

// Receive gives the next event. Frames that are of no concern are passed over.
func (c *conn) Receive(ctx context.Context) (exchange.Event, error) {
	for {
		if err := c.reason(); err != nil {
			return exchange.Event{}, err
		}
		data, err := c.read(ctx)
		if err != nil {
			return exchange.Event{}, c.lost(ctx, err)
		}
		event, ok, err := c.interpret(data)
		if err != nil {
			c.fail(err)
			return exchange.Event{}, err
		}
		if ok {
			return event, nil
		}
	}
}

// read gives one message; it is valid until the next call.
func (c *conn) read(ctx context.Context) ([]byte, error) {
	kind, message, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	c.signs.begin()
	n := 0
	for {
		if n == len(c.buffer) {
			c.buffer = append(c.buffer, make([]byte, len(c.buffer))...) // bounded by the read limit
		}
		more, err := message.Read(c.buffer[n:])
		n += more
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	c.signs.end()
	if kind != websocket.MessageText {
		return nil, nil // never seen; it decodes to an error
	}
	return c.buffer[:n], nil
}

// lost gives meaning to an error of the connection.
func (c *conn) lost(ctx context.Context, err error) error {
	var closed websocket.CloseError
	switch {
	case ctx.Err() != nil:
		c.fail(fmt.Errorf("receive from %s: %w", Name, ctx.Err()))
	case errors.As(err, &closed) && closed.Code == websocket.StatusPolicyViolation:
		c.fail(unavailable(err, "{exchange} has closed the connection because of what was sent; a new one is tried"))
	case errors.As(err, &closed):
		c.fail(unavailable(err, "{exchange} has closed the connection; a new one is tried"))
	case errors.Is(err, websocket.ErrMessageTooBig):
		c.fail(nonsense(fmt.Errorf("a message is longer than %d bytes: %w", maxFrame, err)))
	default:
		c.fail(unavailable(err, "The connection to {exchange} has broken; a new one is tried"))
	}
	return c.reason()
}

// interpret makes an event of a message; ok is false when it is of no concern. An error ends the
// connection.
func (c *conn) interpret(data []byte) (event exchange.Event, ok bool, err error) {
	var f frame
	if err := c.decoder.frame(data, &f); err != nil {
		c.bad++
		c.dropped++
		if c.told.IsZero() || time.Since(c.told) > tellEvery {
			c.told = time.Now()
			c.exchange.log.Warn("a frame that makes no sense was dropped", "exchange", Name, "error", err, "dropped", c.dropped, "frame", string(data[:min(len(data), 300)]))
		}
		if c.bad == maxBadFrames {
			return event, false, nonsense(fmt.Errorf("%d frames in a row made no sense, the last: %w", c.bad, err))
		}
		return event, false, nil
	}
	c.bad = 0
	switch {
	case f.reply:
		return c.acknowledge(&f)
	case f.Event.Type == eventShutdown:
		c.exchange.log.Info("the exchange will close a connection soon", "exchange", Name)
		return exchange.Event{Kind: exchange.Shutdown, At: f.Event.At}, true, nil
	case f.Event.Type != eventKline || f.Event.Kline.Timeframe != c.decoder.timeframe:
		return event, false, nil
	}
	symbol, ok := c.decoder.symbols[f.Event.Symbol]
	if !ok {
		return event, false, nil // not subscribed
	}
	if at := f.Event.At; at <= f.Event.Kline.CloseTime.Add(maxClockLead) {
		c.exchange.clock.reached(at)
	}
	return exchange.Event{Kind: exchange.Update, Symbol: symbol, Candle: f.Event.Kline.candle(), Closed: f.Event.Kline.Closed, At: f.Event.At}, true, nil
}

// acknowledge counts the replies to our subscriptions; the last one makes the event.
func (c *conn) acknowledge(f *frame) (event exchange.Event, ok bool, err error) {
	if f.failed {
		return event, false, nonsense(fmt.Errorf("a subscription was refused with code %d: %.200q", f.code, f.msg))
	}
	if f.id < 1 || f.id >= int64(len(c.acked)) || c.acked[f.id] {
		return event, false, nil
	}
	c.acked[f.id] = true
	if c.waiting--; c.waiting > 0 {
		return event, false, nil
	}
	close(c.allIn)
	return exchange.Event{Kind: exchange.Subscribed}, true, nil
}
