package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"velador/internal/candle"
)

// The durable consumer of CANDLES. A work queue has one consumer, which every writer shares.
const (
	writerName    = "writer"
	writerAckWait = 30 * time.Second
)

// Consumer takes candles, gaps and audits out of the stream. One goroutine at a time uses it: fetching the
// next batch before the last one is acknowledged would give up the order.
type Consumer struct {
	conn *Conn
	pull jetstream.Consumer
	// reconnects is how often the connection had been lost and found when the consumer was taken up.
	reconnects uint64
	// doubt tells that the server may not have taken what was acknowledged, or that what it delivered has
	// not come here.
	doubt bool
	next  uint64 // the number of the next delivery, which the server counts
}

// Delivery is a candle, a gap or an audit (Gap or Audit is not nil then) out of the stream, or, with Err,
// a message that is none of them: Reject it.
type Delivery struct {
	Series candle.Series
	Candle candle.Candle
	Gap    *candle.Gap
	Audit  *candle.Audit
	Err    error

	Subject  string
	Sequence uint64    // the position in the stream
	Arrived  time.Time // when the stream took it, by the bus server's clock
	Attempt  uint64    // 1 for the first delivery
	Pending  uint64    // messages behind this one in the stream, when it was delivered

	msg jetstream.Msg
}

// Ack tells the stream that the message is in the database. It is not waited for: see Consumer.Commit.
func (d *Delivery) Ack() error { return d.msg.Ack() }

// Retry gives the message back to be delivered again after delay.
func (d *Delivery) Retry(delay time.Duration) error { return d.msg.NakWithDelay(delay) }

// Reject takes the message out of the stream for good; reason is for the server's operator.
func (d *Delivery) Reject(reason string) error { return d.msg.TermWithReason(reason) }

// Consume takes up the durable consumer, creating it when it is missing. Provision comes first.
func (c *Conn) Consume(ctx context.Context) (*Consumer, error) {
	consumer := &Consumer{conn: c}
	if err := consumer.create(ctx); err != nil {
		return nil, err
	}
	return consumer, nil
}

// create takes up the consumer as it was left. What a writer had in hand when it died would come again
// only when its time is over, behind what is newer, and an older form of a candle would win over its
// correction. So would what was on its way when a connection broke. A consumer made anew begins with the
// oldest message that is not acknowledged.
func (c *Consumer) create(ctx context.Context) error {
	return c.conn.insist(ctx, func(ctx context.Context) error {
		reconnects := c.conn.nats.Stats().Reconnects
		err := c.open(ctx)
		if err == nil && c.pull.CachedInfo().NumAckPending > 0 {
			if err = c.conn.js.DeleteConsumer(ctx, streamCandles, writerName); err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) {
				err = c.open(ctx)
			}
		}
		if err != nil {
			return fmt.Errorf("take up the consumer %s: %w", writerName, err)
		}
		c.reconnects, c.doubt, c.next = reconnects, false, c.pull.CachedInfo().Delivered.Consumer+1
		return nil
	})
}

// Lost tells whether messages may have been lost on their way here since the last Fetch, or
// acknowledgements on theirs: the next Fetch begins anew with the oldest that is not acknowledged. What
// is still in hand comes again with it, so give that back before.
func (c *Consumer) Lost() bool { return c.doubt || c.conn.nats.Stats().Reconnects != c.reconnects }

func (c *Consumer) open(ctx context.Context) (err error) {
	c.pull, err = c.conn.js.CreateOrUpdateConsumer(ctx, streamCandles, jetstream.ConsumerConfig{
		Durable:       writerName,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       writerAckWait,
		MaxDeliver:    -1,
		MaxAckPending: 50_000, // several times a batch: what a writer sets aside must not hold up the others
	})
	return err
}

// Fetch waits until there is a message and gives what there is, up to limit, in the order of the
// stream. Losing the bus is waited out; the error is ctx's or ErrClosed.
func (c *Consumer) Fetch(ctx context.Context, limit int) ([]Delivery, error) {
	for attempt := 0; ; attempt++ {
		var batch []Delivery
		var err error
		if c.Lost() {
			err = c.create(ctx)
		}
		if err == nil {
			batch, err = c.fetch(ctx, limit)
		}
		switch {
		case len(batch) > 0:
			return batch, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("fetch candles: %w", context.Cause(ctx))
		case errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, ErrClosed):
			return nil, ErrClosed
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, nats.ErrNoResponders):
			// The server lost the consumer, or has not recovered it yet.
			if err := c.create(ctx); err != nil && ctx.Err() == nil {
				c.conn.log.Warn("the consumer of candles cannot be taken up; trying again", "error", err)
			}
		case err == nil:
			attempt = -1 // a quiet market
			continue
		}
		if err := pause(ctx, again.Draw(attempt)); err != nil {
			return nil, fmt.Errorf("fetch candles: %w", err)
		}
	}
}

// fetch asks once: first for what is there, then, when there is nothing, for the next message.
func (c *Consumer) fetch(ctx context.Context, limit int) ([]Delivery, error) {
	batch, err := c.take(c.pull.FetchNoWait(limit))
	if len(batch) == 0 && err == nil && ctx.Err() == nil && !c.Lost() {
		connected, stop := c.conn.whileConnected(ctx)
		defer stop()
		if !c.conn.Connected() {
			<-connected.Done()
			return nil, nil
		}
		batch, err = c.take(c.pull.Fetch(1, jetstream.FetchContext(connected)))
		if len(batch) > 0 && limit > 1 {
			var more []Delivery
			more, err = c.take(c.pull.FetchNoWait(limit - 1))
			batch = append(batch, more...)
		}
		if connected.Err() != nil && ctx.Err() == nil {
			err = nil // the connection changed: ask again at once
		}
	}
	byStream := func(a, b Delivery) int { return int(int64(a.Sequence - b.Sequence)) }
	if !slices.IsSortedFunc(batch, byStream) { // messages delivered again come among new ones
		slices.SortFunc(batch, byStream)
	}
	return batch, err
}

// take reads the messages of a fetch until it ends. A fetch may end, by its own clock, while more of what it
// asked for is on its way: that is delivered to nobody, and would come again behind what is newer. It shows
// as a number that is left out; what comes behind it is left to a consumer made anew.
func (c *Consumer) take(messages jetstream.MessageBatch, err error) ([]Delivery, error) {
	if err != nil {
		return nil, err
	}
	var batch []Delivery
	for msg := range messages.Messages() {
		d := Delivery{Subject: msg.Subject(), msg: msg}
		meta, err := msg.Metadata()
		if err != nil { // not from this stream: nothing to acknowledge either
			continue
		}
		if c.doubt = c.doubt || meta.Sequence.Consumer != c.next; c.doubt {
			continue
		}
		c.next++
		d.Sequence, d.Attempt, d.Pending = meta.Sequence.Stream, meta.NumDelivered, meta.NumPending
		d.Arrived = meta.Timestamp
		var c content
		c, d.Err = decodeMessage(d.Subject, msg.Data())
		d.Series, d.Candle, d.Gap, d.Audit = c.series, c.candle, c.gap, c.audit
		batch = append(batch, d)
	}
	err = messages.Error()
	if errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return batch, err
}

// Commit acknowledges deliveries and waits until the server has taken all acknowledgements: what it
// returned for is not delivered again. A lost connection is waited out. After an error some of the
// messages come again: a server that was killed may have forgotten that it delivered them, and then
// takes no acknowledgement for them.
func (c *Consumer) Commit(ctx context.Context, batch []Delivery) error {
	if len(batch) == 0 {
		return nil
	}
	var err error
	for attempt := 0; attempt < 3; {
		changed := c.conn.watch()
		if !c.conn.Connected() {
			select {
			case <-changed:
			case <-c.conn.closed:
				return ErrClosed
			case <-ctx.Done():
				return fmt.Errorf("acknowledge %d messages: %w", len(batch), context.Cause(ctx))
			}
			continue
		}
		if err = c.commit(ctx, batch); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		select {
		case <-changed: // it could not be answered
		default:
			attempt++
		}
	}
	c.doubt = true
	return fmt.Errorf("acknowledge %d messages: %w", len(batch), err)
}

// commit sends the acknowledgements, and waits for the answer to the last one: the server takes
// them from one connection in order.
func (c *Consumer) commit(ctx context.Context, batch []Delivery) error {
	last := len(batch) - 1
	for i := range last {
		if err := c.conn.nats.Publish(batch[i].msg.Reply(), []byte(ack)); err != nil {
			return err
		}
	}
	return c.conn.acknowledge(ctx, batch[last].msg)
}

// ack is the acknowledgement of JetStream's protocol.
const ack = "+ACK"

// acknowledge sends an acknowledgement and waits for the server's answer to it.
func (c *Conn) acknowledge(ctx context.Context, msg jetstream.Msg) error {
	return c.once(ctx, func(ctx context.Context) error {
		_, err := c.nats.RequestWithContext(ctx, msg.Reply(), []byte(ack))
		return err
	})
}

// InProgress tells the stream that deliveries are still being worked on, so that they are not
// delivered again. It is called more often than every 30 s.
func (c *Consumer) InProgress(batch []Delivery) error {
	for i := range batch {
		if err := batch[i].msg.InProgress(); err != nil {
			return fmt.Errorf("keep %d messages: %w", len(batch), err)
		}
	}
	return nil
}

// Backlog tells how many messages are in the stream: not committed yet.
func (c *Conn) Backlog(ctx context.Context) (messages uint64, err error) {
	state, err := c.candlesState(ctx)
	return state.Msgs, err
}

// Waiting is what is in the stream of candles: on its way to the database.
type Waiting struct {
	Messages uint64
	Bytes    uint64    // on the disk
	Oldest   time.Time // when the first of them arrived; zero when there is none
	// Unacknowledged are those that a writer has in hand at this moment.
	Unacknowledged int
}

// Waiting tells what is on its way to the database.
func (c *Conn) Waiting(ctx context.Context) (w Waiting, err error) {
	state, err := c.candlesState(ctx)
	if err != nil {
		return w, err
	}
	w = Waiting{Messages: state.Msgs, Bytes: state.Bytes}
	if state.Msgs > 0 {
		w.Oldest = state.FirstTime
	}
	err = c.insist(ctx, func(ctx context.Context) error {
		writer, err := c.js.Consumer(ctx, streamCandles, writerName)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil // no writer has ever run
		}
		if err != nil {
			return fmt.Errorf("look at the writer's place in the stream: %w", err)
		}
		w.Unacknowledged = writer.CachedInfo().NumAckPending
		return nil
	})
	return w, err
}

// StreamName names the stream of candles among those of all buses: the same for all who share it.
func (c *Conn) StreamName(ctx context.Context) (string, error) {
	info, err := c.candlesInfo(ctx)
	if err != nil {
		return "", err
	}
	return streamCandles + " of " + info.Created.UTC().Format(time.RFC3339Nano), nil
}

// candlesState asks for the state of the stream CANDLES.
func (c *Conn) candlesState(ctx context.Context) (jetstream.StreamState, error) {
	info, err := c.candlesInfo(ctx)
	if err != nil {
		return jetstream.StreamState{}, err
	}
	return info.State, nil
}

// candlesInfo asks what the server knows of the stream CANDLES.
func (c *Conn) candlesInfo(ctx context.Context) (info *jetstream.StreamInfo, err error) {
	err = c.insist(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, streamCandles)
		if err != nil {
			return fmt.Errorf("look at the stream %s: %w", streamCandles, err)
		}
		info = stream.CachedInfo()
		return nil
	})
	return info, err
}
