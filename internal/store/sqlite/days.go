package sqlite

import (
	"context"
	"database/sql/driver"
	_ "embed"
	"errors"

	"velador/internal/candle"
	"velador/internal/store"
)

var (
	//go:embed queries/count_intervals.sql
	countIntervalsSQL string
	//go:embed queries/count_opens.sql
	countOpensSQL string
	//go:embed queries/ends.sql
	endsSQL string
	//go:embed queries/select_opens.sql
	selectOpensSQL string
)

// Days counts a stretch of a series day by day; see store.Candles. All is read in one transaction,
// which for SQLite is one state of the file.
func (s *Store) Days(ctx context.Context, series candle.Series, r candle.Range) (days []store.Day, err error) {
	err = s.read(ctx, "count candles by day", func(c session) error {
		return c.transaction(ctx, func() error { // of the reader: it takes no lock that a writer waits for
			var err error
			days, err = store.CountDays(ctx, series.Timeframe, r, dayReader{c, series})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return days, nil
}

// dayReader is what days are counted from.
type dayReader struct {
	c      session
	series candle.Series
}

func (d dayReader) Ends(ctx context.Context, r candle.Range) (ends candle.Range, stored bool, err error) {
	err = d.c.query(ctx, endsSQL, seriesParams(d.series, int64(r.From), int64(r.To)), func(row []driver.Value) error {
		if row[0] == nil {
			return nil
		}
		n, err := integers(row)
		ends, stored = candle.Range{From: candle.Millis(n[0]), To: candle.Millis(n[1])}, err == nil
		return err
	})
	return ends, stored, err
}

func (d dayReader) Gaps(ctx context.Context, r candle.Range) ([]candle.Gap, error) {
	return selectGaps(ctx, d.c, d.series, r, "")
}

// Intervals counts rows, which costs a walk through the index, and looks at what is distinct, which
// costs a table of its own, only where a candle lies off the grid.
func (d dayReader) Intervals(ctx context.Context, stretches []candle.Range) (counts []int64, err error) {
	opens, err := d.c.prepare(ctx, countOpensSQL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opens.close()) }()
	counts = make([]int64, len(stretches))
	step := d.series.Timeframe.Step().Milliseconds()
	for i, r := range stretches {
		params := seriesParams(d.series, int64(r.From), int64(r.To), step)
		var offGrid int64
		if err := opens.query(ctx, params, func(row []driver.Value) error {
			n, err := integers(row)
			counts[i], offGrid = n[0], n[1]
			return err
		}); err != nil {
			return nil, err
		}
		if offGrid == 0 {
			continue
		}
		if err := d.c.query(ctx, countIntervalsSQL, params, func(row []driver.Value) error {
			n, err := integers(row)
			counts[i] = n[0]
			return err
		}); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (d dayReader) Opens(ctx context.Context, r candle.Range) (opens []candle.Millis, err error) {
	err = d.c.query(ctx, selectOpensSQL, seriesParams(d.series, int64(r.From), int64(r.To)), func(row []driver.Value) error {
		n, err := integers(row)
		opens = append(opens, candle.Millis(n[0]))
		return err
	})
	return opens, err
}
