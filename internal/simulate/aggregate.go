package simulate

import (
	"velador/internal/candle"
	"velador/internal/klineapi"
)

// served is a row with the instant at which it is over.
type served struct {
	klineapi.Row
	over candle.Millis
}

// rowsIn gives the rows of the interval [start, end) as they are at now, those that open later left
// away. What is recorded of the view's own timeframe wins; else the shortest candles recorded in the
// interval are added up (SIM-T3). It is mostly one row, or none in a hole; more where a venue came
// back off the grid (SIM-T7).
func (v view) rowsIn(start, end, now candle.Millis, sums *sums) []served {
	if v.own != nil {
		i, j := v.own.search(start), v.own.search(end)
		if i < j {
			var rows []served
			for ; i < j && v.own.openTime(i) <= now; i++ {
				rows = append(rows, v.recorded(i, now, sums))
			}
			return rows
		}
	}
	b, i, j := v.basisOf(start, end)
	if b.line == nil || b.openTime(i) > now {
		return nil
	}
	closeTime := closeOf(b, j-1, end)
	sum := v.sum(b, i, j, start, now, sums)
	sum.openTime, sum.closeTime = start, closeTime
	return []served{{Row: sum.row(), over: closingInstant(start, closeTime)}}
}

// basisOf gives the line of the shortest candles that has any in [start, end), and which.
func (v view) basisOf(start, end candle.Millis) (b basis, i, j int) {
	for _, b = range v.bases {
		if i, j = b.search(start), b.search(end); i < j {
			return b, i, j
		}
	}
	return basis{}, 0, 0
}

// closeOf gives the close time of an interval that ends at end and whose last shorter candle is i:
// a candle cut short by a halt cuts the longer one short as well, as on 2023-03-24 at 12:39:41.646.
func closeOf(b basis, i int, end candle.Millis) candle.Millis {
	if last := b.closeTime(i); last < end-1 && last != b.tf.Next(b.openTime(i))-1 {
		return last
	}
	return end - 1
}

// recorded gives row i of the view's own line: as recorded once it is over or has reached its last
// state; before, as its shorter candles have it, or by interpolation where there are none.
func (v view) recorded(i int, now candle.Millis, sums *sums) served {
	row := v.own.row(i)
	over := closingInstant(row.OpenTime, row.CloseTime)
	if now >= over {
		return served{row, over}
	}
	final := v.own.bar(i)
	_, end := interval(v.tf, v.zone, row.OpenTime)
	if b, from, until := v.basisOf(row.OpenTime, end); b.line != nil && final.traded() {
		if b.openTime(from) > now {
			return served{final.flat().row(), over}
		}
		formed := v.sum(b, from, until, row.OpenTime, now, sums).within(final)
		formed.openTime = row.OpenTime
		return served{formed.row(), over}
	}
	if formed, done := formBar(final, v.in.seed, now); !done {
		return served{formed.row(), over}
	}
	return served{row, over}
}

// sum adds up rows i to j-1 of b, the ones in an interval of the view, as they are at now; row i has
// opened. Whole rows come from the running sums, the one still forming is formed. A long interval is
// joined from those of a day or an hour in it: a month has 44,640 minutes, and whoever asks for
// instants out of order must not have them all added up again.
func (v view) sum(b basis, i, j int, start, now candle.Millis, sums *sums) bar {
	key := sumKey{v.in, b.tf, v.tf, v.zone, start}
	over := now >= closingInstant(b.openTime(j-1), b.closeTime(j-1))
	if part, length := partOf(v.tf, b.tf); part != 0 {
		if known, found := sums.get(key); over && found {
			return known.total
		}
		total := v.sumOfParts(b, i, j, part, length, start, now, sums)
		if over {
			sums.put(key, runningSum{next: j, total: total})
		}
		return total
	}
	if over {
		return sums.total(key, b.line, i, j)
	}
	opened := b.search(now + 1)
	last := opened - 1
	if now >= closingInstant(b.openTime(last), b.closeTime(last)) {
		return sums.total(key, b.line, i, opened)
	}
	forming, _ := formBar(b.bar(last), v.in.seed, now)
	if last == i {
		return forming
	}
	return sums.total(key, b.line, i, last).join(forming)
}

// partOf gives the timeframe by which an interval is joined from candles of base, and its length; 0
// where they are joined one by one.
func partOf(tf, base candle.Timeframe) (candle.Timeframe, candle.Millis) {
	switch {
	case tf > candle.Day1 && base < candle.Day1:
		return candle.Day1, dayMillis
	case tf > candle.Hour1 && base < candle.Hour1:
		return candle.Hour1, dayMillis / 24
	}
	return 0, 0
}

func (v view) sumOfParts(b basis, i, j int, tf candle.Timeframe, length, start, now candle.Millis, sums *sums) bar {
	part := v
	part.tf = tf
	var total bar
	for found := false; i < j && b.openTime(i) <= now; {
		start += (b.openTime(i) - start) / length * length
		until := min(j, b.search(start+length))
		sum := part.sum(b, i, until, start, now, sums)
		if found {
			total = total.join(sum)
		} else {
			total, found = sum, true
		}
		i = until
	}
	return total
}

// sums remembers, for each interval that was asked for, how far its shorter candles were added up:
// the forming day of a busy replay is asked for a thousand times a second.
type sums struct{ *memory[sumKey, runningSum] }

type sumKey struct {
	in       *instrument
	base, tf candle.Timeframe
	zone     klineapi.Zone
	start    candle.Millis
}

// runningSum is the total of rows up to next of a line.
type runningSum struct {
	next  int
	total bar
}

func newSums() *sums { return &sums{newMemory[sumKey, runningSum](1 << 14)} }

// total adds up rows i to j-1 of l, i < j, going on from where an earlier call stopped.
func (s *sums) total(key sumKey, l line, i, j int) bar {
	at, found := s.get(key)
	if found && at.next == j {
		return at.total
	}
	known := at.next
	if !found || at.next > j {
		at = runningSum{next: i + 1, total: l.bar(i)}
	}
	for ; at.next < j; at.next++ {
		at.total = at.total.join(l.bar(at.next))
	}
	if at.next > known {
		s.put(key, at)
	}
	return at.total
}
