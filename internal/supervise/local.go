package supervise

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
)

const (
	saveTimeout = 5 * time.Second        // for the registry to take a change
	saveAgain   = 5 * time.Second        // until a change that it did not take is tried again
	killTimeout = 15 * time.Second       // for a process group to vanish after SIGKILL
	lockAgain   = 100 * time.Millisecond // until a lock that was held is tried again
	lockTries   = 20
)

// Why an actor ends, beside the end of a wish.
var (
	errClosing  = errors.New("the agent is ending")
	errLost     = errors.New("another agent looks after the collector")
	errUnwanted = errors.New("nobody wants the collector any more")
)

// actor owns one collector: its process, its row as far as it is observed, and the next thing to do.
// All happens in the goroutine of run, one after the other.
type actor struct {
	agent   *Agent
	id      int64            // of its row
	spec    collector.Spec   // of its row
	row     collector.Record // as it is, or will be once the registry takes it
	first   bool             // somebody waits for the first life, and without it the wish ends
	adopted *proc.Process    // what to begin with; may be nil

	owned    bool // the row names this instance, so that another name means that it has moved
	unsaved  bool // the registry has not taken the newest state
	hadLife  bool // a process ran under this row
	failures int  // in a row

	stops  chan stopRequest
	looks  chan struct{}   // the row says that the collector has moved: look
	ctx    context.Context // ends with errClosing or errLost as its cause
	cancel context.CancelCauseFunc

	launched chan struct{} // closed when the first process runs, or will not
	words    answer        // to the order; to be read after launched
	ended    chan struct{} // closed when run has returned
	over     bool          // the wish has ended; to be read after ended

	mu      sync.Mutex
	process *proc.Process // what runs now, for report; nil between two lives
}

type stopRequest struct {
	pid   int
	reply chan reply
}

func newActor(a *Agent, row collector.Record, adopted *proc.Process, first bool) *actor {
	x := &actor{
		agent: a, id: row.ID, spec: row.Spec, row: row, first: first, adopted: adopted, hadLife: row.RunID != "",
		stops: make(chan stopRequest), looks: make(chan struct{}, 1), launched: make(chan struct{}), ended: make(chan struct{}),
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	return x
}

// close ends the actor with the agent: its collector stays wanted.
func (x *actor) close() { x.cancel(errClosing) }

// lose ends the actor because another agent runs the collector.
func (x *actor) lose() { x.cancel(errLost) }

// lookAtRow has the actor look whether its row is another agent's by now.
func (x *actor) lookAtRow() {
	select {
	case x.looks <- struct{}{}:
	default: // it is about to
	}
}

// firstWords is the answer to the order.
func (x *actor) firstWords() answer { return x.words }

// report tells what runs at this moment.
func (x *actor) report() running {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := running{ID: x.id}
	if x.process != nil && x.process.Runs() {
		r.PID, r.Uptime = x.process.Identity().PID, x.process.Age()
	}
	return r
}

// runs tells whether the actor's process is this one.
func (x *actor) runs(id proc.Identity) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.process == nil {
		return false
	}
	mine := x.process.Identity()
	return mine.PID == id.PID && mine.StartTicks == id.StartTicks
}

func (x *actor) setProcess(p *proc.Process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.process = p
}

// stop asks the actor to end the wish and its process, and waits for it.
func (x *actor) stop(ctx context.Context, pid int) reply {
	request := stopRequest{pid: pid, reply: make(chan reply, 1)}
	select {
	case x.stops <- request:
	case <-x.ended:
		return reply{Outcome: outcomeUnknown}
	case <-ctx.Done():
		return reply{Outcome: outcomeFailed, Failed: errClosing.Error()}
	}
	return <-request.reply // whoever takes a request answers it
}

// run looks after the collector until its wish, the agent, or its stay on this machine ends.
func (x *actor) run(ctx context.Context) {
	defer x.cancel(nil)
	p := x.adopted
	if p != nil {
		if err := x.take(ctx, p, true); err != nil {
			x.quit(ctx, p, err)
			return
		}
	}
	for {
		var next restart
		if p == nil {
			var err error
			if p, err = x.launch(ctx); isEnd(err) {
				x.quit(ctx, p, err)
				return
			} else if err != nil && x.first && !x.hadLife {
				x.refuse(ctx, err)
				return
			} else if err != nil {
				next = nextRestart(x.failures, life{}, x.agent.cfg.Healthy, x.agent.cfg.Backoff, mathrand.Float64())
				x.fail(ctx, next, fmt.Sprintf("it could not be started: %s", err))
			}
		}
		if p != nil {
			if err := x.watch(ctx, p); err != nil {
				x.quit(ctx, p, err)
				return
			}
			var ended life
			ended, p = x.bury(ctx, p), nil
			next = nextRestart(x.failures, ended, x.agent.cfg.Healthy, x.agent.cfg.Backoff, mathrand.Float64())
			switch {
			case !x.row.Wanted: // a stop that had failed has come to its end
				x.quit(ctx, nil, errUnwanted)
				return
			case next.never:
				x.log("the configuration of a collector is wrong; it is not started again", "ended", ended.String())
				x.row.LastError = ended.String() + "; its configuration is wrong, so it is not started again"
				x.quit(ctx, nil, errUnwanted)
				return
			}
			x.fail(ctx, next, ended.String())
		}
		if err := x.rest(ctx, next.after); err != nil {
			x.quit(ctx, nil, err)
			return
		}
	}
}

// isEnd tells an error after which the actor ends from one after which it tries again.
func isEnd(err error) bool {
	return errors.Is(err, errClosing) || errors.Is(err, errLost) || errors.Is(err, errUnwanted)
}

// watch waits while the process runs. nil when it has ended by itself; else why the actor ends.
func (x *actor) watch(ctx context.Context, p *proc.Process) error {
	for {
		again, stopTimer := x.saveTimer()
		var err error
		select {
		case <-p.Done():
			stopTimer()
			return nil
		case request := <-x.stops:
			err = x.fulfil(ctx, request, p)
		case <-x.ctx.Done():
			err = context.Cause(x.ctx)
		case <-again:
			err = x.save(ctx)
		case <-x.looks:
			err = x.save(ctx)
		}
		stopTimer()
		if err != nil {
			return err
		}
	}
}

// rest waits between two lives. nil when the time is over; else why the actor ends.
func (x *actor) rest(ctx context.Context, pause time.Duration) error {
	next := time.NewTimer(pause)
	defer next.Stop()
	for {
		again, stopTimer := x.saveTimer()
		var err error
		select {
		case <-next.C:
			stopTimer()
			return nil
		case request := <-x.stops:
			err = x.fulfil(ctx, request, nil)
		case <-x.ctx.Done():
			err = context.Cause(x.ctx)
		case <-again:
			err = x.save(ctx)
		case <-x.looks:
			err = x.save(ctx)
		}
		stopTimer()
		if err != nil {
			return err
		}
	}
}

// saveTimer fires when a change that the registry did not take is to be tried again.
func (x *actor) saveTimer() (again <-chan time.Time, stop func()) {
	if !x.unsaved {
		return nil, func() {}
	}
	timer := time.NewTimer(saveAgain)
	return timer.C, func() { timer.Stop() }
}
