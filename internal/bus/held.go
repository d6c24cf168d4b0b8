package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Why an assignment may end under its handler: the cause of the handler's ctx.
var (
	// ErrWithdrawn: the assignment was withdrawn, and one with the same ID was given to this agent.
	ErrWithdrawn = errors.New("the assignment was withdrawn and given anew")
	// ErrLost: the heart-beats did not reach the server in time, and another agent took the assignment.
	ErrLost = errors.New("another agent has taken the assignment over")
)

// errSettled: Done or Release was called before.
var errSettled = errors.New("the assignment is settled already")

// Held is an assignment that this agent holds. Heart-beats keep it until Done, Release, or the
// return of its handler. It is safe for concurrent use.
type Held struct {
	agent       *agent
	assignment  Assignment
	reply       string // where the assignment's sender waits; may be empty
	sequence    uint64 // its position in the stream: which assignment of this ID it is
	redelivered bool

	settled  chan struct{} // closed when nothing is held any more
	finished chan struct{} // closed when the handler has returned

	mu        sync.Mutex
	msg       jetstream.Msg
	delivered uint64 // how many times the server has given it to somebody
	over      error  // why it is settled; nil while it is held
	cancel    context.CancelCauseFunc
}

// newHeld reads an assignment.
func newHeld(a *agent, msg jetstream.Msg) (*Held, error) {
	id, _ := strings.CutPrefix(msg.Subject(), familyAssign+".")
	if err := checkID(id); err != nil {
		return nil, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("an assignment's place in the queue: %w", err)
	}
	return &Held{
		agent: a, assignment: Assignment{ID: id, Payload: msg.Data()}, reply: msg.Headers().Get(headerReply),
		sequence: meta.Sequence.Stream, redelivered: meta.NumDelivered > 1,
		settled: make(chan struct{}), finished: make(chan struct{}),
		msg: msg, delivered: meta.NumDelivered,
	}, nil
}

// Assignment gives what was assigned.
func (h *Held) Assignment() Assignment { return h.assignment }

// Redelivered tells that the assignment was given to somebody before: its work may be under way.
func (h *Held) Redelivered() bool { return h.redelivered }

// Answer sends payload to the one who waits in AssignAndAwait; only the first answer counts. It is
// not an error when nobody waits.
func (h *Held) Answer(payload []byte) error {
	if h.reply == "" {
		return nil
	}
	if err := h.agent.conn.nats.Publish(h.reply, payload); err != nil {
		return unavailable(fmt.Errorf("answer to the assignment %s: %w", h.assignment.ID, err))
	}
	return nil
}

// Done tells that the work is over: the assignment leaves the queue for good. It waits until the
// server has taken that, for some seconds. After an error, which is problem.Unavailable, the
// assignment is still held, and when the handler returns it is offered again.
func (h *Held) Done() error {
	h.mu.Lock()
	msg, over := h.msg, h.over
	h.mu.Unlock()
	if over != nil {
		return over
	}
	var err error
	deadline := time.Now().Add(2 * h.agent.cfg.AckWait)
	for attempt := 0; time.Now().Before(deadline); attempt++ {
		if err = h.agent.conn.acknowledge(context.Background(), msg); err == nil {
			h.settle(errSettled)
			return nil
		}
		select {
		case <-h.settled:
			return h.ended()
		case <-h.agent.conn.closed:
			return ErrClosed
		case <-time.After(again.Draw(attempt)):
		}
	}
	return unavailable(fmt.Errorf("end the assignment %s: %w", h.assignment.ID, err))
}

// Release gives the assignment back: it is offered again at once, to any agent.
func (h *Held) Release() error { return h.release(0) }

func (h *Held) release(delay time.Duration) error {
	h.mu.Lock()
	msg, over := h.msg, h.over
	h.mu.Unlock()
	if over != nil {
		return over
	}
	h.settle(errSettled) // no heart-beat comes behind
	err := msg.NakWithDelay(delay)
	if err == nil {
		err = h.agent.conn.nats.FlushTimeout(2 * time.Second) // the process may end right after
	}
	if err != nil {
		return unavailable(fmt.Errorf("give the assignment %s back: %w", h.assignment.ID, err))
	}
	return nil
}

// settle ends the holding.
func (h *Held) settle(reason error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = reason
		close(h.settled)
	}
}

// ended tells why nothing is held any more; nil while it is.
func (h *Held) ended() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// lose ends the holding and the handler's context.
func (h *Held) lose(reason error) {
	h.settle(reason)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel != nil {
		h.cancel(reason)
	}
}

// start makes cancel known to lose, and calls it when the assignment was lost before.
func (h *Held) start(cancel context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancel = cancel
	if h.over != nil {
		cancel(h.over)
	}
}

// renew takes the place of a delivery by a later one of the same assignment; false when it is another
// one, or when this one is not held any more.
func (h *Held) renew(later *Held) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sequence != later.sequence || h.over != nil {
		return false
	}
	h.msg, h.delivered = later.msg, later.delivered
	return true
}

// beat sends heart-beats until the assignment is settled.
func (h *Held) beat() {
	every := h.agent.cfg.AckWait / 3
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	changed := h.agent.conn.watch()
	last := time.Now()
	for {
		select {
		case <-h.settled:
			return
		case <-changed:
			changed = h.agent.conn.watch()
		case <-ticker.C:
		}
		h.mu.Lock()
		msg, over := h.msg, h.over
		h.mu.Unlock()
		if over != nil || !h.agent.conn.Connected() {
			continue
		}
		if time.Since(last) > h.agent.cfg.AckWait {
			// The machine slept or the bus was away: somebody may have taken it over, and says so.
			h.agent.claim(h)
		}
		if err := msg.InProgress(); err == nil {
			last = time.Now()
		}
	}
}
