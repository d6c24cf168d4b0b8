package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"

	"velador/internal/candle"
	"velador/internal/store"
)

// confirm notes what an audit has confirmed, and counts it.
func (c session) confirm(ctx context.Context, id int64, audit candle.Audit, written *store.Written) (err error) {
	params := []driver.Value{id, int64(audit.Range.From), int64(audit.Range.To), int64(audit.Rows)}
	var stored int64
	known := false
	err = c.query(ctx, auditedSQL, params[:3], func(row []driver.Value) error {
		n, err := integers(row)
		stored, known = n[0], n[1] != 0
		return err
	})
	if err != nil {
		return err
	}
	s, err := c.prepare(ctx, confirmSQL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	moved, err := s.exec(ctx, append(params, stored))
	if err == nil {
		written.Audited(audit, stored, moved > 0, known)
	}
	return err
}

// confirmed gives the stretch of a series that is confirmed, or nil.
func (c session) confirmed(ctx context.Context, series candle.Series) (r *candle.Range, err error) {
	err = c.query(ctx, confirmedSQL, seriesParams(series), func(row []driver.Value) error {
		n, err := integers(row)
		r = &candle.Range{From: candle.Millis(n[0]), To: candle.Millis(n[1])}
		return err
	})
	return r, err
}

// confirmedTo gives where the confirmed part of a series ends that has candles; see candle.Resume.
func (c session) confirmedTo(ctx context.Context, series candle.Series, lookBack int) (to candle.Millis, err error) {
	r, err := c.confirmed(ctx, series)
	if err != nil {
		return 0, err
	}
	if r != nil {
		return r.To, nil
	}
	err = c.query(ctx, firstSeenSQL, seriesParams(series, int64(max(lookBack, 1))), func(row []driver.Value) error {
		n, err := integers(row)
		to = candle.Millis(n[0]) - 1
		return err
	})
	return to, err
}
