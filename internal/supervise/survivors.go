package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
	"velador/internal/store"
)

// reviewSoon has the rows compared with what runs at once.
func (a *Agent) reviewSoon() {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

// reviewAll compares rows with what runs until ctx ends: when the registry has changed, and every now
// and then.
func (a *Agent) reviewAll(ctx context.Context) {
	ticker := time.NewTicker(min(lookEvery, a.cfg.ReviewEvery))
	defer ticker.Stop()
	var reviewed int64 // the version of the registry
	due, failing := time.Now().Add(a.cfg.ReviewEvery), false
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-a.again:
			asked = true
		case <-ticker.C:
		}
		a.turn()
		version, changed := a.version(ctx, reviewed)
		if changed {
			a.news.publish()
		}
		now := time.Now()
		if !asked && !changed && now.Before(due) {
			continue
		}
		due = now.Add(a.cfg.ReviewEvery)
		err := a.review(ctx, false)
		if err == nil {
			reviewed = version
			if failing {
				a.log.Info("the agent compares what is wanted with what runs again")
			}
		} else if !failing && ctx.Err() == nil {
			a.log.Warn("the agent cannot compare what is wanted with what runs; it tries again", "in", a.cfg.ReviewEvery, "error", err)
		}
		failing = err != nil
	}
}

// lookEvery is how often the registry is asked whether it has changed.
const lookEvery = time.Second

// version asks the registry for its version. That it cannot be reached is no change: the next review
// finds out.
func (a *Agent) version(ctx context.Context, former int64) (version int64, changed bool) {
	if a.cfg.Versions == nil {
		return former, false
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	version, err := a.cfg.Versions.RegistryVersion(ctx)
	if err != nil {
		return former, false
	}
	return version, version != former
}

// review compares the rows of this instance with what runs: it adopts, finishes stops, closes rows,
// and has actors look whose row is not wanted any more, or has moved. When the agent begins it also
// resumes.
func (a *Agent) review(ctx context.Context, beginning bool) error {
	rows, err := a.cfg.Rows.registry.Collectors(ctx)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	for _, row := range rows {
		if x := a.actor(row.ID); x != nil {
			if !row.Wanted || row.Instance != a.cfg.Name {
				x.lookAtRow()
			}
			continue
		}
		if row.Instance != a.cfg.Name || row.RunID == "" || row.Over() {
			continue
		}
		if err := a.reviewRow(ctx, row, beginning); err != nil {
			return err
		}
	}
	return nil
}

// reviewRow deals with a row of this instance that no actor has.
func (a *Agent) reviewRow(ctx context.Context, row collector.Record, beginning bool) error {
	p, locked := a.find(row)
	does := judge(row, finding{alive: p != nil, locked: locked}, beginning)
	switch does {
	case adoptIt:
		a.log.Info("a collector that outlived its agent is adopted", "id", row.ID, "collector", row.Spec.Key(), "pid", p.Identity().PID)
	case finishStop:
		a.log.Info("the stop of a collector is finished", "id", row.ID, "collector", row.Spec.Key(), "pid", p.Identity().PID)
	case resumeIt: // without a process
	case closeIt:
		_, err := a.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
			if r.Wanted || r.Identity != row.Identity {
				return errUnchanged
			}
			r.Status, r.StoppedAt = collector.Stopped, time.Now()
			return nil
		})
		if errors.Is(err, errUnchanged) || errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	case leaveIt:
		if p != nil {
			p.Close()
		}
		return nil
	}
	_, err := a.engage(ctx, task{row: row, found: p, replace: a.cfg.StopOrphans && does == adoptIt})
	if errors.Is(err, errFull) {
		return nil // its order brings it, and is turned away with the reason
	}
	return err
}

// find looks for the process of a row: by what the row says, and, for the case that its agent died
// between the start and the record, by what the lock file says.
func (a *Agent) find(row collector.Record) (p *proc.Process, locked bool) {
	p, verdict, err := a.cfg.Processes.Open(identityOf(row))
	if a.doubt(row.ID, err); verdict == proc.Same {
		return p, true
	}
	holder, held, err := proc.ProbeLock(a.lockPath(row.Spec))
	if err != nil {
		a.log.Warn("a collector's lock cannot be read", "id", row.ID, "error", err)
		return nil, true
	}
	if !held || holder.RunID != row.RunID {
		return nil, held
	}
	if p, _, err = a.cfg.Processes.Open(holder); err != nil {
		a.doubt(row.ID, err)
	}
	return p, true
}

// doubt says once that a row's process cannot be verified; without an error the doubt is over.
func (a *Agent) doubt(id int64, err error) {
	a.mu.Lock()
	former := a.doubts[id]
	delete(a.doubts, id)
	if err != nil {
		a.doubts[id] = err.Error()
	}
	a.mu.Unlock()
	if err != nil && former != err.Error() {
		a.log.Warn("a collector's process cannot be verified; it is neither signalled nor started again while its lock is held", "id", id, "error", err)
	}
}

// unverified tells why the process that holds a key's lock is left alone; nil when there is none, or when
// it can be told whose it is.
func (a *Agent) unverified(spec collector.Spec) error {
	holder, held, _ := proc.ProbeLock(a.lockPath(spec)) // that it cannot be read the review says
	if !held || holder.PID == 0 {
		return nil
	}
	p, verdict, err := a.cfg.Processes.Open(holder)
	if p != nil {
		p.Close()
	}
	if verdict != proc.Unverifiable {
		return nil
	}
	return fmt.Errorf("what holds its lock is not signalled from here: %w", err)
}

// endStrays ends processes that hold a lock in our directory and that no row wants here: they were
// stopped or forgotten while this agent was away, or another installation has taken their row over.
func (a *Agent) endStrays(ctx context.Context) {
	rows, err := a.cfg.Rows.registry.Collectors(ctx)
	if err != nil {
		a.log.Warn("collectors that nobody wants cannot be told from others", "error", err)
		return
	}
	of := make(map[string][]collector.Record) // by the name of the lock
	for _, row := range rows {
		// A row that is not wanted and not stopped yet is being stopped by its actor.
		if !row.Over() {
			of[fileName(row.Spec)+lockSuffix] = append(of[fileName(row.Spec)+lockSuffix], row)
		}
	}
	mayBeOurs := func(name string, holder proc.Identity) bool {
		return slices.ContainsFunc(of[name], func(row collector.Record) bool { return !a.isForeign(row) || row.RunID == holder.RunID })
	}
	entries, err := os.ReadDir(a.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("the directory of the collectors cannot be read", "error", err)
	}
	var ending sync.WaitGroup
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), lockSuffix) {
			continue
		}
		holder, held, err := proc.ProbeLock(filepath.Join(a.cfg.Dir, entry.Name()))
		if err != nil || !held || mayBeOurs(entry.Name(), holder) {
			continue
		}
		ending.Go(func() {
			a.log.Warn("a collector that no record wants here is stopped", "lock", entry.Name(), "pid", holder.PID)
			if err := a.end(ctx, holder); err != nil {
				a.log.Error("a collector that no record wants here still runs", "lock", entry.Name(), "pid", holder.PID, "error", err)
			}
		})
	}
	ending.Wait()
}

// end stops the holder of a lock with all of its group.
func (a *Agent) end(ctx context.Context, holder proc.Identity) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Grace+killTimeout)
	defer cancel()
	p, verdict, err := a.cfg.Processes.Open(holder)
	switch verdict {
	case proc.Same:
		defer p.Close()
		_, err = p.Stop(ctx, a.cfg.Grace)
		return err
	case proc.Gone:
		return a.cfg.Processes.Sweep(ctx, holder)
	}
	return err
}
