package store

import (
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// NewRecord gives a record the state in which CreateCollector stores it: wanted, running, without
// a process, its times as the database keeps them, to the millisecond in UTC.
func NewRecord(r collector.Record) collector.Record {
	r.ID, r.Wanted, r.Status, r.PID = 0, true, collector.Running, 0
	if !r.StartedAt.IsZero() {
		r.StartedAt = r.StartedAt.UTC().Truncate(time.Millisecond)
	}
	r.StoppedAt = time.Time{}
	return r
}

// SortSeries sorts by exchange, symbol and length of the timeframe.
func SortSeries(series []candle.Series) { slices.SortFunc(series, CompareSeries) }
