package verify

import (
	"context"

	"velador/internal/candle"
	"velador/internal/store"
)

// compare holds what the venue has of a stretch against what is stored, and corrects the latter.
func (x *run) compare(ctx context.Context, both sides) error {
	series, served := x.plan.Series, both.served
	var corrections []store.Entry
	var missed []candle.Millis
	miss := func(c candle.Candle) {
		x.counts.Missing++
		missed = append(missed, c.OpenTime)
		corrections = append(corrections, store.Entry{Series: series, Candle: c, Verified: true})
		x.watcher.Difference(Difference{Kind: Missing, Served: c})
		x.steps.note(c.OpenTime)
	}
	for _, stored := range both.stored {
		for len(served) > 0 && served[0].OpenTime < stored.OpenTime {
			miss(served[0])
			served = served[1:]
		}
		x.counts.Checked++
		x.steps.note(stored.OpenTime)
		if len(served) == 0 || served[0].OpenTime > stored.OpenTime {
			x.counts.Vanished++
			x.watcher.Difference(Difference{Kind: Vanished, Stored: stored})
			continue
		}
		if !served[0].Equal(stored) {
			x.counts.Differing++
			corrections = append(corrections, store.Entry{Series: series, Candle: served[0], Verified: true})
			x.watcher.Difference(Difference{Kind: Differing, Stored: stored, Served: served[0]})
		}
		served = served[1:]
	}
	for _, c := range served {
		miss(c)
	}
	x.counts.Absent = x.steps.absent(x.plan.Range.From, both.r.To)
	if x.plan.DryRun {
		return nil
	}
	entries := corrections
	if len(missed) > 0 {
		// As the ledger is now: a collector may be at work on it.
		known, err := x.Candles.Coverage(ctx, series, both.r)
		if err != nil {
			return err
		}
		for _, gap := range repaired(series, known.Gaps, missed) {
			entries = append(entries, store.Entry{Series: series, Gap: &gap})
		}
	}
	if err := x.write(ctx, entries, x.confirmation.next(both)); err != nil {
		return err
	}
	x.corrected += int64(len(corrections))
	return nil
}

// stepCounter counts at how many steps of a timeframe a candle opens: one off the grid stands for the
// interval that holds it (EXCHANGES.md 2.15).
type stepCounter struct {
	tf    candle.Timeframe
	steps int64
	last  candle.Millis
	some  bool
}

// absent gives at how many steps of a stretch no candle was noted.
func (s *stepCounter) absent(from, to candle.Millis) int64 {
	if floor, ok := s.tf.Floor(from); ok {
		from = floor
	}
	return max(0, s.tf.Count(from, to)-s.steps)
}

// note takes open times in order.
func (s *stepCounter) note(open candle.Millis) {
	if floor, ok := s.tf.Floor(open); ok {
		open = floor
	}
	if !s.some || open != s.last {
		s.steps++
	}
	s.last, s.some = open, true
}
