package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
	"velador/internal/store"
)

const (
	listTimeout = 2 * time.Second // for an agent to say what it looks after
	stopTimeout = 45 * time.Second
	stopsAtOnce = 64
)

// Status lists the collectors whose process runs at this moment, oldest first. Rows whose process is
// gone, and which no agent is about to start again, become stopped as a side effect; what is wanted
// of them is resumed by the next review. Processes on a machine whose agent does not answer cannot
// be seen: they are left out, and their rows are left as they are.
func (f *Fleet) Status(ctx context.Context) ([]collector.Live, error) {
	rows, err := f.cfg.Rows.registry.Collectors(ctx, collector.Running, collector.Failed)
	if err != nil {
		return nil, known(err)
	}
	reports := f.ask(ctx, rows)
	live := make([]collector.Live, 0, len(rows))
	now := time.Now()
	for _, row := range rows {
		report, answered := reports[row.Instance]
		one, mine := report[row.ID]
		switch {
		case mine && one.PID == 0: // dead, and about to be started again
		case mine:
			if one.PID != row.PID { // the row trails behind
				row.PID, row.StartedAt = one.PID, stored(now.Add(-one.Uptime))
			}
			live = append(live, collector.Live{Record: row, Uptime: one.Uptime, Vitals: one.Vitals})
		case row.PID == 0: // it is being started, or has never been
		case row.Host == f.cfg.HostName:
			if age, verdict := f.look(row); verdict == proc.Same {
				live = append(live, collector.Live{Record: row, Uptime: age})
			} else if verdict == proc.Gone {
				f.markStopped(ctx, row)
			}
		case answered:
			f.markStopped(ctx, row)
		}
	}
	return live, nil
}

// ask asks all agents that rows name, side by side, what they look after. Who does not answer is
// missing in the result.
func (f *Fleet) ask(ctx context.Context, rows []collector.Record) map[string]map[int64]running {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var instances []string
	for _, row := range rows {
		if row.Instance != "" && !slices.Contains(instances, row.Instance) {
			instances = append(instances, row.Instance)
		}
	}
	reports := make(map[string]map[int64]running, len(instances))
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, instance := range instances {
		asking.Go(func() {
			said, err := f.command(ctx, instance, command{Op: opList})
			if err != nil {
				f.cfg.Logger.Debug("an agent does not say what it runs", "agent", instance, "error", err)
				return
			}
			report := make(map[int64]running, len(said.Runs))
			for _, one := range said.Runs {
				report[one.ID] = one
			}
			mu.Lock()
			defer mu.Unlock()
			reports[instance] = report
		})
	}
	asking.Wait()
	return reports
}

// look verifies a process of this machine.
func (f *Fleet) look(row collector.Record) (age time.Duration, verdict proc.Verdict) {
	p, verdict, err := f.cfg.Processes.Open(identityOf(row))
	if err != nil {
		f.cfg.Logger.Debug("a process cannot be verified", "id", row.ID, "pid", row.PID, "error", err)
	}
	if p != nil {
		age = p.Age()
		p.Close()
	}
	return age, verdict
}

// markStopped notes that a process is gone, unless the row has gone on meanwhile.
func (f *Fleet) markStopped(ctx context.Context, seen collector.Record) {
	_, err := f.cfg.Rows.change(ctx, seen.ID, func(r *collector.Record) error {
		if r.Identity != seen.Identity || r.Status == collector.Stopped {
			return errUnchanged
		}
		r.Status, r.StoppedAt = collector.Stopped, time.Now()
		if r.LastError == "" {
			r.LastError = unwatchedEnd(*r, f.cfg.Processes.Self("").BootID)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) && !errors.Is(err, store.ErrNotFound) {
		f.cfg.Logger.Warn("the record of a dead collector could not be closed", "id", seen.ID, "error", err)
	}
}

// Stop ends a collector and returns when nobody of its process group runs any more. A PID that is
// not that of a living, verified collector is problem.CodeCollectorNotFound, and is never signalled.
// By ID, a collector that is between two lives can be stopped too.
func (f *Fleet) Stop(ctx context.Context, ref collector.Ref) (collector.Record, error) {
	row, err := f.find(ctx, ref)
	if err != nil {
		return row, err
	}
	if ref.ID != 0 {
		ref.PID = 0
	}
	// From here on the caller's patience does not count.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if row.Instance == "" { // no agent has it: the wish is all there is
		return f.withdraw(ctx, row)
	}
	// The agent stores the wish before it signals.
	said, err := f.command(ctx, row.Instance, command{Op: opStop, ID: row.ID, PID: ref.PID})
	switch {
	case errors.Is(err, bus.ErrNoAgent):
		verdict := proc.Unverifiable
		if row.Host == f.cfg.HostName {
			_, verdict = f.look(row)
		}
		return f.stopUntended(ctx, row, ref, verdict)
	case err != nil:
		return row, stopFailed(err, "the agent "+row.Instance+" does not answer; ask again, a stop that has begun goes on")
	case said.Outcome == outcomeUnknown && f.tended(ctx, row):
		return row, notFound(nil) // the PID is that of a former life; the agent is about to begin another one
	case said.Outcome == outcomeUnknown:
		verdict := proc.Gone
		if row.Host == f.cfg.HostName {
			_, verdict = f.look(row)
		}
		return f.stopUntended(ctx, row, ref, verdict)
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

// find gives the record of a collector that is not history. Of several hosts with the same PID this
// one is meant, else the only one.
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
	for _, row := range rows {
		if row.Host == f.cfg.HostName {
			return row, nil
		}
	}
	if len(rows) == 1 {
		return rows[0], nil
	}
	return collector.Record{}, notFound(nil)
}

// tended tells whether an agent looks after a row, alive or between two lives.
func (f *Fleet) tended(ctx context.Context, row collector.Record) bool {
	_, tended := f.ask(ctx, []collector.Record{row})[row.Instance][row.ID]
	return tended
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
	if err := f.cfg.Queue.Withdraw(ctx, assignmentID(row.ID)); err != nil {
		f.cfg.Logger.Warn("the order of a collector that is not wanted any more could not be withdrawn; its agent will find out", "id", row.ID, "error", err)
	}
	return ended, nil
}

// stopUntended ends a wish whose process no agent looks after now. What still runs, or may, is ended
// by its agent when that is back and finds the wish.
func (f *Fleet) stopUntended(ctx context.Context, row collector.Record, ref collector.Ref, verdict proc.Verdict) (collector.Record, error) {
	if verdict == proc.Gone && ref.PID != 0 {
		f.markStopped(ctx, row)
		return row, notFound(nil)
	}
	if verdict == proc.Gone {
		return f.withdraw(ctx, row)
	}
	ended, err := f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
		r.Wanted = false
		return nil
	})
	if err != nil {
		return row, known(err)
	}
	return ended, problem.New(problem.Unavailable, problem.CodeStopFailed, nil,
		"The collector could not be stopped: {detail}.",
		"detail", fmt.Sprintf("its agent %s is away, and will stop it when it is back", row.Instance))
}

// StopAll stops all wanted collectors side by side and gives the records of those that it stopped.
func (f *Fleet) StopAll(ctx context.Context) ([]collector.Record, error) {
	rows, err := f.cfg.Rows.registry.Collectors(ctx)
	if err != nil {
		return nil, known(err)
	}
	var (
		mu       sync.Mutex
		stopped  []collector.Record
		failures []error
		stopping errgroup.Group
	)
	stopping.SetLimit(stopsAtOnce)
	for _, row := range rows {
		if !row.Wanted {
			continue
		}
		stopping.Go(func() error {
			ended, err := f.Stop(ctx, collector.Ref{ID: row.ID})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stopped = append(stopped, ended)
			} else if problem.KindOf(err) != problem.NotFound {
				failures = append(failures, fmt.Errorf("collector %d: %w", row.ID, err))
			}
			return nil
		})
	}
	_ = stopping.Wait() // failures are collected above: one does not end the others
	slices.SortFunc(stopped, func(a, b collector.Record) int { return int(a.ID - b.ID) })
	return stopped, errors.Join(failures...)
}

// command sends a command to an agent and reads its reply.
func (f *Fleet) command(ctx context.Context, instance string, c command) (reply, error) {
	payload, err := f.cfg.Queue.Command(ctx, instance, encode(c))
	if err != nil {
		return reply{}, err
	}
	return decode[reply](payload)
}

func stopFailed(cause error, detail string) error {
	return problem.New(problem.Internal, problem.CodeStopFailed, cause, "The collector could not be stopped: {detail}.", "detail", detail)
}
