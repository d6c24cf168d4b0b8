package sqlite

import (
	"context"
	"database/sql/driver"
	"math"

	"velador/internal/candle"
	"velador/internal/store"
)

// pageRows bounds what EachCandle holds in memory at a time.
const pageRows = 4096

// EachCandle streams the candles of a query; see store.Candles. It reads in pages, each in a
// query of its own, and holds no connection while it yields: a slow reader does not keep the
// write-ahead log from being folded in, and yield may call the store.
func (s *Store) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	r, left := bounds(q.Range), q.Limit
	text := selectCandlesSQL
	if q.Descending {
		text = selectCandlesDescendingSQL
	}
	var page []candle.Candle
	for !r.Empty() {
		limit := pageRows
		if q.Limit > 0 {
			limit = min(limit, left)
		}
		page = page[:0]
		err := withSession(ctx, s.reader, func(c session) error {
			return c.query(ctx, text, seriesParams(q.Series, int64(r.From), int64(r.To), int64(limit)), func(row []driver.Value) error {
				one, err := decodeCandle(row)
				page = append(page, one)
				return err
			})
		})
		if err != nil {
			return s.failure(ctx, "read candles", err)
		}
		for _, c := range page {
			if err := yield(c); err != nil {
				return err
			}
		}
		if left -= len(page); len(page) < limit || (q.Limit > 0 && left == 0) {
			return nil
		}
		last := page[len(page)-1].OpenTime
		switch {
		case q.Descending && last == math.MinInt64, !q.Descending && last == math.MaxInt64:
			return nil
		case q.Descending:
			r.To = last - 1
		default:
			r.From = last + 1
		}
	}
	return nil
}

// bounds gives the range that a query means: the zero Range is all.
func bounds(r candle.Range) candle.Range {
	if r == (candle.Range{}) {
		return candle.Range{From: math.MinInt64, To: math.MaxInt64}
	}
	return r
}

// Resume tells where to take up a series; see store.Candles.
func (s *Store) Resume(ctx context.Context, series candle.Series, lookBack int) (candle.Resume, error) {
	resume := candle.Resume{Series: series}
	err := s.read(ctx, "find where a series ends", func(c session) error {
		err := c.query(ctx, newestSQL, seriesParams(series), func(row []driver.Value) error {
			if row[0] == nil {
				return nil
			}
			newest, err := integers(row)
			resume.Last, resume.HasLast = candle.Millis(newest[0]), err == nil
			return err
		})
		if err != nil || !resume.HasLast {
			return err
		}
		if resume.ConfirmedTo, err = c.confirmedTo(ctx, series, lookBack); err != nil {
			return err
		}
		if resume.Ledger, err = queryGaps(ctx, c, series, ledgerSQL, seriesParams(series, store.MaxLedger)); err != nil {
			return err
		}
		open, err := selectGaps(ctx, c, series, candle.Range{From: math.MinInt64, To: resume.Last}, candle.GapOpen)
		if err != nil {
			return err
		}
		if !series.Timeframe.Anchored() {
			resume.Missing = store.WithOpen(series.Timeframe, nil, open)
			return nil
		}
		var jumps []store.Jump
		params := seriesParams(series, int64(max(lookBack, 0)), series.Timeframe.Step().Milliseconds())
		err = c.query(ctx, jumpsSQL, params, func(row []driver.Value) error {
			pair, err := integers(row)
			jumps = append(jumps, store.Jump{After: candle.Millis(pair[0]), Before: candle.Millis(pair[1])})
			return err
		})
		if err != nil {
			return err
		}
		if len(jumps) > 0 {
			absent, err := selectGaps(ctx, c, series, candle.Range{From: jumps[0].After, To: resume.Last}, candle.GapAbsent)
			if err != nil {
				return err
			}
			resume.Missing = store.Missing(series.Timeframe, jumps, absent)
		}
		resume.Missing = store.WithOpen(series.Timeframe, resume.Missing, open)
		return nil
	})
	if err != nil {
		return candle.Resume{}, err
	}
	return resume, nil
}

// Coverage counts a stretch of a series; see store.Candles. The zero Range means all.
func (s *Store) Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error) {
	var cover store.Coverage
	r = bounds(r)
	err := s.read(ctx, "count candles", func(c session) error {
		err := c.query(ctx, coverageSQL, seriesParams(series, int64(r.From), int64(r.To)), func(row []driver.Value) error {
			if row[0] == nil {
				return nil
			}
			n, err := integers(row)
			cover.First, cover.Last, cover.Present = candle.Millis(n[0]), candle.Millis(n[1]), n[2]
			return err
		})
		if err != nil {
			return err
		}
		if cover.Confirmed, err = c.confirmed(ctx, series); err != nil {
			return err
		}
		cover.Gaps, err = selectGaps(ctx, c, series, r, "")
		return err
	})
	if err != nil {
		return store.Coverage{}, err
	}
	return cover, nil
}

// read lends a reading connection to do, within the gate and with our errors.
func (s *Store) read(ctx context.Context, action string, do func(session) error) error {
	return s.call(ctx, action, func() error { return withSession(ctx, s.reader, do) })
}
