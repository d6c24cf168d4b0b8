package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"velador/internal/candle"
	"velador/internal/problem"
)

// PublisherConfig bounds a publisher.
type PublisherConfig struct {
	// Window is how many messages may be unacknowledged, and so kept in memory (some 300 bytes each);
	// 0 is 1,024.
	Window int
	// AckWait is how long the oldest message waits for its acknowledgement before it is sent again; 0
	// is 5 s. It stays below the server's memory of message IDs (20 s).
	AckWait time.Duration
}

// Publisher sends candles, gaps and audits to the stream CANDLES until the stream has acknowledged
// each: it has no way to drop one. The package's text says in which order they arrive. It is safe for
// concurrent use.
//
// A message's ID is the publisher's own random name and a count, not series and open time: the
// server drops a repeated ID, and a candle that was corrected and corrected back within the server's
// memory would stay wrong. What arrives twice is made one by the store.
type Publisher struct {
	conn   *Conn
	window uint64
	wait   time.Duration
	name   string // random; the first part of message IDs
	inbox  string // acknowledgements arrive at inbox + count
	sub    *nats.Subscription
	kick   chan struct{} // wakes run after a change of mode
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when run has ended

	mu     sync.Mutex
	ring   []outgoing // message number n is at ring[n % window]
	first  uint64     // the oldest message that is not acknowledged
	next   uint64     // the number of the next message
	mode   mode
	at     time.Time     // when run must act next, by mode; zero: never
	probe  uint64        // the message whose answer is waited for while probing
	failed int           // failures in a row
	told   bool          // the trouble under way is in the log
	moved  chan struct{} // closed and replaced when first moves on or the publisher closes
	closed bool
	out    nats.Msg // reused for every message sent
}

// mode is what a publisher does about its unacknowledged messages.
type mode uint8

const (
	flowing mode = iota // new messages are sent at once
	waiting             // something failed: nothing is sent until `at`, or until the connection changes
	probing             // the oldest one was sent again; the others follow when it is acknowledged
)

// outgoing is a message that is not acknowledged, or that is behind one that is not.
type outgoing struct {
	subject string
	payload []byte        // reused by the message that takes the place
	key     candle.Millis // with the subject: which candle or gap this is
	acked   bool
	last    bool // not sent before all that was handed over earlier is acknowledged
}

// NewPublisher starts a publisher. Close ends it.
func (c *Conn) NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	if cfg.Window <= 0 {
		cfg.Window = 1024
	}
	if cfg.AckWait <= 0 {
		cfg.AckWait = 5 * time.Second
	}
	p := &Publisher{
		conn: c, window: uint64(cfg.Window), wait: cfg.AckWait,
		name: nuid.Next(), inbox: c.nats.NewInbox() + ".",
		kick: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
		moved: make(chan struct{}),
	}
	p.out.Header = nats.Header{nats.MsgIdHdr: {""}}
	sub, err := c.nats.Subscribe(p.inbox+"*", p.receive)
	if err != nil {
		return nil, fmt.Errorf("start a publisher: %w", err)
	}
	p.sub = sub
	go p.run()
	return p, nil
}

// Candle hands a closed candle over. It returns when the candle is kept in the window, and waits
// while the window is full; they are sent in the order of the calls. The error is ctx's, ErrClosed, or
// problem.Invalid for a candle that no store could keep.
func (p *Publisher) Candle(ctx context.Context, series candle.Series, c candle.Candle) error {
	err := checkSeries(series)
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return refused(err)
	}
	return p.enqueue(ctx, outgoing{subject: subjectOf(familyCandle, series), key: c.OpenTime}, func(dst []byte) ([]byte, error) {
		return c.AppendCSV(dst), nil
	})
}

// Gap hands a gap over, as Candle does with a candle. Like an audit it is not sent before all that was handed
// over earlier is acknowledged: a gap that is told to be repaired has its candles in the stream.
func (p *Publisher) Gap(ctx context.Context, g candle.Gap) error {
	err := checkSeries(g.Series)
	if err == nil {
		err = checkGap(g)
	}
	if err != nil {
		return refused(err)
	}
	return p.enqueue(ctx, outgoing{subject: subjectOf(familyGap, g.Series), key: g.Range.From, last: true}, func(dst []byte) ([]byte, error) {
		return appendGap(dst, g)
	})
}

// Audit hands an audit over, as Candle does with a candle. It is not sent before all that was handed over
// earlier is acknowledged: a candle that was refused and is sent again would else come behind the audit
// that confirms it, and not at all if this process dies in between. What is handed over later does not
// wait for it.
func (p *Publisher) Audit(ctx context.Context, a candle.Audit) error {
	err := checkSeries(a.Series)
	if err == nil {
		err = checkAudit(a)
	}
	if err != nil {
		return refused(err)
	}
	return p.enqueue(ctx, outgoing{subject: subjectOf(familyAudit, a.Series), key: a.Range.To, last: true}, func(dst []byte) ([]byte, error) {
		return appendAudit(dst, a)
	})
}

func refused(err error) error {
	return problem.New(problem.Invalid, problem.CodeInternal, err, "This candle, gap or audit cannot be sent.")
}

// Forming shows a candle that is not closed yet to whoever listens (SubscribeForming). at is the
// venue's time of the event. It is not kept: without a connection it is gone.
func (p *Publisher) Forming(series candle.Series, c candle.Candle, at candle.Millis) {
	p.conn.PublishForming(series, c, at)
}

// Flush returns when everything handed over before is acknowledged.
func (p *Publisher) Flush(ctx context.Context) error {
	p.mu.Lock()
	last := p.next
	p.mu.Unlock()
	for {
		p.mu.Lock()
		reached, closed, moved := p.first >= last, p.closed, p.moved
		p.mu.Unlock()
		switch {
		case reached:
			return nil
		case closed:
			return ErrClosed
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("flush to the bus: %w", context.Cause(ctx))
		}
	}
}

// Unacknowledged tells how many messages wait for their acknowledgement.
func (p *Publisher) Unacknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.next - p.first)
}

// Close ends the publisher at once. The error tells how many messages were not acknowledged and are
// given up; after a successful Flush there are none.
func (p *Publisher) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.ended
		return nil
	}
	p.closed = true
	left := p.next - p.first
	p.progress()
	p.mu.Unlock()
	close(p.done)
	<-p.ended
	err := p.sub.Unsubscribe()
	if errors.Is(err, nats.ErrConnectionClosed) {
		err = nil
	}
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("%d messages were not acknowledged by the bus", left))
	}
	return err
}

// enqueue keeps a message and, when all is well, sends it.
func (p *Publisher) enqueue(ctx context.Context, m outgoing, encode func([]byte) ([]byte, error)) error {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return ErrClosed
		}
		if p.next-p.first < p.window {
			err := p.keep(m, encode)
			p.mu.Unlock()
			return err
		}
		moved := p.moved
		p.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the bus to acknowledge: %w", context.Cause(ctx))
		}
	}
}

// keep puts a message into the window. The caller holds mu.
func (p *Publisher) keep(m outgoing, encode func([]byte) ([]byte, error)) error {
	i := p.next % p.window
	if i >= uint64(len(p.ring)) {
		p.ring = append(p.ring, outgoing{}) // the window grows with its use
	}
	payload, err := encode(p.ring[i].payload[:0])
	if err != nil {
		return err
	}
	m.payload = payload
	p.ring[i] = m
	p.next++
	if p.mode == flowing {
		if p.next-p.first == 1 {
			p.act(time.Now().Add(p.wait))
		}
		if !p.ready(p.next - 1) {
			return nil
		}
		if err := p.send(p.next - 1); err != nil {
			p.retry(err)
		}
	}
	return nil
}

// ready tells whether message n may be sent. The caller holds mu.
func (p *Publisher) ready(n uint64) bool { return n == p.first || !p.ring[n%p.window].last }

// send hands message n to the connection. The caller holds mu, which keeps the order.
func (p *Publisher) send(n uint64) error {
	m := &p.ring[n%p.window]
	count := strconv.FormatUint(n, 36)
	p.out.Subject, p.out.Data, p.out.Reply = m.subject, m.payload, p.inbox+count
	p.out.Header[nats.MsgIdHdr][0] = p.name + count
	return p.conn.nats.PublishMsg(&p.out)
}

// publishAnswer is what JetStream answers to a published message.
type publishAnswer struct {
	Stream string `json:"stream"`
	Error  *struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// refusal reads why the bus did not take a message; nil when it did.
func refusal(msg *nats.Msg) error {
	var answer publishAnswer
	switch {
	case msg.Header.Get("Status") != "": // nobody listens to the subject: no stream, or not yet
		return nats.ErrNoResponders
	case json.Unmarshal(msg.Data, &answer) != nil:
		return errors.New("the bus sent an answer that is none")
	case answer.Error != nil:
		return errors.New(answer.Error.Description)
	case answer.Stream == "":
		return errors.New("the bus sent an answer that is none")
	}
	return nil
}

// receive takes an acknowledgement, or a refusal.
func (p *Publisher) receive(msg *nats.Msg) {
	n, err := strconv.ParseUint(msg.Subject[len(p.inbox):], 36, 64)
	if err != nil {
		return
	}
	err = refusal(msg)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n < p.first || n >= p.next || p.closed {
		return
	}
	if err != nil {
		// While waiting, the refusals of what was sent in the same breath come in: one is enough.
		if p.mode == flowing || p.mode == probing && n == p.probe {
			p.retry(err)
		}
		return
	}
	p.ring[n%p.window].acked = true
	if n == p.first {
		p.advance()
	}
	if p.mode == probing && p.first > p.probe {
		p.resend()
	}
}

// advance moves first past all that is acknowledged. The caller holds mu.
func (p *Publisher) advance() {
	for p.first < p.next && p.ring[p.first%p.window].acked {
		p.first++
	}
	p.progress()
	if p.mode != flowing {
		return
	}
	if p.first == p.next {
		p.at = time.Time{} // run finds nothing to do when it wakes
		return
	}
	p.at = time.Now().Add(p.wait)
	if p.ring[p.first%p.window].last {
		if err := p.send(p.first); err != nil {
			p.retry(err)
		}
	}
}

// progress wakes those who wait for room. The caller holds mu.
func (p *Publisher) progress() {
	close(p.moved)
	p.moved = make(chan struct{})
}

// act sets when run must look at the publisher again. The caller holds mu.
func (p *Publisher) act(at time.Time) {
	p.at = at
	select {
	case p.kick <- struct{}{}:
	default:
	}
}
