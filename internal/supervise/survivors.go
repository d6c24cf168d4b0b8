package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
)

// review compares the rows of this instance with what runs: it adopts, finishes stops, closes rows,
// and ends what is not wanted any more, or has moved. When the agent begins it also resumes.
func (a *Agent) review(ctx context.Context, beginning bool) error {
	rows, err := a.cfg.Rows.registry.Collectors(ctx)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	var unwanted []*actor
	for _, row := range rows {
		if x := a.actor(row.ID); x != nil {
			if !row.Wanted {
				unwanted = append(unwanted, x)
			} else if row.Instance != a.cfg.Name {
				x.lookAtRow()
			}
			continue
		}
		if row.Instance != a.cfg.Name || row.RunID == "" || row.Over() {
			continue
		}
		p, locked := a.find(row)
		switch judge(row, finding{alive: p != nil, locked: locked}, beginning) {
		case adoptIt:
			a.log.Info("a collector that outlived its agent is adopted", "id", row.ID, "collector", row.Spec.Key(), "pid", p.Identity().PID)
			a.engage(ctx, row, p, false)
		case finishStop:
			a.log.Info("the stop of a collector is finished", "id", row.ID, "collector", row.Spec.Key(), "pid", p.Identity().PID)
			a.engage(ctx, row, p, false)
		case resumeIt:
			a.engage(ctx, row, nil, false)
		case closeIt:
			if _, err := a.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
				if r.Wanted || r.Identity != row.Identity {
					return errUnchanged
				}
				r.Status, r.StoppedAt = collector.Stopped, time.Now()
				return nil
			}); err != nil && !errors.Is(err, errUnchanged) {
				return err
			}
		case leaveIt:
			if p != nil {
				p.Close()
			}
		}
	}
	var stopping sync.WaitGroup
	for _, x := range unwanted {
		stopping.Go(func() { x.stop(ctx, 0) })
	}
	stopping.Wait()
	return nil
}

// find looks for the process of a row: by what the row says, and, for the case that its agent died
// between the start and the record, by what the lock file says.
func (a *Agent) find(row collector.Record) (p *proc.Process, locked bool) {
	if p, verdict, err := a.cfg.Processes.Open(identityOf(row)); verdict == proc.Same {
		return p, true
	} else if err != nil {
		a.log.Warn("a collector's process cannot be verified; it is neither signalled nor started again while its lock is held", "id", row.ID, "error", err)
	}
	holder, held, err := proc.ProbeLock(a.lockPath(row.Spec))
	if err != nil {
		a.log.Warn("a collector's lock cannot be read", "id", row.ID, "error", err)
		return nil, true
	}
	if !held || holder.RunID != row.RunID {
		return nil, held
	}
	p, _, err = a.cfg.Processes.Open(holder)
	if err != nil {
		a.log.Warn("the holder of a collector's lock cannot be verified", "id", row.ID, "error", err)
	}
	return p, true
}

// endStrays ends processes that hold a lock in our directory and that no row wants: they were stopped
// or forgotten while this agent was away.
func (a *Agent) endStrays(ctx context.Context) {
	rows, err := a.cfg.Rows.registry.Collectors(ctx)
	if err != nil {
		a.log.Warn("collectors that nobody wants cannot be told from others", "error", err)
		return
	}
	wanted := make(map[string]bool)
	for _, row := range rows {
		// A row that is not wanted and not stopped yet is being stopped by its actor.
		if !row.Over() {
			wanted[fileName(row.Spec)+lockSuffix] = true
		}
	}
	entries, err := os.ReadDir(a.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("the directory of the collectors cannot be read", "error", err)
	}
	var ending sync.WaitGroup
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), lockSuffix) || wanted[entry.Name()] {
			continue
		}
		holder, held, err := proc.ProbeLock(filepath.Join(a.cfg.Dir, entry.Name()))
		if err != nil || !held {
			continue
		}
		ending.Go(func() {
			a.log.Warn("a collector that no record wants is stopped", "lock", entry.Name(), "pid", holder.PID)
			if err := a.end(ctx, holder); err != nil {
				a.log.Error("a collector that no record wants still runs", "lock", entry.Name(), "pid", holder.PID, "error", err)
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
