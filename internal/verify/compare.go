package verify

import (
	"context"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/store"
)

// compare holds the candles that the venue has in a stretch against those that are stored, and
// corrects what is stored. Both are in order, so that the stored ones pass by.
func (x *run) compare(ctx context.Context, looked candle.Range, page exchange.Page) error {
	series, served := x.plan.Series, page.Candles
	var corrections []store.Entry
	var missed []candle.Millis
	miss := func(c candle.Candle) {
		x.counts.Missing++
		missed = append(missed, c.OpenTime)
		corrections = append(corrections, store.Entry{Series: series, Candle: c})
		x.watcher.Difference(Difference{Kind: Missing, Served: c})
		x.steps.note(c.OpenTime)
	}
	err := x.Candles.EachCandle(ctx, store.Query{Series: series, Range: looked}, func(stored candle.Candle) error {
		for len(served) > 0 && served[0].OpenTime < stored.OpenTime {
			miss(served[0])
			served = served[1:]
		}
		x.counts.Checked++
		x.steps.note(stored.OpenTime)
		switch {
		case len(served) == 0 || served[0].OpenTime > stored.OpenTime:
			x.counts.Vanished++
			x.watcher.Difference(Difference{Kind: Vanished, Stored: stored})
			return nil
		case !served[0].Equal(stored):
			x.counts.Differing++
			corrections = append(corrections, store.Entry{Series: series, Candle: served[0]})
			x.watcher.Difference(Difference{Kind: Differing, Stored: stored, Served: served[0]})
		}
		served = served[1:]
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range served {
		miss(c)
	}
	x.counts.Absent = x.steps.absent(x.plan.Range.From, looked.To)
	if x.plan.DryRun {
		return nil
	}
	entries := corrections
	if len(missed) > 0 {
		// As the ledger is now: a collector may be at work on it.
		known, err := x.Candles.Coverage(ctx, series, looked)
		if err != nil {
			return err
		}
		for _, gap := range repaired(series, known.Gaps, missed) {
			entries = append(entries, store.Entry{Series: series, Gap: &gap})
		}
	}
	if rows := len(page.Candles); rows > 0 {
		// What the collector has not confirmed itself, next to what it has, is confirmed by this.
		entries = append(entries, store.Entry{Series: series, Audit: &candle.Audit{Series: series, Range: looked, Rows: rows, At: page.AsOf}})
	}
	if len(entries) == 0 {
		return nil
	}
	if _, err := x.Candles.Write(ctx, entries); err != nil {
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

// repaired gives the rows of the ledger which say that candles, oldest first, were missing and are
// stored now. They are taken out of the gaps that are known: a gap is identified by its first open
// time, and what is left of it keeps its state.
func repaired(series candle.Series, gaps []candle.Gap, missed []candle.Millis) (rows []candle.Gap) {
	tf := series.Timeframe
	for len(missed) > 0 {
		for len(gaps) > 0 && tf.Next(gaps[0].Range.To) <= missed[0] {
			gaps = gaps[1:]
		}
		known := len(gaps) > 0 && gaps[0].Range.From <= missed[0]
		n := 1
		for n < len(missed) {
			next := missed[n]
			if known && next >= tf.Next(gaps[0].Range.To) || !known && (next != tf.Next(missed[n-1]) || len(gaps) > 0 && gaps[0].Range.From <= next) {
				break
			}
			n++
		}
		switch {
		case !known:
			rows = append(rows, candle.Gap{Series: series, Range: candle.Range{From: missed[0], To: missed[n-1]}, State: candle.GapRepaired})
		case gaps[0].State != candle.GapRepaired:
			rows = append(rows, divide(gaps[0], missed[:n])...)
		}
		missed = missed[n:]
	}
	return rows
}

// divide takes the candles that were found out of a gap: stretches that are repaired now, and between
// them what is missing as before.
func divide(gap candle.Gap, found []candle.Millis) (rows []candle.Gap) {
	tf, from := gap.Series.Timeframe, gap.Range.From
	add := func(r candle.Range, state candle.GapState) {
		if r.Empty() {
			return
		}
		if n := len(rows); n > 0 && rows[n-1].State == state && state == candle.GapRepaired {
			rows[n-1].Range.To = r.To
			return
		}
		row := gap
		row.Range, row.State = r, state
		rows = append(rows, row)
	}
	for _, open := range found {
		on := open // the interval that the candle stands for
		if floor, ok := tf.Floor(open); ok {
			on = floor
		}
		add(candle.Range{From: from, To: tf.Prev(on)}, gap.State)
		add(candle.Range{From: max(from, on), To: on}, candle.GapRepaired)
		from = tf.Next(on)
	}
	add(candle.Range{From: from, To: gap.Range.To}, gap.State)
	return rows
}
