package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/candle"
	"velador/internal/store"
)

// selectGaps reads the ledger's rows of a series that touch r, of one state or, with "", of all.
func selectGaps(ctx context.Context, conn *pgconn.PgConn, series candle.Series, r candle.Range, state candle.GapState) ([]candle.Gap, error) {
	var read trip
	read.add(selectGapsSQL, append(seriesParams(series, int64(r.From), int64(r.To)), []byte(state))...)
	if err := read.run(ctx, conn); err != nil {
		return nil, err
	}
	return decodeGaps(series, read.results[0].Rows)
}

// decodeGaps reads rows of the ledger.
func decodeGaps(series candle.Series, rows [][][]byte) ([]candle.Gap, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	gaps := make([]candle.Gap, len(rows))
	for i, row := range rows {
		// The state is the third column, between numbers.
		n, err := integers([][][]byte{{row[0], row[1], row[3], row[4]}}, 4)
		if err != nil {
			return nil, err
		}
		gaps[i] = candle.Gap{
			Series: series, Range: candle.Range{From: candle.Millis(n[0][0]), To: candle.Millis(n[0][1])},
			State: candle.GapState(row[2]), Proofs: int(n[0][2]), CheckedAt: candle.Millis(n[0][3]),
		}
	}
	return gaps, nil
}

// Series lists the series that have candles or gaps; see store.Candles.
func (s *Store) Series(ctx context.Context) ([]candle.Series, error) {
	var all []candle.Series
	err := s.withConn(ctx, "list the series", func(conn *pgconn.PgConn) error {
		var read trip
		read.add(selectSeriesSQL)
		if err := read.run(ctx, conn); err != nil {
			return err
		}
		for _, row := range read.results[0].Rows {
			tf, err := candle.ParseTimeframe(string(row[2]))
			if err != nil {
				return fmt.Errorf("a stored series: %w", err)
			}
			all = append(all, candle.Series{Exchange: string(row[0]), Symbol: string(row[1]), Timeframe: tf})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	store.SortSeries(all)
	return all, nil
}
