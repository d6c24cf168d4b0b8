package candle

import (
	"fmt"
	"strings"
	"time"
)

// Timeframe is the length of a candle, one of the sixteen that Binance offers. The zero value is
// no timeframe.
type Timeframe uint8

// The timeframes in Binance's spelling, which is case-sensitive: 1m is a minute, 1M a month
// (EXCHANGES.md 2.3).
const (
	Second1 Timeframe = iota + 1
	Minute1
	Minute3
	Minute5
	Minute15
	Minute30
	Hour1
	Hour2
	Hour4
	Hour6
	Hour8
	Hour12
	Day1
	Day3
	Week1
	Month1
)

// timeframes holds name and length; a month has no fixed length.
var timeframes = [...]struct {
	name   string
	length time.Duration
}{
	Second1: {"1s", time.Second},
	Minute1: {"1m", time.Minute}, Minute3: {"3m", 3 * time.Minute}, Minute5: {"5m", 5 * time.Minute},
	Minute15: {"15m", 15 * time.Minute}, Minute30: {"30m", 30 * time.Minute},
	Hour1: {"1h", time.Hour}, Hour2: {"2h", 2 * time.Hour}, Hour4: {"4h", 4 * time.Hour},
	Hour6: {"6h", 6 * time.Hour}, Hour8: {"8h", 8 * time.Hour}, Hour12: {"12h", 12 * time.Hour},
	Day1: {"1d", 24 * time.Hour}, Day3: {"3d", 72 * time.Hour}, Week1: {"1w", 7 * 24 * time.Hour},
	Month1: {"1M", 0},
}

// Timeframes lists all of them, shortest first.
func Timeframes() []Timeframe {
	all := make([]Timeframe, 0, len(timeframes)-1)
	for tf := Second1; tf <= Month1; tf++ {
		all = append(all, tf)
	}
	return all
}

// ParseTimeframe reads a timeframe's name; case matters.
func ParseTimeframe(name string) (Timeframe, error) {
	for tf := Second1; tf <= Month1; tf++ {
		if timeframes[tf].name == name {
			return tf, nil
		}
	}
	names := make([]string, 0, len(timeframes)-1)
	for _, tf := range Timeframes() {
		names = append(names, tf.String())
	}
	return 0, fmt.Errorf("%.20q is no timeframe: use one of %s", name, strings.Join(names, " "))
}

// String gives the timeframe's name in Binance's spelling.
func (tf Timeframe) String() string {
	if !tf.Valid() {
		return fmt.Sprintf("timeframe(%d)", uint8(tf))
	}
	return timeframes[tf].name
}

// Valid tells whether tf is one of the sixteen.
func (tf Timeframe) Valid() bool { return tf >= Second1 && tf <= Month1 }

// Anchored tells that open times may be computed: every candle opens at a multiple of its length
// since the epoch. That holds up to one day. Three days, weeks and months are anchored by each
// venue in its own way, so their open times are always taken from the venue (EXCHANGES.md 1).
func (tf Timeframe) Anchored() bool { return tf >= Second1 && tf <= Day1 }

// Step is the timeframe's length; for a month, which has none, the longest one, 31 days, is
// given: good for deadlines, not for counting.
func (tf Timeframe) Step() time.Duration {
	if tf == Month1 {
		return 31 * 24 * time.Hour
	}
	return timeframes[tf].length
}

// Floor gives the open time of the candle that holds t; ok is false where it may not be computed
// (see Anchored).
func (tf Timeframe) Floor(t Millis) (open Millis, ok bool) {
	if !tf.Anchored() {
		return 0, false
	}
	step := Millis(tf.Step().Milliseconds())
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest, true
}

// Next gives the open time that must follow the candle that opened at open, by the calendar for a
// month. After a candle that opened off the grid (a venue that came back from an outage at
// 09:58:14.789) the next one opens on the grid again.
func (tf Timeframe) Next(open Millis) Millis {
	if tf == Month1 {
		t := open.Time()
		return MillisOf(time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC))
	}
	if floor, ok := tf.Floor(open); ok {
		open = floor
	}
	return open.Add(tf.Step())
}

// Prev gives the open time that must precede a candle that opens at open.
func (tf Timeframe) Prev(open Millis) Millis {
	if tf == Month1 {
		t := open.Time()
		return MillisOf(time.Date(t.Year(), t.Month()-1, 1, 0, 0, 0, 0, time.UTC))
	}
	if floor, ok := tf.Floor(open); ok && floor != open {
		return floor
	}
	return open.Add(-tf.Step())
}

// Count gives how many candles a complete series has from open time from to open time to, both
// included; 0 when to lies before from.
func (tf Timeframe) Count(from, to Millis) int64 {
	if to < from {
		return 0
	}
	if tf == Month1 {
		a, b := from.Time(), to.Time()
		return int64(b.Year()-a.Year())*12 + int64(b.Month()-a.Month()) + 1
	}
	return int64(to-from)/tf.Step().Milliseconds() + 1
}

// MarshalText gives the timeframe's name.
func (tf Timeframe) MarshalText() ([]byte, error) {
	if !tf.Valid() {
		return nil, fmt.Errorf("%s cannot be written", tf)
	}
	return []byte(tf.String()), nil
}

// UnmarshalText reads a timeframe's name.
func (tf *Timeframe) UnmarshalText(text []byte) error {
	parsed, err := ParseTimeframe(string(text))
	if err == nil {
		*tf = parsed
	}
	return err
}
