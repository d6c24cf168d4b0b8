package api

import (
	"fmt"
	"time"
)

// timeForm is RFC 3339 in UTC with exactly three decimals, as JavaScript's toISOString writes it.
const timeForm = "2006-01-02T15:04:05.000Z"

// Time is an instant in an answer: UTC, always with milliseconds in three digits.
type Time struct{ time.Time }

// String gives the instant as JSON carries it, without the quotes.
func (t Time) String() string { return t.UTC().Format(timeForm) }

// AppendText appends 2025-11-04T10:30:00.000Z.
func (t Time) AppendText(b []byte) ([]byte, error) {
	utc := t.UTC()
	if year := utc.Year(); year < 0 || year > 9999 {
		return b, fmt.Errorf("year %d cannot be written in RFC 3339", year)
	}
	return utc.AppendFormat(b, timeForm), nil
}

// MarshalText writes 2025-11-04T10:30:00.000Z.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// MarshalJSON writes "2025-11-04T10:30:00.000Z".
func (t Time) MarshalJSON() ([]byte, error) {
	text, err := t.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(append([]byte{'"'}, text...), '"'), nil
}

// UnmarshalText reads any RFC 3339 instant and keeps it in UTC.
func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(text))
	if err == nil {
		t.Time = parsed.UTC()
	}
	return err
}

// UnmarshalJSON reads any RFC 3339 instant in quotes; null leaves t as it is.
func (t *Time) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return fmt.Errorf("%.40q is no instant: a string in RFC 3339 is expected", data)
	}
	return t.UnmarshalText(data[1 : len(data)-1])
}
