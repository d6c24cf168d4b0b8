package simulate

import (
	"slices"
	"sort"

	"velador/internal/candle"
)

const minuteMillis = 60_000

// halt is a stretch in which the whole venue stands still: a real hole in every series (SIM-T6).
// As on 2023-03-24, minutes without trades come before it, and the last of them is cut short.
type halt struct {
	from, until candle.Millis // the minutes that do not exist: from ≤ open < until
	quiet       int           // minutes without trades before from
	cut         candle.Millis // close time of the last candle
}

func newHalt(from candle.Millis, minutes, quiet int, h uint64) halt {
	return halt{
		from: from, until: from + candle.Millis(minutes)*minuteMillis, quiet: quiet,
		cut: from - minuteMillis + candle.Millis(15_000+mix(h, 9)%40_000),
	}
}

const (
	haltEvery = 91 * dayMillis // one in each such stretch of time
	lastHalt  = 2_900_000_000_000
	// In the run: some minutes after its start, so that a demonstration shows one.
	firstHaltAfter, firstHaltMinutes = 40 * minuteMillis, 8
)

// haltsOf draws the venue's halts: one a quarter, from the epoch to 2061, and one a few minutes
// into the run. None crosses midnight, so that a day's candles depend on that day alone.
func haltsOf(seed uint64, start candle.Millis) []halt {
	from := start - start%minuteMillis + firstHaltAfter
	if day := from - from%dayMillis; from-day < 30*minuteMillis || from-day > dayMillis-30*minuteMillis {
		from = day + (from-day)/(dayMillis/2)*dayMillis + 30*minuteMillis // half an hour into a day
	}
	halts := []halt{newHalt(from, firstHaltMinutes, 5, seed)}
	for stretch := candle.Millis(0); stretch < lastHalt; stretch += haltEvery {
		h := mix(seed, 0x68616c74, uint64(stretch))
		at := stretch + candle.Millis(h%91)*dayMillis + candle.Millis(120+mix(h, 1)%1000)*minuteMillis
		if at > from-dayMillis && at < from+dayMillis {
			continue
		}
		halts = append(halts, newHalt(at, 8+int(mix(h, 2)%140), 4+int(mix(h, 3)%60), h))
	}
	slices.SortFunc(halts, func(a, b halt) int { return compareMillis(a.from, b.from) })
	return halts
}

// calendar numbers the minutes that exist: it turns a row's number into its open time and back
// without generating anything in between.
type calendar struct {
	first, end candle.Millis // the listing, and the instant from which nothing exists
	halts      []halt        // those after the listing
	before     []int         // minutes lost in the halts before halts[i]
	count      int
}

func newCalendar(first, end candle.Millis, halts []halt) *calendar {
	c := &calendar{first: first, end: max(first, end)}
	lost := 0
	for _, h := range halts {
		if h.from-candle.Millis(h.quiet)*minuteMillis <= first || h.until >= end {
			continue
		}
		c.halts, c.before = append(c.halts, h), append(c.before, lost)
		lost += int((h.until - h.from) / minuteMillis)
	}
	c.count = int((c.end-first)/minuteMillis) - lost
	return c
}

// openTime gives the open time of minute i.
func (c *calendar) openTime(i int) candle.Millis {
	// The halts that lie before minute i: those from whose far side fewer than i minutes exist.
	k := sort.Search(len(c.halts), func(k int) bool {
		return int((c.halts[k].from-c.first)/minuteMillis)-c.before[k] > i
	})
	lost := 0
	if k > 0 {
		h := c.halts[k-1]
		lost = c.before[k-1] + int((h.until-h.from)/minuteMillis)
	}
	return c.first + candle.Millis(i+lost)*minuteMillis
}

// search gives the first minute that opens at or after t, or the count of all.
func (c *calendar) search(t candle.Millis) int {
	if t <= c.first {
		return 0
	}
	if t >= c.end {
		return c.count
	}
	k, in := c.haltAt(t)
	if in {
		return int((c.halts[k].from-c.first)/minuteMillis) - c.before[k]
	}
	minutes := int((t - c.first + minuteMillis - 1) / minuteMillis)
	if k < 0 {
		return minutes
	}
	h := c.halts[k]
	return minutes - c.before[k] - int((h.until-h.from)/minuteMillis)
}

// haltAt gives the last halt that begins at or before t, -1 for none, and whether t lies in it. An
// instant within the last minute before a halt counts to it: the next open time is beyond it.
func (c *calendar) haltAt(t candle.Millis) (k int, in bool) {
	k = sort.Search(len(c.halts), func(k int) bool { return c.halts[k].from-minuteMillis >= t }) - 1
	return k, k >= 0 && t <= c.halts[k].until-1
}

// closeTime gives the close time of the minute that opens at open.
func (c *calendar) closeTime(open candle.Millis) candle.Millis {
	if k, _ := c.haltAt(open + 1); k >= 0 && c.halts[k].from == open+minuteMillis {
		return c.halts[k].cut
	}
	return open + minuteMillis - 1
}

// silent tells of the minute that opens at open whether nothing is traded in it because of a halt,
// and whether it is the first one after.
func (c *calendar) silent(open candle.Millis) (silent, first bool) {
	k := sort.Search(len(c.halts), func(k int) bool { return c.halts[k].until >= open })
	if k == len(c.halts) {
		return false, false
	}
	h := c.halts[k]
	return open >= h.from-candle.Millis(h.quiet)*minuteMillis && open < h.until, open == h.until
}
