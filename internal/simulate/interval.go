package simulate

import (
	"time"

	"velador/internal/candle"
)

const (
	dayMillis  = 24 * 60 * 60 * 1000
	weekMillis = 7 * dayMillis
	// firstMonday is 1970-01-05: weeks open on Mondays (EXCHANGES.md 14.3).
	firstMonday = 4 * dayMillis
	// threeDayAnchor groups 3d rows, which are served as recorded only: both known ones have a day
	// number that leaves 1 (EXCHANGES.md 14.3).
	threeDayAnchor = dayMillis
)

// shiftedBy gives the zone that counts for a timeframe: only intervals of an hour and more move (SIM-R9).
func shiftedBy(tf candle.Timeframe, zone time.Duration) candle.Millis {
	if tf < candle.Hour1 {
		return 0
	}
	return candle.Millis(zone.Milliseconds())
}

// interval gives the interval of a timeframe in which t lies: its first instant and the next one's.
func interval(tf candle.Timeframe, zone time.Duration, t candle.Millis) (start, end candle.Millis) {
	shift := shiftedBy(tf, zone)
	if tf == candle.Month1 {
		local := (t + shift).Time()
		first := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, time.UTC)
		return candle.MillisOf(first) - shift, candle.MillisOf(first.AddDate(0, 1, 0)) - shift
	}
	step := candle.Millis(tf.Step().Milliseconds())
	var anchor candle.Millis
	switch tf {
	case candle.Week1:
		anchor = firstMonday
	case candle.Day3:
		anchor = threeDayAnchor
	}
	rest := (t + shift - anchor) % step
	if rest < 0 {
		rest += step
	}
	return t - rest, t - rest + step
}

// closingInstant is when a candle is over: one millisecond after its close time, but never before
// it opened (a close time before the open was recorded: EXCHANGES.md 2.15).
func closingInstant(openTime, closeTime candle.Millis) candle.Millis {
	return max(closeTime+1, openTime)
}
