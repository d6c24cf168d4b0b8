package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// agentsName is the durable consumer of ASSIGN that all agents share.
const agentsName = "agents"

// releaseDelay keeps an assignment whose handler gave up without a word from coming back in a tight
// loop.
const releaseDelay = time.Second

// AgentConfig says who takes assignments.
type AgentConfig struct {
	Name string // for logs and the server's operator
	// AckWait is how long after the last heart-beat of its holder an assignment is given to another
	// agent; 0 is 15 s. All agents of a bus use the same: the last one to start decides.
	AckWait time.Duration
}

// agent is one run of Assignments.
type agent struct {
	conn   *Conn
	cfg    AgentConfig
	token  string // names this run in claims
	handle func(context.Context, *Held) error
	pull   jetstream.Consumer

	mu      sync.Mutex
	holding map[string]*Held // by assignment's ID
	running sync.WaitGroup
}

// Assignments takes assignments until ctx ends, and runs handle for each in a goroutine of its own.
// It returns when ctx has ended and every handle has returned; handle's ctx ends with ctx, or with
// ErrWithdrawn or ErrLost as its cause. An assignment that handle leaves with neither Done nor
// Release is released. Losing the bus is waited out. The error is nil after ctx has ended.
func (c *Conn) Assignments(ctx context.Context, cfg AgentConfig, handle func(ctx context.Context, h *Held) error) error {
	if cfg.AckWait <= 0 {
		cfg.AckWait = 15 * time.Second
	}
	a := &agent{conn: c, cfg: cfg, token: nuid.Next(), handle: handle, holding: make(map[string]*Held)}
	claims, err := c.nats.Subscribe(subjectClaims, a.hear)
	if err != nil {
		return fmt.Errorf("take assignments: %w", err)
	}
	defer func() {
		if err := claims.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			c.log.Debug("stop taking assignments", "error", err)
		}
	}()
	defer a.running.Wait()
	if err := a.create(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for attempt := 0; ctx.Err() == nil; attempt++ {
		msg, err := a.next(ctx)
		switch {
		case msg != nil:
			a.take(ctx, msg)
			attempt = -1
			continue
		case errors.Is(err, nats.ErrConnectionClosed):
			return ErrClosed
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, nats.ErrNoResponders):
			if err := a.create(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("the queue of assignments cannot be taken up; trying again", "error", err)
			}
		case err == nil:
			attempt = -1
			continue
		}
		if pause(ctx, again.Draw(attempt)) != nil {
			break
		}
	}
	return nil
}

// create takes up the consumer that all agents share.
func (a *agent) create(ctx context.Context) error {
	return a.conn.insist(ctx, func(ctx context.Context) (err error) {
		a.pull, err = a.conn.js.CreateOrUpdateConsumer(ctx, streamAssign, jetstream.ConsumerConfig{
			Durable:       agentsName,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       a.cfg.AckWait,
			MaxDeliver:    -1,
			MaxAckPending: -1, // each running collector is one
		})
		if err != nil {
			return fmt.Errorf("take up the consumer %s: %w", agentsName, err)
		}
		return nil
	})
}

// next waits for one assignment. One at a time, so that those who wait share the work.
func (a *agent) next(ctx context.Context) (jetstream.Msg, error) {
	connected, stop := a.conn.whileConnected(ctx)
	defer stop()
	if !a.conn.Connected() {
		<-connected.Done()
		return nil, nil
	}
	messages, err := a.pull.Fetch(1, jetstream.FetchContext(connected))
	if err != nil {
		return nil, err
	}
	if msg, ok := <-messages.Messages(); ok {
		if ctx.Err() == nil {
			return msg, nil
		}
		// It came in the moment of the end: the next agent need not wait for AckWait.
		return nil, msg.Nak()
	}
	err = messages.Error()
	if connected.Err() != nil || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	return nil, err
}

// take starts a handler for an assignment, unless this agent holds it already: then the message is a
// second delivery of the same one (heart-beats were late), and only takes the place of the first.
func (a *agent) take(ctx context.Context, msg jetstream.Msg) {
	h, err := newHeld(a, msg)
	if err != nil {
		a.conn.log.Error("an assignment that is none is taken out of the queue", "subject", msg.Subject(), "error", err)
		if err := msg.TermWithReason(err.Error()); err != nil {
			a.conn.log.Warn("take an assignment out of the queue", "error", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	former := a.holding[h.assignment.ID]
	if former != nil && former.renew(h) {
		return
	}
	a.holding[h.assignment.ID] = h
	if former != nil { // it was withdrawn and assigned anew
		former.lose(ErrWithdrawn)
	}
	if h.redelivered {
		a.claim(h)
	}
	a.running.Go(func() { a.run(ctx, h, former) })
}

// run holds one assignment until its handler returns.
func (a *agent) run(ctx context.Context, h, former *Held) {
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		h.beat()
	}()
	if former != nil {
		<-former.finished
	}
	handling, cancel := context.WithCancelCause(ctx)
	h.start(cancel)
	err := a.handle(handling, h)
	cancel(nil)
	if err != nil && ctx.Err() == nil {
		a.conn.log.Warn("an assignment failed", "id", h.assignment.ID, "error", err)
	}
	delay := releaseDelay
	if ctx.Err() != nil {
		delay = 0
	}
	if err := h.release(delay); err != nil && !errors.Is(err, errSettled) && !errors.Is(err, ErrLost) && !errors.Is(err, ErrWithdrawn) {
		a.conn.log.Debug("an assignment could not be given back; it is offered again when its time is over", "id", h.assignment.ID, "error", err)
	}
	a.mu.Lock()
	if a.holding[h.assignment.ID] == h {
		delete(a.holding, h.assignment.ID)
	}
	a.mu.Unlock()
	close(h.finished)
	<-beating
}
