package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"velador/internal/candle"
	"velador/internal/store"
)

func (c session) upsertGap(ctx context.Context, id int64, gap candle.Gap) (err error) {
	s, err := c.prepare(ctx, upsertGapSQL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	step, n := store.Steps(gap)
	_, err = s.exec(ctx, []driver.Value{id, int64(gap.Range.From), int64(gap.Range.To),
		string(gap.State), int64(gap.Proofs), int64(gap.CheckedAt), step, n})
	return err
}

// selectGaps reads the ledger's rows of a series that touch r, of one state or, with "", of all.
func selectGaps(ctx context.Context, c session, series candle.Series, r candle.Range, state candle.GapState) ([]candle.Gap, error) {
	return queryGaps(ctx, c, series, selectGapsSQL, append(seriesParams(series, int64(r.From), int64(r.To)), string(state)))
}

// queryGaps reads rows of the ledger.
func queryGaps(ctx context.Context, c session, series candle.Series, text string, params []driver.Value) ([]candle.Gap, error) {
	var gaps []candle.Gap
	err := c.query(ctx, text, params, func(row []driver.Value) error {
		// The state is the third column, between numbers.
		state, ok := row[2].(string)
		n, err := integers([]driver.Value{row[0], row[1], row[3], row[4]})
		if !ok || err != nil {
			return errors.Join(fmt.Errorf("a gap is stored with the state %v", row[2]), err)
		}
		gaps = append(gaps, candle.Gap{
			Series: series, Range: candle.Range{From: candle.Millis(n[0]), To: candle.Millis(n[1])},
			State: candle.GapState(state), Proofs: int(n[2]), CheckedAt: candle.Millis(n[3]),
		})
		return nil
	})
	return gaps, err
}

// Series lists the series that have candles or gaps; see store.Candles.
func (s *Store) Series(ctx context.Context) ([]candle.Series, error) {
	var all []candle.Series
	err := s.read(ctx, "list the series", func(c session) error {
		return c.query(ctx, selectSeriesSQL, nil, func(row []driver.Value) error {
			var text [3]string
			for i := range text {
				text[i], _ = row[i].(string) // STRICT: all three are text
			}
			tf, err := candle.ParseTimeframe(text[2])
			if err != nil {
				return fmt.Errorf("a stored series: %w", err)
			}
			all = append(all, candle.Series{Exchange: text[0], Symbol: text[1], Timeframe: tf})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	store.SortSeries(all)
	return all, nil
}
