package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store"
)

// task is what an actor begins with.
type task struct {
	row   collector.Record
	found *proc.Process // what runs already; may be nil
	// replace tells that what runs is to be ended and started anew.
	replace bool
	// first tells that somebody waits for the very first life, and without it the wish ends.
	first bool
}

// errFull: the agent looks after as many collectors as it may.
var errFull = errors.New("the agent looks after as many collectors as it may")

// fullPause is how long an order that finds no room is kept at most before it goes round again: another
// machine may have some.
const fullPause = 5 * time.Second

// hold runs one order for as long as it holds it.
func (a *Agent) hold(ctx context.Context, h *bus.Held) error {
	o, err := decode[order](h.Assignment().Payload)
	if err != nil {
		a.log.Error("an order that cannot be read is dropped", "id", h.Assignment().ID, "error", err)
		return h.Done()
	}
	row, err := a.cfg.Rows.registry.CollectorByID(ctx, o.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && row.Spec.Key() != o.Key:
		a.log.Warn("an order of another database is dropped", "id", o.ID, "collector", o.Key)
		return errors.Join(h.Answer(encode(answer{Failed: "its record is gone"})), h.Done())
	case err != nil:
		return err // it comes back in a moment
	}
	if a.actor(row.ID) == nil {
		var mine bool
		if row, mine, err = a.claim(ctx, row); errors.Is(err, store.ErrNotFound) {
			return h.Done()
		} else if err != nil || !mine {
			return err // it goes round again
		}
	}
	first := o.First && !h.Redelivered()
	x, err := a.engage(ctx, task{row: row, first: first})
	if err != nil {
		return a.turnAway(ctx, h, row, first)
	}
	if x == nil {
		return nil // we are ending, and the next agent gets it
	}
	return x.serve(ctx, h)
}

// serve holds an order of the actor's collector until one of them ends.
func (x *actor) serve(ctx context.Context, h *bus.Held) error {
	select {
	case <-x.launched:
		if err := h.Answer(encode(x.words)); err != nil {
			x.log("an order could not be answered", "error", err)
		}
	case <-x.ended:
		if x.over && x.words == (answer{}) { // its wish ended before its process ran
			if err := h.Answer(encode(answer{Failed: "it was stopped before it ran"})); err != nil {
				x.log("an order could not be answered", "error", err)
			}
		}
	case <-ctx.Done():
	}
	select {
	case <-x.ended:
	case <-ctx.Done():
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, bus.ErrWithdrawn):
			return nil // the same collector is ordered anew: the actor goes on, under the new order
		case errors.Is(cause, bus.ErrLost):
			// The bus has given the order to another agent. Whose the collector is, the row and the
			// lease tell: as long as it is ours, the other one waits.
			x.lookAtRow()
			return nil
		}
		<-x.ended // the order must not go to another agent while the process runs
	}
	if x.over {
		return h.Done()
	}
	return nil
}

// turnAway deals with an order for which there is no room. A start that somebody waits for is refused;
// what was wanted before stays so, and waits.
func (a *Agent) turnAway(ctx context.Context, h *bus.Held, row collector.Record, first bool) error {
	why := fmt.Sprintf("%s looks after %d collectors already, which is its limit: stop some that are not needed, or raise the limit (--max-collectors, and the number of files that may be open)", a.cfg.HostName, a.cfg.MaxCollectors)
	saving, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	_, err := a.cfg.Rows.change(saving, row.ID, func(r *collector.Record) error {
		if r.Identity != row.Identity || r.Over() || !first && r.LastError == why {
			return errUnchanged
		}
		r.LastError = why
		if first {
			r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, time.Now()
		} else {
			r.Status, r.StoppedAt = collector.Failed, time.Time{}
			a.log.Warn("a collector is not started", "id", row.ID, "collector", row.Spec.Key(), "why", why)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return fmt.Errorf("note that there is no room for collector %d: %w", row.ID, err)
	}
	if first {
		return errors.Join(h.Answer(encode(answer{Failed: why, Full: true})), h.Done())
	}
	select {
	case <-ctx.Done():
	case <-a.room.next():
	case <-time.After(fullPause):
	}
	return nil
}

// obey answers a command.
func (a *Agent) obey(ctx context.Context, payload []byte) []byte {
	c, err := decode[command](payload)
	if err != nil {
		a.log.Warn("a command could not be read", "error", err)
		return encode(reply{Outcome: outcomeFailed, Failed: err.Error()})
	}
	switch c.Op {
	case opList:
		return encode(reply{Runs: a.list()})
	case opStop:
		return encode(a.tell(ctx, c, (*actor).stop))
	case opRestart:
		return encode(a.tell(ctx, c, func(x *actor, ctx context.Context, pid int) reply { return x.restart(ctx, pid, c.Why) }))
	}
	return encode(reply{Outcome: outcomeFailed, Failed: fmt.Sprintf("the agent knows no command %.40q", c.Op)})
}

// tell asks the actor that a command is for, once the agent knows what runs on this machine: before that,
// that it has no actor for a row means nothing.
func (a *Agent) tell(ctx context.Context, c command, do func(x *actor, ctx context.Context, pid int) reply) reply {
	select {
	case <-a.begun:
	case <-a.ending.Done():
	case <-ctx.Done():
		return reply{Outcome: outcomeFailed, Failed: "the agent has not found out yet what runs on its machine; ask again"}
	}
	x := a.actor(c.ID)
	if x == nil {
		return reply{Outcome: outcomeUnknown}
	}
	return do(x, ctx, c.PID)
}

// bulletin tells many at once that something has happened.
type bulletin struct {
	mu   sync.Mutex
	copy chan struct{}
}

// next gives a channel that is closed when something happens after this call.
func (b *bulletin) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copy == nil {
		b.copy = make(chan struct{})
	}
	return b.copy
}

func (b *bulletin) publish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copy != nil {
		close(b.copy)
		b.copy = nil
	}
}
