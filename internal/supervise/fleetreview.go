package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
)

const (
	reviewEvery   = 2 * time.Second // how often it is looked whether anything has changed
	reviewAnyhow  = time.Minute     // how often wishes are compared with orders when nothing has: the bus may have lost them
	strangerGrace = tidyTimeout     // beyond its StartTimeout, for the start of another server to show whose it is
)

// review is what the Fleet remembers between two looks at the wishes.
type review struct {
	seen    *records            // what was compared last
	at      time.Time           // when
	waiting map[int64]time.Time // rows that may be another server's, since when each was seen so
}

// Run compares the wishes with the orders on the bus, at once, when something has changed, and every
// minute, and gives each wanted collector that has no order a new one. What another living
// installation looks after is left to it. Run returns when ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.cfg.ReviewEvery)
	defer ticker.Stop()
	last := &review{waiting: make(map[int64]time.Time)}
	failing := false
	for {
		err := f.review(ctx, last)
		if err != nil {
			last.seen = nil
		}
		if (err != nil) != failing && ctx.Err() == nil {
			if failing = err != nil; failing {
				f.cfg.Logger.Warn("wanted collectors could not be compared with what is ordered; it is tried again", "in", f.cfg.ReviewEvery, "error", err)
			} else {
				f.cfg.Logger.Info("wanted collectors are compared with what is ordered again")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (f *Fleet) review(ctx context.Context, last *review) error {
	rec, err := f.wishes.read(ctx)
	if err != nil {
		return err
	}
	due := time.Since(last.at) >= reviewAnyhow
	if !due && len(last.waiting) == 0 && (rec == last.seen || f.cfg.Versions == nil && last.seen != nil) {
		return nil
	}
	var candidates []collector.Record
	waiting := make(map[int64]time.Time)
	another := newAnother(f)
	for _, row := range rec.rows {
		if !row.Wanted || f.isStarting(row.ID) {
			continue
		}
		since, known := last.waiting[row.ID]
		if !known {
			since = time.Now()
		}
		theirs, err := another.looksAfter(ctx, row, since)
		if err != nil {
			return err
		}
		if theirs {
			waiting[row.ID] = since
			continue
		}
		candidates = append(candidates, row)
	}
	// With nothing new beside those that wait, the bus need not be asked.
	if due || rec != last.seen || len(waiting) != len(last.waiting) {
		if err := f.orderAgain(ctx, candidates); err != nil {
			return err
		}
		last.at = time.Now()
	}
	last.seen, last.waiting = rec, waiting
	return nil
}

// orderAgain orders what has no order on the bus.
func (f *Fleet) orderAgain(ctx context.Context, wanted []collector.Record) error {
	if len(wanted) == 0 {
		return nil
	}
	outstanding, err := f.cfg.Queue.OutstandingAssignments(ctx)
	if err != nil {
		return err
	}
	for _, row := range unassigned(wanted, outstanding, f.isStarting) {
		f.cfg.Logger.Info("a wanted collector is ordered again", "id", row.ID, "collector", row.Spec.Key())
		if err := f.cfg.Queue.Assign(ctx, assignment(row, false)); err != nil && !errors.Is(err, bus.ErrAssigned) {
			return err
		}
	}
	return nil
}

// isStarting tells whether a start of this fleet is under way.
func (f *Fleet) isStarting(id int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starting[id] != nil
}

// another tells which rows are the business of another installation, in one review.
type another struct {
	fleet *Fleet
	over  map[string]bool // by instance: dead for certain
	asked bool
	live  bool // some other installation lives
}

func newAnother(f *Fleet) *another { return &another{fleet: f, over: make(map[string]bool)} }

// looksAfter tells whether another living installation looks after a row, or may be about to. since is
// when the row was first seen so.
func (a *another) looksAfter(ctx context.Context, row collector.Record, since time.Time) (bool, error) {
	f := a.fleet
	switch {
	case f.cfg.Leases == nil, f.isLocal(row.Instance), row.Status == collector.Stopped:
		return false, nil
	case row.Instance != "":
		over, known := a.over[row.Instance]
		if !known {
			var err error
			if over, err = f.tenure.over(ctx, row.Instance); err != nil {
				return false, err
			}
			a.over[row.Instance] = over
		}
		return !over, nil
	case time.Since(since) >= f.cfg.StartTimeout+strangerGrace:
		return false, nil
	}
	// Nobody's: its server may be starting it at this moment. Without other servers it died meanwhile.
	if !a.asked {
		var err error
		if a.live, err = f.tenure.othersLive(ctx, f.instance()); err != nil {
			return false, err
		}
		a.asked = true
	}
	return a.live, nil
}

// instance names the installation of this process; "" where it has no agent.
func (f *Fleet) instance() string {
	if f.cfg.Local == nil {
		return ""
	}
	return f.cfg.Local.cfg.Name
}
