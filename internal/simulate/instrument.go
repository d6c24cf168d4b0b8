package simulate

import (
	"velador/internal/candle"
	"velador/internal/klineapi"
)

// instrument is one symbol with the lines it has.
type instrument struct {
	market klineapi.Market // its status is filled in by the feed
	seed   uint64
	lines  [candle.Month1 + 1]line // nil where nothing is recorded
}

// base is the line of the shortest timeframe that the instrument has.
func (in *instrument) base() line {
	for _, l := range in.lines {
		if l != nil && l.len() > 0 {
			return l
		}
	}
	return nil
}

// first gives the first open time of all the instrument's lines; ok is false when it has no rows.
func (in *instrument) first() (open candle.Millis, ok bool) {
	for _, l := range in.lines {
		if l != nil && l.len() > 0 && (!ok || l.openTime(0) < open) {
			open, ok = l.openTime(0), true
		}
	}
	return open, ok
}

// view is a series of an instrument as it is served: what is recorded of it, and for the intervals
// in between what shorter candles add up to.
type view struct {
	in    *instrument
	tf    candle.Timeframe
	zone  klineapi.Zone
	own   line // as recorded; nil where there is none or the zone moves the intervals
	bases []basis
}

// basis is a line of shorter candles that a series can be built from.
type basis struct {
	tf candle.Timeframe
	line
}

// view gives the series. Three days are served as recorded only (SIM-T3).
func (in *instrument) view(tf candle.Timeframe, zone klineapi.Zone) view {
	v := view{in: in, tf: tf, zone: zone}
	if shiftedBy(tf, zone) == 0 {
		v.zone = 0
		v.own = in.lines[tf]
	}
	if tf == candle.Day3 {
		return v
	}
	for shorter := candle.Second1; shorter < tf; shorter++ {
		if l := in.lines[shorter]; l != nil && l.len() > 0 && v.nests(shorter) {
			v.bases = append(v.bases, basis{shorter, l})
		}
	}
	return v
}

// nests tells whether intervals of shorter fill those of the view exactly.
func (v view) nests(shorter candle.Timeframe) bool {
	if shorter > candle.Day1 {
		return false // neither three days nor weeks fill a month
	}
	step := candle.Millis(shorter.Step().Milliseconds())
	if v.tf <= candle.Day1 && candle.Millis(v.tf.Step().Milliseconds())%step != 0 {
		return false
	}
	return shiftedBy(v.tf, v.zone)%step == 0
}

// following gives the first open time at or after t at which the view has anything.
func (v view) following(t candle.Millis) (at candle.Millis, ok bool) {
	consider := func(l line) {
		if i := l.search(t); i < l.len() && (!ok || l.openTime(i) < at) {
			at, ok = l.openTime(i), true
		}
	}
	if v.own != nil {
		consider(v.own)
	}
	for _, b := range v.bases {
		consider(b.line)
	}
	return at, ok
}

// preceding gives the last open time at or before t at which the view has anything.
func (v view) preceding(t candle.Millis) (at candle.Millis, ok bool) {
	consider := func(l line) {
		if i := l.search(t + 1); i > 0 && (!ok || l.openTime(i-1) > at) {
			at, ok = l.openTime(i-1), true
		}
	}
	if v.own != nil {
		consider(v.own)
	}
	for _, b := range v.bases {
		consider(b.line)
	}
	return at, ok
}
