package store

import (
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// MaxLives is how many lives of one record are kept: those of hours for a process that falls once a
// minute, of years for a healthy one. A record that is wanted for ever does not fill the disk.
const MaxLives = 200

// LeaseMemory is for how long a lease that has run out is still listed.
const LeaseMemory = 24 * time.Hour

// NewRecord gives a record the state in which CreateCollector stores it: wanted, running, without
// a process, its times as the database keeps them, to the millisecond in UTC.
func NewRecord(r collector.Record) collector.Record {
	r.ID, r.Wanted, r.Status, r.PID = 0, true, collector.Running, 0
	r.StartedAt, r.StoppedAt, r.NextAttempt = storedTime(r.StartedAt), time.Time{}, time.Time{}
	r.LastExit.At = storedTime(r.LastExit.At)
	return r
}

func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// SortSeries sorts by exchange, symbol and length of the timeframe.
func SortSeries(series []candle.Series) { slices.SortFunc(series, CompareSeries) }
