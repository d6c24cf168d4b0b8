package verify

import "velador/internal/candle"

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
