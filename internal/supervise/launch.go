package supervise

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
)

// take makes a process that runs the collector's own.
func (x *actor) take(ctx context.Context, p *proc.Process, adopted bool) error {
	former := x.row.Identity
	identify(&x.row, x.agent.cfg.Name, p.Identity())
	x.row.Host, x.row.Status, x.row.StoppedAt = x.agent.cfg.HostName, collector.Running, time.Time{}
	switch {
	case !adopted:
		x.row.StartedAt = time.Now()
		if x.hadLife {
			x.row.Restarts++
		}
	case x.row.PID != former.PID || x.row.StartTicks != former.StartTicks: // the row had not heard of it
		x.row.StartedAt = time.Now().Add(-p.Age())
	}
	x.setProcess(p)
	wasWanted := x.row.Wanted
	if err := x.save(ctx); err != nil {
		return err
	}
	if !wasWanted {
		return errUnwanted
	}
	if x.first && !x.hadLife && x.unsaved {
		return errUnsaved
	}
	x.hadLife = true
	select {
	case <-x.launched:
	default:
		x.words = answer{PID: x.row.PID, Host: x.row.Host}
		close(x.launched)
	}
	return nil
}

var errUnsaved = errors.New("the registry did not take its record")

// launch starts a process, or adopts the one that holds the collector's lock. The intent is in the
// registry before the process exists, except when the registry is away: then the lock file alone
// tells of it. With an error that isEnd there may be a process, for quit.
func (x *actor) launch(ctx context.Context) (*proc.Process, error) {
	if err := x.agent.starts.Wait(x.ctx); err != nil {
		return nil, context.Cause(x.ctx)
	}
	runID := rand.Text()
	if words := unwatchedEnd(x.row, x.agent.cfg.Processes.Self("").BootID); words != "" && !x.owned {
		x.row.LastError = words
	}
	identify(&x.row, x.agent.cfg.Name, proc.Identity{RunID: runID})
	x.row.Host = x.agent.cfg.HostName
	if err := x.save(ctx); err != nil {
		return nil, err
	}
	if x.first && !x.hadLife && x.unsaved {
		return nil, errUnsaved
	}
	p, adopted, err := x.spawn(ctx, runID)
	if err != nil {
		return nil, err
	}
	err = x.take(ctx, p, adopted)
	if errors.Is(err, errUnsaved) { // nobody would know of it
		return nil, errors.Join(err, x.halt(ctx, p))
	}
	if err == nil {
		x.agent.log.Info("a collector runs", "id", x.id, "collector", x.spec.Key(), "pid", x.row.PID, "restarts", x.row.Restarts, "adopted", adopted)
	}
	return p, err
}

// spawn starts the process. When the lock is held it finds out by whom, and what to do about it.
func (x *actor) spawn(ctx context.Context, runID string) (p *proc.Process, adopted bool, err error) {
	path, args, env := x.agent.cfg.Command(x.row)
	spec := proc.Spec{
		Path: path, Args: args, Env: env, RunID: runID,
		LogPath: x.agent.LogPath(x.spec), LockPath: x.agent.lockPath(x.spec),
	}
	for try := 1; ; try++ {
		p, err = x.agent.cfg.Processes.Spawn(spec)
		var locked *proc.LockedError
		if !errors.As(err, &locked) {
			return p, false, err
		}
		if p, err := x.dispute(ctx, locked); p != nil || err != nil {
			return p, true, err
		}
		if try == lockTries {
			return nil, false, err
		}
		select {
		case <-x.ctx.Done():
			return nil, false, context.Cause(x.ctx)
		case <-time.After(lockAgain):
		}
	}
}

// dispute deals with a process that holds the collector's lock: it gives the process when it may be
// adopted, an error when nothing can be done about it, and neither when another try is worth while.
func (x *actor) dispute(ctx context.Context, locked *proc.LockedError) (*proc.Process, error) {
	if locked.Holder.PID == 0 {
		return nil, nil // it has not written its name yet
	}
	for _, other := range x.agent.all() {
		if other != x && other.runs(locked.Holder) {
			// The former wish for the same series is still being ended.
			select {
			case <-other.ended:
				return nil, nil
			case <-x.ctx.Done():
				return nil, context.Cause(x.ctx)
			case <-time.After(x.agent.cfg.Grace + killTimeout):
				return nil, fmt.Errorf("%w: it belongs to collector %d", locked, other.id)
			}
		}
	}
	p, verdict, err := x.agent.cfg.Processes.Open(locked.Holder)
	switch verdict {
	case proc.Same:
		x.log("a process that holds the collector's lock is adopted", "pid", locked.Holder.PID)
		return p, nil
	case proc.Gone: // something that it started holds the lock
		ctx, cancel := context.WithTimeout(ctx, killTimeout)
		defer cancel()
		if err := x.agent.cfg.Processes.Sweep(ctx, locked.Holder); err != nil {
			return nil, errors.Join(locked, err)
		}
		return nil, nil
	}
	return nil, errors.Join(locked, err)
}
