package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"

	"velador/internal/candle"
	"velador/internal/store"
)

// Bounds of what Write does between two looks at its context, and compares at a time.
const (
	rowsPerLook    = 256
	rowsPerCompare = 1000
)

// Write stores a batch in one transaction; see store.Candles. A candle is inserted; where that
// finds one stored, the two are compared by value, which SQLite cannot do with decimals, and the
// row is replaced when they differ.
func (s *Store) Write(ctx context.Context, entries []store.Entry) (store.Written, error) {
	batch, err := store.Plan(entries)
	if err != nil || batch.Empty() {
		return store.Written{}, err
	}
	var written store.Written
	err = s.call(ctx, "store candles", func() error {
		return withSession(ctx, s.writer, func(c session) error {
			return c.transaction(ctx, func() error {
				var err error
				written, err = c.write(ctx, batch)
				return err
			})
		})
	})
	if err != nil {
		return store.Written{}, err
	}
	return written, nil
}

func (c session) write(ctx context.Context, b store.Batch) (written store.Written, err error) {
	ids := make(map[candle.Series]int64)
	for _, series := range b.AllSeries() {
		if ids[series], err = c.register(ctx, series); err != nil {
			return written, err
		}
	}
	insert, err := c.prepare(ctx, insertCandleSQL)
	if err != nil {
		return written, err
	}
	defer func() { err = errors.Join(err, insert.close()) }()
	// A context that can end would cost a goroutine for every row; it is looked at now and then.
	steady := context.WithoutCancel(ctx)
	row := make([]driver.Value, candleColumns)
	for _, run := range b.Runs {
		id := ids[run.Series]
		var stored []*candle.Candle
		for i, one := range run.Candles {
			if i%rowsPerLook == 0 && ctx.Err() != nil {
				return written, ctx.Err()
			}
			inserted, err := insert.exec(steady, appendCandle(row[:0], id, one))
			if err != nil {
				return written, err
			}
			if inserted == 1 {
				written.New++
			} else {
				stored = append(stored, one)
			}
		}
		for len(stored) > 0 {
			n := min(len(stored), rowsPerCompare)
			before := len(written.Changes)
			changed, err := c.replaceDifferent(ctx, id, stored[:n], &written.Changes)
			if err != nil {
				return written, err
			}
			for i := range written.Changes[before:] {
				written.Changes[before+i].Series = run.Series
			}
			written.Changed += changed
			written.Same += n - changed
			stored = stored[n:]
		}
	}
	for _, gap := range b.Gaps {
		if err := c.upsertGap(ctx, ids[gap.Series], gap); err != nil {
			return written, err
		}
	}
	for _, audit := range b.Audits {
		if err := c.confirm(ctx, ids[audit.Series], audit, &written); err != nil {
			return written, err
		}
	}
	return written, nil
}

// register gives the id of a series, a new one when it has none.
func (c session) register(ctx context.Context, series candle.Series) (id int64, err error) {
	found := func(row []driver.Value) error {
		n, err := integers(row)
		id = n[0]
		return err
	}
	if err := c.query(ctx, findSeriesSQL, seriesParams(series), found); err != nil || id != 0 {
		return id, err
	}
	err = c.query(ctx, registerSeriesSQL, seriesParams(series), found)
	return id, err
}

// replaceDifferent compares candles, ascending by open time, with those that are stored and
// replaces the ones that differ. The first of all changes are kept.
func (c session) replaceDifferent(ctx context.Context, id int64, candles []*candle.Candle, changes *[]store.Change) (changed int, err error) {
	opens := []byte{'['}
	for i, one := range candles {
		if i > 0 {
			opens = append(opens, ',')
		}
		opens = strconv.AppendInt(opens, int64(one.OpenTime), 10)
	}
	opens = append(opens, ']')
	var different []*candle.Candle
	next := 0
	err = c.query(ctx, selectStoredSQL, []driver.Value{id, string(opens)}, func(row []driver.Value) error {
		stored, err := decodeCandle(row)
		if err != nil {
			return err
		}
		for next < len(candles) && candles[next].OpenTime < stored.OpenTime {
			next++
		}
		if next < len(candles) && !candles[next].Equal(stored) {
			different = append(different, candles[next])
			if len(*changes) < store.MaxChanges {
				*changes = append(*changes, store.Change{Old: stored, New: *candles[next]})
			}
		}
		return nil
	})
	if err != nil || len(different) == 0 {
		return 0, err
	}
	update, err := c.prepare(ctx, updateCandleSQL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, update.close()) }()
	row := make([]driver.Value, candleColumns)
	for _, one := range different {
		if _, err := update.exec(context.WithoutCancel(ctx), appendCandle(row[:0], id, one)); err != nil {
			return 0, err
		}
	}
	return len(different), nil
}
