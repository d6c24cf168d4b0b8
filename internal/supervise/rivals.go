package supervise

import (
	"context"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

const (
	rivalWait = 5 * time.Second       // for a rival start to give way, or to go on
	rivalLook = 20 * time.Millisecond // between two looks at it
)

// contend settles what two servers on one database can do to each other: each looks whether a
// collector is in its way, finds none, and stores a wish for the same symbol under another selector
// (equal keys the database keeps apart). So each looks again behind its own wish: the one that was
// stored later sees the other one. The lower ID stays, and the higher one gives way, with a
// *store.ExistsError. A database may show a lower ID after a higher one, which then has looked
// already and seen nothing: so the lower one waits until it sees what the higher one does.
//
// seen is the version of the registry at the look before.
func (f *Fleet) contend(ctx context.Context, row collector.Record, symbols []string, seen int64) error {
	if f.cfg.Versions != nil {
		// Each change counts one at least: there was none but ours.
		if now, err := f.cfg.Versions.RegistryVersion(ctx); err == nil && now == seen+1 {
			return nil
		}
	}
	waiting, cancel := context.WithTimeout(ctx, rivalWait)
	defer cancel()
	for {
		rec, err := f.wishes.read(waiting)
		if err != nil {
			return err
		}
		rival, found := rivalOf(rec.rows, row, symbols)
		if !found {
			return nil
		}
		if rival.ID < row.ID || rival.Instance != "" {
			return f.giveWay(ctx, row, rival)
		}
		look := time.NewTimer(rivalLook)
		select {
		case <-look.C:
		case <-waiting.Done():
			look.Stop()
			return f.giveWay(ctx, row, rival)
		}
	}
}

// giveWay ends a wish for the sake of another one.
func (f *Fleet) giveWay(ctx context.Context, row, rival collector.Record) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	if _, err := f.cfg.Rows.change(ctx, row.ID, func(r *collector.Record) error {
		r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, time.Now()
		r.LastError = "collector " + assignmentID(rival.ID) + " of another server was started for the same symbol at the same time"
		return nil
	}); err != nil {
		return err
	}
	return &store.ExistsError{Record: rival}
}
