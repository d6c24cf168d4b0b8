package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// fulfil does what a stop asks for: the wish ends first, durably, then the process. errUnwanted when
// all of it is done; nil when the actor goes on.
func (x *actor) fulfil(ctx context.Context, request stopRequest) error {
	if !mayStop(request.pid, x.row.PID, x.process != nil && x.process.Runs()) {
		request.reply <- reply{Outcome: outcomeUnknown}
		return nil
	}
	x.agent.cfg.At(BeforeWish)
	saving, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	_, err := x.agent.cfg.Rows.change(saving, x.id, func(r *collector.Record) error {
		r.Wanted = false
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		request.reply <- reply{Outcome: outcomeFailed, Failed: err.Error()}
		return nil
	}
	x.row.Wanted = false
	x.agent.cfg.At(BeforeSignal)
	if x.process != nil {
		if err := x.halt(ctx); err != nil {
			request.reply <- reply{Outcome: outcomeFailed, Failed: err.Error()}
			return nil // it is attended to its end
		}
	} else if err := x.agent.unverified(x.spec); err != nil {
		request.reply <- reply{Outcome: outcomeFailed, Failed: err.Error()}
		return errUnwanted
	}
	x.agent.cfg.At(AfterSignal)
	x.conclude(ctx)
	request.reply <- reply{Outcome: outcomeStopped}
	return errUnwanted
}

// halt stops the process with all of its group.
func (x *actor) halt(ctx context.Context) error {
	p, grace := x.process, x.agent.cfg.Grace
	x.setStage(halting)
	ended := life{lasted: p.Age()}
	ctx, cancel := context.WithTimeout(ctx, grace+killTimeout)
	defer cancel()
	exit, err := p.Stop(ctx, grace)
	if err != nil {
		x.setStage(tending)
		x.agent.log.Error("a collector's process could not be ended", "id", x.id, "collector", x.spec.Key(), "error", err)
		return err
	}
	ended.exit = exit
	x.agent.log.Info("a collector was stopped", "id", x.id, "collector", x.spec.Key(), "pid", p.Identity().PID, "exit", exit.String())
	x.dismiss(ended)
	return nil
}

// bury clears up behind a process that ended by itself, or ends one for which a reason is given, and
// completes what is known of its life. False when it runs on.
func (x *actor) bury(ctx context.Context, ended *life) bool {
	p, grace := x.process, time.Duration(0)
	if ended.ended != "" {
		x.log("a collector's process is ended, to be started anew", "pid", p.Identity().PID, "why", ended.ended)
		x.setStage(halting)
		grace = x.agent.cfg.Grace
	}
	ended.lasted = p.Age()
	stopping, cancel := context.WithTimeout(ctx, grace+killTimeout)
	defer cancel()
	exit, err := p.Stop(stopping, grace)
	if err != nil {
		x.agent.log.Error("what a collector started still runs", "id", x.id, "collector", x.spec.Key(), "error", err)
		if p.Runs() {
			x.setStage(tending)
			return false
		}
	}
	said := x.lastWords(p.Identity().RunID, exit)
	ended.exit, ended.words = exit, said.Reason
	x.mu.Lock()
	if ended.ended != "" && len(x.owed) == 0 { // and nobody asked for it
		x.seen.vigil.fruitless++
	}
	beat := x.seen.vigil.beat
	x.mu.Unlock()
	ended.fruitless = x.agent.cfg.Silence > 0 && beat.Candles == 0 && beat.Messages == 0
	ended.wait = waitOf(time.Now(), said.RetryAt, beat.BannedUntil)
	x.dismiss(*ended)
	return true
}

// dismiss lets go of a process that has ended, and notes how.
func (x *actor) dismiss(ended life) {
	x.row.LastExit = collector.Exit{
		At: stored(time.Now()), Known: ended.exit.Known, Code: ended.exit.Code, Signal: int(ended.exit.Signal), Reason: shorten(ended.reason()),
	}
	x.noteLife()
	p := x.process
	x.setProcess(nil, false)
	p.Close()
}

// refuse ends the wish of a start that failed; its answer says why.
func (x *actor) refuse(ctx context.Context, why error) {
	x.row.LastError = why.Error()
	x.words = answer{Failed: why.Error()}
	x.conclude(ctx)
	close(x.launched)
}

// quit ends the actor for a reason.
func (x *actor) quit(ctx context.Context, why error) {
	leave := errors.Is(why, errClosing) && x.agent.cfg.Detach
	if x.process != nil && !leave {
		if errors.Is(why, errLost) { // the row is another agent's now
			x.log("a collector is stopped here, since another agent looks after it")
		}
		if err := x.halt(ctx); err != nil {
			x.agent.remains.Store(true)
		}
	}
	remains := x.process != nil // with Detach, or since it could not be ended
	if remains {
		p := x.process
		x.setProcess(nil, false)
		p.Close()
	}
	switch {
	case errors.Is(why, errLost):
	case errors.Is(why, errClosing):
		if !remains && x.owned && x.row.Status != collector.Stopped { // it stays wanted
			x.row.Status, x.row.StoppedAt, x.row.NextAttempt = collector.Stopped, stored(time.Now()), time.Time{}
			if err := x.save(ctx); err != nil && !isEnd(err) {
				x.log("the stop of a collector was not recorded", "error", err)
			}
		}
	default:
		x.over = true
		if !remains && x.agent.unverified(x.spec) == nil { // never stopped while it is alive: the review finds it again
			x.conclude(ctx)
		}
	}
}

// conclude writes the end of the wish into the row.
func (x *actor) conclude(ctx context.Context) {
	x.over = true
	if x.row.Over() {
		return
	}
	x.row.Wanted, x.row.Status, x.row.StoppedAt, x.row.NextAttempt = false, collector.Stopped, stored(time.Now()), time.Time{}
	if err := x.save(ctx); err != nil && !isEnd(err) {
		x.log("the end of a collector was not recorded", "error", err)
	}
}
