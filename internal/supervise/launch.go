package supervise

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"velador/internal/collector"
	"velador/internal/logfile"
	"velador/internal/proc"
	"velador/internal/store"
)

// take writes down that the actor's process is the collector's.
func (x *actor) take(ctx context.Context) error {
	former := x.row.Identity
	p, adopted := x.process, x.adopted()
	identify(&x.row, x.agent.cfg.Name, p.Identity())
	x.row.Host, x.row.Status, x.row.StoppedAt, x.row.NextAttempt = x.agent.cfg.HostName, collector.Running, time.Time{}, time.Time{}
	switch {
	case !adopted:
		x.row.StartedAt = stored(time.Now())
		if x.hadLife {
			x.row.Restarts++
		}
	case x.row.PID != former.PID || x.row.StartTicks != former.StartTicks: // the row had not heard of it
		x.row.StartedAt = stored(time.Now().Add(-p.Age()))
	}
	x.agent.cfg.At(BeforeRecord)
	if err := x.save(ctx); err != nil {
		return err
	}
	x.agent.cfg.At(AfterRecord)
	if x.task.first && !x.hadLife && x.unsaved {
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

func (x *actor) adopted() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen.adopted
}

var errUnsaved = errors.New("the registry did not take its record")

// recall looks at how the life before this actor ended, which nobody watched, and gives for how long
// there is no use in another one.
func (x *actor) recall() (wait time.Duration) {
	if x.row.RunID == "" || x.row.PID == 0 {
		return 0
	}
	if p, locked := x.agent.find(x.row); p != nil || locked {
		if p != nil {
			p.Close()
		}
		return 0 // it may run: the launch finds out
	}
	var said proc.Farewell
	if x.row.Host == x.agent.cfg.HostName { // else its log and its lock are elsewhere
		said = x.lastWords(x.row.RunID, proc.Exit{})
	}
	now := time.Now()
	if x.row.Status != collector.Failed && !x.row.LastExit.At.After(x.row.StartedAt) {
		if words := unwatchedEnd(x.row, x.agent.cfg.Processes.Self("").BootID); words != "" {
			x.row.LastError = words
			if said.Reason != "" {
				x.row.LastError += ": " + said.Reason
			}
		}
		x.row.LastExit = collector.Exit{At: stored(now), Reason: said.Reason}
		x.noteLife()
	}
	return min(waitOf(now, said.RetryAt), longestWait)
}

// noteLife writes down the life whose end the row tells.
func (x *actor) noteLife() {
	x.agent.diary.note(collector.Life{
		CollectorID: x.id, RunID: x.row.RunID, PID: x.row.PID, Host: x.row.Host, StartedAt: x.row.StartedAt, Exit: x.row.LastExit,
	})
}

// awaitTurn waits until one more of all processes may be started, and does meanwhile what is asked for: of
// hundreds that are resumed together, nobody waits for the last one to have begun before it can be stopped.
func (x *actor) awaitTurn(ctx context.Context) error {
	turn := x.agent.starts.Reserve()
	for pause := turn.Delay(); pause > 0; pause = turn.Delay() {
		x.setStage(inLine)
		if _, err := x.attend(ctx, pause); err != nil {
			turn.Cancel()
			return err
		}
	}
	return nil
}

// launch starts a process, or adopts the one that holds the collector's lock. The intent is in the
// registry before the process exists, except when the registry is away: then the lock file alone
// tells of it. With an error that isEnd there may be a process, for quit.
func (x *actor) launch(ctx context.Context) error {
	x.setStage(launching)
	runID := rand.Text()
	identify(&x.row, x.agent.cfg.Name, proc.Identity{RunID: runID})
	x.row.Host, x.row.NextAttempt = x.agent.cfg.HostName, time.Time{}
	x.agent.cfg.At(BeforeIntent)
	if err := x.save(ctx); err != nil {
		return err
	}
	if x.task.first && !x.hadLife && x.unsaved {
		return errUnsaved
	}
	x.agent.cfg.At(BeforeFork)
	p, adopted, err := x.spawn(ctx, runID)
	if err != nil {
		return err
	}
	x.agent.cfg.At(AfterFork)
	x.setProcess(p, adopted)
	err = x.take(ctx)
	if errors.Is(err, errUnsaved) { // nobody would know of it
		return errors.Join(err, x.halt(ctx))
	}
	if err == nil {
		x.agent.log.Info("a collector runs", "id", x.id, "collector", x.spec.Key(), "pid", x.row.PID, "restarts", x.row.Restarts, "adopted", adopted)
	}
	return err
}

// wantedFrom gives since when the collector is wanted. Of a series that it has brought nothing of yet, every life
// begins there, and not when it happens to be started. The row, which is the wish, tells when the newest life
// began, the diary when those before did.
func (x *actor) wantedFrom(ctx context.Context) time.Time {
	if x.spec.Since != 0 {
		return time.Time{}
	}
	if lives := x.agent.cfg.Lives; lives != nil && x.hadLife && !x.recalled && !x.unsaved {
		ctx, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		former, err := lives.Lives(ctx, x.id, store.MaxLives)
		if err != nil {
			x.log("when a collector was first wanted could not be read", "error", err)
		}
		x.recalled = err == nil
		for _, l := range former {
			if !l.StartedAt.IsZero() && (x.wanted.IsZero() || l.StartedAt.Before(x.wanted)) {
				x.wanted = l.StartedAt
			}
		}
	}
	return x.wanted
}

// spawn starts the process. When the lock is held it finds out by whom, and what to do about it.
func (x *actor) spawn(ctx context.Context, runID string) (p *proc.Process, adopted bool, err error) {
	path, args, env := x.agent.cfg.Command(x.row, x.wantedFrom(ctx))
	spec := proc.Spec{
		Path: path, Args: args, Env: env, RunID: runID, MaxFile: logsOfLimit * x.agent.cfg.LogSize,
		LogPath: x.agent.LogPath(x.spec), LockPath: x.agent.lockPath(x.spec),
	}
	for try := 1; ; try++ {
		p, err = x.spawnOnce(spec)
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

// logsOfLimit times LogSize is how large a collector may make a file: one that writes its log without
// setting it aside is ended by the kernel there.
const logsOfLimit = 4

// spawnOnce begins with a log that has room.
func (x *actor) spawnOnce(spec proc.Spec) (*proc.Process, error) {
	// Whoever holds the lock holds the log.
	if _, held, err := proc.ProbeLock(spec.LockPath); err == nil && !held {
		if err := logfile.SetAside(spec.LogPath, x.agent.cfg.LogSize); err != nil {
			x.log("a collector's log was not set aside", "error", err)
		}
	}
	return x.agent.cfg.Processes.Spawn(spec)
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
	x.agent.refused.Add(1)
	return nil, fmt.Errorf("%w; %w", locked, err)
}
