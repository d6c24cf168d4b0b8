package store

import (
	"context"
	"math"

	"velador/internal/candle"
)

// Day counts the candles of one UTC day of a series. An interval that holds a candle off the grid is
// counted once, also when one on the grid lies beside it (EXCHANGES.md 2.15). Expected is always
// Present plus Absent plus Open.
type Day struct {
	Date     candle.Millis // 00:00 UTC
	Expected int64         // intervals from the first to the last that is stored or known as missing
	Present  int64         // those that hold a stored candle
	Repaired int64         // of Present, those that the ledger knows as repaired
	Absent   int64         // those without a candle that the ledger knows as absent at source
	Open     int64         // all others: missing, and not known as absent
}

// DaySource is what CountDays asks of a database, all of it as of one moment. A stretch is one of
// open times, both ends included.
type DaySource interface {
	// Ends gives the oldest and the newest stored open time of a stretch; stored is false when it has none.
	Ends(ctx context.Context, r candle.Range) (ends candle.Range, stored bool, err error)
	// Gaps gives the ledger's rows that touch a stretch, by Range.From.
	Gaps(ctx context.Context, r candle.Range) ([]candle.Gap, error)
	// Intervals tells of each stretch in how many intervals of an Anchored timeframe candles are stored.
	Intervals(ctx context.Context, stretches []candle.Range) ([]int64, error)
	// Opens gives the stored open times of a stretch, oldest first.
	Opens(ctx context.Context, r candle.Range) ([]candle.Millis, error)
}

// aDay is the length of a day in UTC, which has no summer time.
const aDay candle.Millis = 86_400_000

// CountDays makes Candles.Days out of what a database counts.
func CountDays(ctx context.Context, tf candle.Timeframe, r candle.Range, from DaySource) ([]Day, error) {
	// What a venue could name beyond these instants is no candle, and would make more days than there is memory.
	if r == (candle.Range{}) {
		r = candle.Range{From: candle.MinMillis, To: candle.MaxMillis}
	}
	r = candle.Range{From: max(r.From, candle.MinMillis), To: min(r.To, candle.MaxMillis)}
	if r.Empty() {
		return nil, nil
	}
	gaps, err := from.Gaps(ctx, r)
	if err != nil {
		return nil, err
	}
	if !tf.Anchored() {
		opens, err := from.Opens(ctx, r)
		return daysOfCandles(tf, r, opens, gaps), err
	}
	g := grid{tf: tf, step: candle.Millis(tf.Step().Milliseconds()), r: r}
	ends, stored, err := from.Ends(ctx, r)
	if err != nil {
		return nil, err
	}
	stretches := g.lay(ends, stored, gaps)
	if len(stretches) == 0 {
		return nil, nil
	}
	counts, err := from.Intervals(ctx, stretches)
	if err != nil {
		return nil, err
	}
	return g.settle(counts), nil
}

// grid counts a timeframe whose intervals lie on a grid, none of them in two days.
type grid struct {
	tf   candle.Timeframe
	step candle.Millis
	r    candle.Range // of open times, as asked

	days  []Day
	parts []part // of the ledger's stretches, each within one day
}

type part struct {
	day       int
	intervals int64
	state     candle.GapState
}

// lay makes the days and gives the stretches to count: of each day, then of each part.
func (g *grid) lay(ends candle.Range, stored bool, gaps []candle.Gap) (stretches []candle.Range) {
	span := candle.Range{From: math.MaxInt64, To: math.MinInt64}
	if stored {
		span = candle.Range{From: floor(ends.From, g.step), To: floor(ends.To, g.step)}
	}
	known := map[candle.GapState][]candle.Range{}
	for _, gap := range gaps {
		// What a gap covers of the grid within what is asked.
		c := candle.Range{From: floor(max(gap.Range.From, g.r.From)+g.step-1, g.step), To: floor(min(gap.Range.To, g.r.To), g.step)}
		if c.Empty() {
			continue
		}
		span = candle.Range{From: min(span.From, c.From), To: max(span.To, c.To)}
		known[gap.State] = join(known[gap.State], c, g.step)
	}
	if span.Empty() {
		return nil
	}
	for date := floor(span.From, aDay); date <= span.To; date += aDay {
		g.days = append(g.days, Day{Date: date, Expected: g.tf.Count(max(date, span.From), min(date+aDay-g.step, span.To))})
		stretches = append(stretches, g.within(candle.Range{From: date, To: date + aDay - 1}))
	}
	for _, state := range []candle.GapState{candle.GapRepaired, candle.GapAbsent} {
		for _, c := range known[state] {
			for from := c.From; from <= c.To; from = floor(from, aDay) + aDay {
				to := min(c.To, floor(from, aDay)+aDay-g.step)
				g.parts = append(g.parts, part{day: int((from - g.days[0].Date) / aDay), intervals: g.tf.Count(from, to), state: state})
				stretches = append(stretches, g.within(candle.Range{From: from, To: to + g.step - 1}))
			}
		}
	}
	return stretches
}

// settle fills the days in from the counts of what lay gave.
func (g *grid) settle(counts []int64) []Day {
	for i := range g.days {
		g.days[i].Present = counts[i]
	}
	for i, p := range g.parts {
		switch day, stored := &g.days[p.day], counts[len(g.days)+i]; p.state {
		case candle.GapRepaired:
			day.Repaired += stored
		case candle.GapAbsent:
			day.Absent += p.intervals - stored // one that came all the same is present
		}
	}
	for i := range g.days {
		day := &g.days[i]
		day.Open = day.Expected - day.Present - day.Absent
	}
	return g.days
}

// within cuts a stretch down to what is asked.
func (g *grid) within(s candle.Range) candle.Range {
	return candle.Range{From: max(s.From, g.r.From), To: min(s.To, g.r.To)}
}

// join appends a stretch of the grid to stretches that begin no later, as one with the last where
// they touch or overlap: a ledger may hold a gap beside what is left of it.
func join(all []candle.Range, c candle.Range, step candle.Millis) []candle.Range {
	if n := len(all); n > 0 && c.From <= all[n-1].To+step {
		all[n-1].To = max(all[n-1].To, c.To)
		return all
	}
	return append(all, c)
}

// daysOfCandles counts a timeframe of more than a day: each candle is a day of its own, that on which
// it opens. Where the venue anchors them is not known, so those that are missing are reckoned from
// the one before; a candle that opens within the interval where one was due stands for it.
func daysOfCandles(tf candle.Timeframe, r candle.Range, opens []candle.Millis, gaps []candle.Gap) (days []Day) {
	span := candle.Range{From: math.MaxInt64, To: math.MinInt64}
	if n := len(opens); n > 0 {
		span = candle.Range{From: opens[0], To: opens[n-1]}
	}
	for _, gap := range gaps {
		from := gap.Range.From
		for from < r.From {
			from = tf.Next(from)
		}
		if to := min(gap.Range.To, r.To); from <= to {
			span = candle.Range{From: min(span.From, from), To: max(span.To, to)}
		}
	}
	known := func(state candle.GapState, at candle.Millis) int64 {
		for _, gap := range gaps {
			if gap.State == state && gap.Range.Contains(at) {
				return 1
			}
		}
		return 0
	}
	due := span.From
	for _, open := range opens {
		for ; tf.Next(due) <= open; due = tf.Next(due) {
			absent := known(candle.GapAbsent, due)
			days = append(days, Day{Date: floor(due, aDay), Expected: 1, Absent: absent, Open: 1 - absent})
		}
		if date := floor(open, aDay); len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, Day{Date: date, Expected: 1, Present: 1, Repaired: max(known(candle.GapRepaired, open), known(candle.GapRepaired, due))})
		}
		due = tf.Next(open)
	}
	for ; due <= span.To; due = tf.Next(due) {
		absent := known(candle.GapAbsent, due)
		days = append(days, Day{Date: floor(due, aDay), Expected: 1, Absent: absent, Open: 1 - absent})
	}
	return days
}

// floor gives the multiple of step at or before t.
func floor(t, step candle.Millis) candle.Millis {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest
}
