package candle

import (
	"fmt"
	"strconv"
	"time"
)

// Millis is an instant in UTC, in milliseconds since the Unix epoch: the unit in which
// exchanges name open and close times. It is an integer, so two instants are equal exactly
// when they are the same one, and a map key or a column needs no conversion.
type Millis int64

// MillisOf converts a time.Time, dropping what is finer than a millisecond.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time gives the instant as a time.Time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Add moves the instant by d, which is cut to whole milliseconds.
func (m Millis) Add(d time.Duration) Millis { return m + Millis(d.Milliseconds()) }

// Sub gives the duration from n to m.
func (m Millis) Sub(n Millis) time.Duration { return time.Duration(m-n) * time.Millisecond }

// String gives the instant in RFC 3339 with exactly three decimals: 2026-11-23T10:00:00.000Z.
func (m Millis) String() string { return m.Time().Format("2006-01-02T15:04:05.000Z") }

// The instants that ParseMillis accepts: 0001-01-01 to 9999-12-31, what RFC 3339 can write. An open end
// of a range is one of them.
const (
	MinMillis Millis = -62135596800000
	MaxMillis Millis = 253402300799999
)

// timeForms are what ParseMillis reads beside epoch milliseconds. Without a zone, UTC is meant.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

func (m Millis) writable() bool { return m >= MinMillis && m <= MaxMillis }

// ParseMillis reads an instant as people and programs write it: epoch milliseconds, RFC 3339
// ("2026-11-23T10:00:00Z"), or a UTC date with or without a time ("2026-11-23", "2026-11-23 10:00").
func ParseMillis(s string) (Millis, error) {
	if len(s) > 64 {
		return 0, fmt.Errorf("%.20q… is no time: it is %d characters long", s, len(s))
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if m := Millis(n); m.writable() {
			return m, nil
		}
		return 0, fmt.Errorf("time %s is outside the years 1 to 9999: epoch milliseconds are expected, perhaps these are microseconds", s)
	}
	for _, form := range timeForms {
		t, err := time.Parse(form, s)
		if err != nil {
			continue
		}
		if m := MillisOf(t); m.writable() { // the year 9999 of another zone may be 10000 in UTC
			return m, nil
		}
		return 0, fmt.Errorf("time %s is outside the years 1 to 9999 of UTC", s)
	}
	return 0, fmt.Errorf("%q is no time: give a UTC date such as 2026-11-23 or \"2026-11-23 10:00\", RFC 3339, or epoch milliseconds", s)
}
