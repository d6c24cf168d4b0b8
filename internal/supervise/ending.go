package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/collector"
	"velador/internal/logfile"
	"velador/internal/proc"
	"velador/internal/store"
)

// fulfil does what a stop asks for: the wish ends first, durably, then the process. errUnwanted when
// all of it is done; nil when the actor goes on.
func (x *actor) fulfil(ctx context.Context, request stopRequest, p *proc.Process) error {
	if !mayStop(request.pid, x.row.PID, p != nil && p.Runs()) {
		request.reply <- reply{Outcome: outcomeUnknown}
		return nil
	}
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
	if p != nil {
		if err := x.halt(ctx, p); err != nil {
			request.reply <- reply{Outcome: outcomeFailed, Failed: err.Error()}
			return nil // it is watched to its end
		}
	}
	x.conclude(ctx)
	request.reply <- reply{Outcome: outcomeStopped}
	return errUnwanted
}

// halt stops the process with all of its group.
func (x *actor) halt(ctx context.Context, p *proc.Process) error {
	ctx, cancel := context.WithTimeout(ctx, x.agent.cfg.Grace+killTimeout)
	defer cancel()
	exit, err := p.Stop(ctx, x.agent.cfg.Grace)
	if err != nil {
		x.agent.log.Error("a collector's process could not be ended", "id", x.id, "collector", x.spec.Key(), "error", err)
		return err
	}
	x.agent.log.Info("a collector was stopped", "id", x.id, "collector", x.spec.Key(), "pid", p.Identity().PID, "exit", exit.String())
	x.setProcess(nil)
	p.Close()
	return nil
}

// bury clears up behind a process that ended by itself, and says how it ended.
func (x *actor) bury(ctx context.Context, p *proc.Process) life {
	ended := life{lasted: p.Age()}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	exit, err := p.Stop(ctx, 0)
	if err != nil {
		x.agent.log.Error("what a collector started still runs", "id", x.id, "collector", x.spec.Key(), "error", err)
	}
	ended.exit = exit
	if lines, err := logfile.Tail(x.agent.LogPath(x.spec), 1); err != nil {
		x.agent.log.Warn("a collector's log cannot be read", "id", x.id, "error", err)
	} else if len(lines) > 0 {
		ended.words = shorten(lines[0])
	}
	x.setProcess(nil)
	p.Close()
	return ended
}

// refuse ends the wish of a start that failed; its answer says why.
func (x *actor) refuse(ctx context.Context, why error) {
	x.row.LastError = why.Error()
	x.words = answer{Failed: why.Error()}
	x.quit(ctx, nil, errUnwanted)
	close(x.launched)
}

// quit ends the actor for a reason, with the process that still runs or nil.
func (x *actor) quit(ctx context.Context, p *proc.Process, why error) {
	switch {
	case errors.Is(why, errClosing) && x.agent.cfg.Detach:
		if p != nil {
			x.setProcess(nil)
			p.Close()
		}
	case errors.Is(why, errClosing):
		if p == nil {
			break
		}
		if x.halt(ctx, p) == nil { // it stays wanted
			x.row.Status, x.row.StoppedAt = collector.Stopped, time.Now()
			if err := x.save(ctx); err != nil && !isEnd(err) {
				x.log("the stop of a collector was not recorded", "error", err)
			}
		} else {
			p.Close()
		}
	case errors.Is(why, errLost): // the row is another agent's now
		x.log("a collector is stopped here, since another agent looks after it")
		if p != nil && x.halt(ctx, p) != nil {
			p.Close()
		}
	default:
		x.over = true
		if p != nil && x.process != nil && x.halt(ctx, p) != nil {
			p.Close()
			return // never stopped while it is alive: the review finds it again
		}
		x.conclude(ctx)
	}
}

// conclude writes the end of the wish into the row.
func (x *actor) conclude(ctx context.Context) {
	x.over = true
	if x.row.Over() {
		return
	}
	x.row.Wanted, x.row.Status, x.row.StoppedAt = false, collector.Stopped, time.Now()
	if err := x.save(ctx); err != nil && !isEnd(err) {
		x.log("the end of a collector was not recorded", "error", err)
	}
}
