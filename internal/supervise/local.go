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
	agent *Agent
	id    int64            // of its row
	spec  collector.Spec   // of its row
	row   collector.Record // as it is, or will be once the registry takes it
	task  task             // what it began with

	owned    bool          // the row names this instance, so that another name means that it has moved
	unsaved  bool          // the registry has not taken the newest state
	hadLife  bool          // a process ran under this row
	wanted   time.Time     // since when its row is, as far as is known; see wantedFrom
	recalled bool          // what the diary tells of that is known
	failures int           // in a row
	process  *proc.Process // what runs now; nil between two lives

	stops     chan stopRequest
	restarts  chan stopRequest
	owed      []stopRequest // restarts under way, whose answers are owed
	looks     chan struct{} // the row has changed in a way that concerns the actor: look
	condemned chan condemnation
	ctx       context.Context // ends with errClosing or errLost as its cause
	cancel    context.CancelCauseFunc

	launched chan struct{} // closed when the first process runs, or will not
	words    answer        // to the order; to be read after launched
	ended    chan struct{} // closed when run has returned
	over     bool          // the wish has ended; to be read after ended

	mu   sync.Mutex
	seen condition
}

// notReached is why a command to an actor was not carried out: its agent is ending, or the actor is busy
// with a start that takes its time.
const notReached = "its agent did not come to it in time; ask again"

type stopRequest struct {
	pid   int
	why   string // of a restart
	reply chan reply
}

func newActor(a *Agent, t task) *actor {
	x := &actor{
		agent: a, id: t.row.ID, spec: t.row.Spec, row: t.row, task: t,
		wanted:  t.row.StartedAt,
		hadLife: t.row.PID != 0 || t.row.Restarts > 0 || !t.row.LastExit.At.IsZero(),
		stops:   make(chan stopRequest), restarts: make(chan stopRequest), looks: make(chan struct{}, 1), condemned: make(chan condemnation, 1),
		launched: make(chan struct{}), ended: make(chan struct{}),
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	return x
}

// close ends the actor with the agent: its collector stays wanted.
func (x *actor) close() { x.cancel(errClosing) }

// lookAtRow has the actor look whether its row is another agent's by now, or nobody's wish.
func (x *actor) lookAtRow() {
	select {
	case x.looks <- struct{}{}:
	default: // it is about to
	}
}

// runs tells whether the actor's process is this one.
func (x *actor) runs(id proc.Identity) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.seen.process == nil {
		return false
	}
	mine := x.seen.process.Identity()
	return mine.PID == id.PID && mine.StartTicks == id.StartTicks
}

// setProcess puts another process in the place of the former one; nil for none.
func (x *actor) setProcess(p *proc.Process, adopted bool) {
	var former, next string
	if x.process != nil {
		former = x.process.Identity().RunID
	}
	if p != nil {
		next = p.Identity().RunID
	}
	x.process = p
	x.mu.Lock()
	x.seen.take(p, adopted, time.Now())
	x.mu.Unlock()
	x.agent.register(x, former, next)
	if adopted {
		x.agent.adopted.Add(1)
	}
}

func (x *actor) setStage(s stage) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen.stage = s
}

// stop asks the actor to end the wish and its process, and waits for it.
func (x *actor) stop(ctx context.Context, pid int) reply {
	request := stopRequest{pid: pid, reply: make(chan reply, 1)}
	select {
	case x.stops <- request:
	case <-x.ended:
		return reply{Outcome: outcomeUnknown}
	case <-ctx.Done():
		return reply{Outcome: outcomeFailed, Failed: notReached}
	}
	return <-request.reply // whoever takes a request answers it
}

// run looks after the collector until its wish, the agent, or its stay on this machine ends.
func (x *actor) run(ctx context.Context) {
	defer x.cancel(nil)
	if err := x.live(ctx); err != nil {
		x.fulfilled(reply{Outcome: outcomeFailed, Failed: err.Error()})
		x.quit(ctx, err)
	}
}

// live goes from life to life. It returns why the actor ends.
func (x *actor) live(ctx context.Context) error {
	ended, restarting := life{}, false
	if p := x.task.found; p != nil {
		x.setProcess(p, true)
		if err := x.take(ctx); err != nil {
			return err
		}
		if x.task.replace {
			ended, restarting = life{ended: "it had outlived the agent that started it"}, true
		}
	} else if wait := x.recall(); wait > 0 { // a ban outlives whoever heard of it
		x.fail(ctx, restart{after: wait}, x.row.LastError)
		if err := x.rest(ctx, wait); err != nil {
			return err
		}
	}
	for {
		if x.process == nil {
			if err := x.awaitTurn(ctx); err != nil {
				return err
			}
			if err := x.launch(ctx); isEnd(err) {
				return err
			} else if err != nil && x.task.first && !x.hadLife {
				x.refuse(ctx, err)
				return errUnwanted
			} else if err != nil {
				next := nextRestart(x.failures, life{}, x.agent.cfg.Healthy, x.agent.cfg.Backoff, mathrand.Float64())
				x.fail(ctx, next, fmt.Sprintf("it could not be started: %s", err))
				x.fulfilled(reply{Outcome: outcomeFailed, Failed: x.row.LastError})
				if err := x.rest(ctx, next.after); err != nil {
					return err
				}
				continue
			}
			x.fulfilled(reply{Outcome: outcomeStarted, PID: x.row.PID})
		}
		if !restarting {
			why, err := x.attend(ctx, 0)
			if err != nil {
				return err
			}
			ended = life{ended: why}
		}
		restarting = false
		if !x.bury(ctx, &ended) {
			x.fulfilled(reply{Outcome: outcomeFailed, Failed: "its process could not be ended"})
			continue // it could not be ended: it is attended on
		}
		next := nextRestart(x.failures, ended, x.agent.cfg.Healthy, x.agent.cfg.Backoff, mathrand.Float64())
		switch {
		case !x.row.Wanted: // a stop that had failed has come to its end
			return errUnwanted
		case next.never:
			x.log("the configuration of a collector is wrong; it is not started again", "ended", ended.String())
			x.row.LastError = ended.String() + "; its configuration is wrong, so it is not started again"
			return errUnwanted
		case len(x.owed) > 0: // at once, and no failure
			continue
		}
		x.fail(ctx, next, ended.String())
		if err := x.rest(ctx, next.after); err != nil {
			return err
		}
	}
}

// isEnd tells an error after which the actor ends from one after which it tries again.
func isEnd(err error) bool {
	return errors.Is(err, errClosing) || errors.Is(err, errLost) || errors.Is(err, errUnwanted)
}

// rest waits between two lives.
func (x *actor) rest(ctx context.Context, pause time.Duration) error {
	x.setStage(resting)
	_, err := x.attend(ctx, pause)
	return err
}

// attend waits: while there is a process for its end, else for the pause before the next one. It does
// meanwhile what is asked for. The error is why the actor ends; why is the reason for which the
// process, which still runs, is to be started anew.
func (x *actor) attend(ctx context.Context, pause time.Duration) (why string, err error) {
	var died <-chan struct{}
	var due <-chan time.Time
	if x.process != nil {
		died = x.process.Done()
	} else {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		due = timer.C
	}
	for err == nil {
		again, stopTimer := x.saveTimer()
		select {
		case <-died:
			stopTimer()
			return "", nil
		case <-due:
			stopTimer()
			return "", nil
		case c := <-x.condemned:
			if x.process != nil && x.process.Identity().RunID == c.runID {
				stopTimer()
				return c.why, nil
			}
		case request := <-x.stops:
			err = x.fulfil(ctx, request)
		case request := <-x.restarts:
			if x.accept(request) {
				stopTimer()
				return request.why, nil
			}
		case <-x.ctx.Done():
			err = context.Cause(x.ctx)
		case <-again:
			err = x.save(ctx)
		case <-x.looks:
			err = x.save(ctx)
		}
		stopTimer()
	}
	return "", err
}

// saveTimer fires when a change that the registry did not take is to be tried again.
func (x *actor) saveTimer() (again <-chan time.Time, stop func()) {
	if !x.unsaved {
		return nil, func() {}
	}
	timer := time.NewTimer(saveAgain)
	return timer.C, func() { timer.Stop() }
}
