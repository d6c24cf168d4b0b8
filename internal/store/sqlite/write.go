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
	for _, stage := range b.Stages {
		if err := c.writeStage(ctx, ids, stage, &written); err != nil {
			return written, err
		}
	}
	for _, gap := range b.Gaps {
		if err := c.upsertGap(ctx, ids[gap.Series], gap); err != nil {
			return written, err
		}
	}
	return written, nil
}

func (c session) writeStage(ctx context.Context, ids map[candle.Series]int64, stage store.Stage, written *store.Written) (err error) {
	insert, err := c.prepare(ctx, insertCandleSQL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.close()) }()
	// A context that can end would cost a goroutine for every row; it is looked at now and then.
	steady := context.WithoutCancel(ctx)
	row := make([]driver.Value, candleColumns)
	for _, run := range stage.Runs {
		id := ids[run.Series]
		var stored []*candle.Candle
		for i, one := range run.Candles {
			if i%rowsPerLook == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			inserted, err := insert.exec(steady, appendCandle(row[:0], id, one))
			if err != nil {
				return err
			}
			if inserted == 1 {
				written.New++
			} else {
				stored = append(stored, one)
			}
		}
		for len(stored) > 0 {
			n := min(len(stored), rowsPerCompare)
			piece := store.Run{Series: run.Series, Candles: stored[:n]}
			if err := c.replaceDifferent(ctx, id, piece, stage.Verified, written); err != nil {
				return err
			}
			stored = stored[n:]
		}
	}
	for _, audit := range stage.Audits {
		if err := c.confirm(ctx, ids[audit.Series], audit, written); err != nil {
			return err
		}
	}
	return nil
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

// replaceDifferent compares candles with those that are stored and replaces the ones that differ, but for
// confirmed ones, which verified candles alone replace. It counts, and keeps the first of what it tells.
func (c session) replaceDifferent(ctx context.Context, id int64, run store.Run, verified bool, written *store.Written) (err error) {
	different, err := c.different(ctx, id, run)
	if err != nil {
		return err
	}
	written.Same += len(run.Candles) - len(different)
	if len(different) == 0 {
		return nil
	}
	var confirmed *candle.Range
	if !verified {
		if confirmed, err = c.confirmed(ctx, run.Series); err != nil {
			return err
		}
	}
	update, err := c.prepare(ctx, updateCandleSQL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, update.close()) }()
	row := make([]driver.Value, candleColumns)
	for i := range different {
		change := &different[i]
		count, told := &written.Changed, &written.Changes
		if confirmed != nil && confirmed.Contains(change.New.OpenTime) {
			count, told = &written.Kept, &written.Keeps
		} else if _, err = update.exec(context.WithoutCancel(ctx), appendCandle(row[:0], id, &change.New)); err != nil {
			return err
		}
		*count++
		if len(*told) < store.MaxChanges {
			*told = append(*told, *change)
		}
	}
	return err
}

// different gives those candles of a run that are stored with other values.
func (c session) different(ctx context.Context, id int64, run store.Run) (all []store.Change, err error) {
	candles, opens := run.Candles, []byte{'['}
	for i, one := range candles {
		if i > 0 {
			opens = append(opens, ',')
		}
		opens = strconv.AppendInt(opens, int64(one.OpenTime), 10)
	}
	opens = append(opens, ']')
	err = c.query(ctx, selectStoredSQL, []driver.Value{id, string(opens)}, func(row []driver.Value) error {
		stored, err := decodeCandle(row)
		if err != nil {
			return err
		}
		for len(candles) > 0 && candles[0].OpenTime < stored.OpenTime {
			candles = candles[1:]
		}
		if len(candles) > 0 && !candles[0].Equal(stored) {
			all = append(all, store.Change{Series: run.Series, Old: stored, New: *candles[0]})
		}
		return nil
	})
	return all, err
}
