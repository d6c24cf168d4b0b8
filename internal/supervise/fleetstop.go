package supervise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
)

const (
	stopPatience = 20 * time.Second       // for an agent that reads the wish from the database: its grace, and some seconds
	stopSlack    = 25 * time.Second       // what else a stop or a restart may take: asking, writing down, starting
	stopLook     = 100 * time.Millisecond // between two looks whether it has
)

// Stop ends a collector and returns when nobody of its process group runs any more. A PID that is
// not that of a living, verified collector is problem.CodeCollectorNotFound, and is never signalled;
// one that several machines have is problem.CodeAmbiguousPID. By ID, a collector that is between two
// lives can be stopped too. An agent that cannot be asked finds the end of the wish in the database,
// and is waited for.
func (f *Fleet) Stop(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	row, err := f.find(ctx, ref)
	if err != nil {
		return row, err
	}
	if ref.ID != 0 {
		ref.PID = 0
	}
	return f.stop(ctx, row, ref.PID)
}

// stop ends the collector of a row; with a PID only if that is its process.
func (f *Fleet) stop(ctx context.Context, row collector.Record, pid int) (collector.Record, error) {
	// From here on the caller's patience does not count.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.StopPatience+stopSlack)
	defer cancel()
	if row.Instance == "" && f.cfg.Local != nil && f.cfg.Local.actor(row.ID) != nil {
		row.Instance = f.instance() // it is about to write that down
	}
	if row.Instance == "" { // no agent has it: the wish is all there is
		ended, err := f.withdraw(ctx, row)
		if err != nil || ended.Over() {
			return ended, err
		}
		row = ended // one has taken it just now
	}
	// The agent stores the wish before it signals.
	said, err := f.command(ctx, row.Instance, command{Op: opStop, ID: row.ID, PID: pid})
	switch {
	case err != nil && ctx.Err() != nil:
		return row, stopFailed(err, "the agent "+row.Instance+" does not answer; ask again, a stop that has begun goes on")
	case err != nil:
		if !errors.Is(err, bus.ErrNoAgent) {
			f.cfg.Logger.Warn("an agent cannot be told to stop a collector; it will find that in the database", "id", row.ID, "agent", row.Instance, "error", err)
		}
		return f.stopUntended(ctx, row, pid, false)
	case said.Outcome == outcomeUnknown:
		heard := f.hear(ctx, newRecords([]collector.Record{row}, 0), nil)
		switch {
		case heard.of[0] != 0:
			return row, notFound(nil) // the PID is that of a former life; the agent is about to begin another one
		case !f.isLocal(row.Instance) && len(heard.answered) == 0:
			return row, stopFailed(nil, "the agent "+row.Instance+" does not answer; ask again")
		}
		return f.stopUntended(ctx, row, pid, true)
	case said.Outcome != outcomeStopped:
		return row, stopFailed(nil, said.Failed)
	}
	stopped, err := f.cfg.Rows.registry.CollectorByID(ctx, row.ID)
	if err != nil {
		f.cfg.Logger.Warn("the record of a stopped collector could not be read", "id", row.ID, "error", err)
		return row, nil
	}
	return stopped, nil
}

// find gives the record of a collector that is not history. A PID is unique in one PID namespace of
// one machine only: ours is meant, then the only one on this machine, then the only one of all.
func (f *Fleet) find(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	if ref.ID != 0 {
		row, err := f.Collector(ctx, ref.ID)
		if err == nil && row.Over() {
			return row, notFound(nil)
		}
		return row, err
	}
	if ref.PID <= 0 {
		return collector.Record{}, notFound(nil)
	}
	rows, err := f.cfg.Rows.registry.CollectorsByPID(ctx, ref.PID)
	if err != nil {
		return collector.Record{}, known(err)
	}
	if f.cfg.Local != nil {
		for _, one := range f.cfg.Local.list() {
			if one.PID == ref.PID { // whatever the rows say: they may trail behind
				return f.Collector(ctx, one.ID)
			}
		}
	}
	for _, group := range [][]collector.Record{
		slices.DeleteFunc(slices.Clone(rows), func(r collector.Record) bool { return !f.isLocal(r.Instance) }),
		slices.DeleteFunc(slices.Clone(rows), func(r collector.Record) bool { return !f.isNeighbour(r) }),
		slices.DeleteFunc(slices.Clone(rows), func(r collector.Record) bool { return r.Host != f.cfg.HostName }),
		rows,
	} {
		if row, found := f.pick(group); found {
			return row, nil
		}
		if len(group) > 0 {
			return collector.Record{}, ambiguous(ref.PID, group)
		}
	}
	return collector.Record{}, notFound(nil)
}

// pick gives the row that is meant by a PID that all of them have: the only one, or the one whose
// process is seen to run, or, where all are seen to be gone, any.
func (f *Fleet) pick(rows []collector.Record) (collector.Record, bool) {
	if len(rows) == 1 {
		return rows[0], true
	}
	gone := 0
	for _, row := range rows {
		if !f.isLocal(row.Instance) && !f.isNeighbour(row) {
			continue
		}
		switch _, verdict := f.look(row); verdict {
		case proc.Same:
			return row, true
		case proc.Gone:
			gone++
		}
	}
	if gone > 0 && gone == len(rows) {
		return rows[0], true
	}
	return collector.Record{}, false
}

func ambiguous(pid int, rows []collector.Record) error {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = assignmentID(row.ID)
	}
	return problem.New(problem.Conflict, problem.CodeAmbiguousPID, nil,
		"Several machines have a collector with the PID {pid}: those with the IDs {ids}. Stop the one that you mean by its ID.",
		"pid", strconv.Itoa(pid), "ids", strings.Join(ids, ", "))
}

// withdraw ends a wish that no process fulfils.
func (f *Fleet) withdraw(ctx context.Context, row collector.Record) (collector.Record, error) {
	ended, err := f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
		r.Wanted = false
		if r.Identity == row.Identity && r.Status != collector.Stopped {
			r.Status, r.StoppedAt = collector.Stopped, time.Now()
		}
		return nil
	})
	if err != nil {
		return row, known(err)
	}
	f.takeBack(ctx, row.ID)
	return ended, nil
}

// takeBack takes an order out of the queue.
func (f *Fleet) takeBack(ctx context.Context, id int64) {
	if err := f.cfg.Queue.Withdraw(ctx, assignmentID(id)); err != nil {
		f.cfg.Logger.Warn("the order of a collector that is not wanted any more could not be withdrawn; its agent will find out", "id", id, "error", err)
	}
}

// stopUntended ends a wish whose process no agent that answers looks after. A process that runs, or
// may, is never signalled from here: it is its own agent's, which reads in the database that it is not
// wanted any more, and is waited for. When that agent is dead for certain the row is closed.
func (f *Fleet) stopUntended(ctx context.Context, row collector.Record, pid int, answered bool) (collector.Record, error) {
	_, verdict := f.assess(ctx, row, answered)
	var unsure error // what holds its lock may be its process
	if f.isLocal(row.Instance) {
		unsure = f.cfg.Local.unverified(row.Spec)
	}
	gone := verdict == proc.Gone && unsure == nil
	if pid != 0 {
		// By its number only a process that runs can be meant.
		seen := f.isLocal(row.Instance) || f.isNeighbour(row)
		if gone && (answered || seen) {
			f.markStopped(ctx, row)
			return row, notFound(nil)
		}
		if seen {
			if _, verdict := f.look(row); verdict == proc.Gone {
				return row, notFound(nil)
			}
		}
	}
	var ended collector.Record
	var err error
	if gone {
		// Where the agent has taken it up at this moment, it reads that nobody wants it any more.
		ended, err = f.withdraw(ctx, row)
	} else {
		ended, err = f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
			if pid != 0 && r.Identity != row.Identity {
				return notFound(nil) // another process runs by now
			}
			r.Wanted = false
			return nil
		})
	}
	if err != nil {
		return row, known(err)
	}
	if unsure != nil {
		return ended, stopFailed(nil, unsure.Error())
	}
	waiting, cancel := context.WithTimeout(ctx, f.cfg.StopPatience)
	defer cancel()
	for !ended.Over() {
		if !f.isTended(ended) {
			if _, verdict := f.assess(waiting, ended, false); verdict == proc.Gone {
				if ended, err = f.withdraw(ctx, ended); err != nil || ended.Over() {
					return ended, err
				}
			}
		}
		look := time.NewTimer(stopLook)
		select {
		case <-look.C:
		case <-waiting.Done():
			look.Stop()
			return ended, problem.New(problem.Unavailable, problem.CodeStopFailed, nil,
				"The collector could not be stopped: {detail}.",
				"detail", fmt.Sprintf("its agent %s is away, and will stop it when it is back", row.Instance))
		}
		if now, err := f.cfg.Rows.registry.CollectorByID(waiting, row.ID); err == nil {
			ended = now
		} else {
			f.cfg.Logger.Debug("the record of a collector that is being stopped could not be read", "id", row.ID, "error", err)
		}
	}
	return ended, nil
}

// isTended tells whether the agent of this process looks after a row at this moment.
func (f *Fleet) isTended(row collector.Record) bool {
	return f.isLocal(row.Instance) && f.cfg.Local.actor(row.ID) != nil
}

// StopAll stops all wanted collectors side by side, so that those that ignore SIGTERM take one grace
// together and not one after the other, and gives the records of those that it stopped. The error joins
// a *collector.StopError for each of the others.
func (f *Fleet) StopAll(ctx context.Context) ([]collector.Record, error) {
	rec, err := f.wishes.read(ctx)
	if err != nil {
		return nil, known(err)
	}
	var (
		mu       sync.Mutex
		stopped  []collector.Record
		failures []error
		stopping sync.WaitGroup
	)
	for _, row := range rec.rows {
		if !row.Wanted {
			continue
		}
		stopping.Go(func() {
			ended, err := f.stop(ctx, row, 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stopped = append(stopped, ended)
			} else if problem.KindOf(err) != problem.NotFound {
				failures = append(failures, &collector.StopError{ID: row.ID, Err: err})
			}
		})
	}
	stopping.Wait()
	slices.SortFunc(stopped, func(a, b collector.Record) int { return cmp.Compare(a.ID, b.ID) })
	return stopped, errors.Join(failures...)
}

func stopFailed(cause error, detail string) error {
	return problem.New(problem.Internal, problem.CodeStopFailed, cause, "The collector could not be stopped: {detail}.", "detail", detail)
}
