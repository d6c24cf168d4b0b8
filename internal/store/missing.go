package store

import (
	"cmp"
	"slices"

	"velador/internal/candle"
)

// Jump is two neighbours among the stored candles of a series that do not follow each other.
type Jump struct{ After, Before candle.Millis } // open times

// Missing turns the jumps of an Anchored timeframe, oldest first, into the stretches of open times
// that are not stored, less those of the absent gaps, which are sorted by Range.From.
//
// A venue that comes back from an outage opens off the grid (EXCHANGES.md 2.15: 09:58:14.789 in
// 15m). Such a candle stands for the whole of its interval, so a stretch ends before the interval
// that holds it, and the candle after it is expected on the grid.
func Missing(tf candle.Timeframe, jumps []Jump, absent []candle.Gap) []candle.Range {
	var missing []candle.Range
	for _, j := range jumps {
		floor, ok := tf.Floor(j.Before)
		if !ok {
			return nil
		}
		hole := candle.Range{From: tf.Next(j.After), To: tf.Prev(floor)}
		for len(absent) > 0 && absent[0].Range.To < hole.From {
			absent = absent[1:]
		}
		missing = appendWithout(missing, tf, hole, absent)
	}
	return missing
}

// WithOpen adds to missing stretches what the open gaps of the ledger name beside; both are sorted by
// their beginning, and so is the result. Such a gap lies further back than was looked, or before the first
// candle; or its candles are stored, and who stored them died before saying so: then they are found again,
// and it is said.
func WithOpen(tf candle.Timeframe, missing []candle.Range, open []candle.Gap) []candle.Range {
	known := make([]candle.Gap, len(missing))
	for i, r := range missing {
		known[i].Range = r
	}
	all := slices.Clone(missing)
	for _, gap := range open {
		for len(known) > 0 && known[0].Range.To < gap.Range.From {
			known = known[1:]
		}
		all = appendWithout(all, tf, gap.Range, known)
	}
	slices.SortFunc(all, func(a, b candle.Range) int { return cmp.Compare(a.From, b.From) })
	return all
}

// appendWithout appends what is left of hole when the absent gaps are cut out.
func appendWithout(dst []candle.Range, tf candle.Timeframe, hole candle.Range, absent []candle.Gap) []candle.Range {
	for _, gap := range absent {
		if hole.Empty() || gap.Range.From > hole.To {
			break
		}
		if gap.Range.To < hole.From {
			continue
		}
		if before := (candle.Range{From: hole.From, To: tf.Prev(gap.Range.From)}); !before.Empty() {
			dst = append(dst, before)
		}
		hole.From = tf.Next(gap.Range.To)
	}
	if !hole.Empty() {
		dst = append(dst, hole)
	}
	return dst
}
