package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/candle"
	"velador/internal/store"
)

// Stock counts what the database holds; see store.Stocktaker.
func (s *Store) Stock(ctx context.Context) (store.Stock, error) {
	stock := store.Stock{Gaps: make(map[candle.GapState]int64)}
	err := s.query(ctx, "count what is stored", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, stockSQL)
		if err != nil {
			return err
		}
		var state string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			if state == "" {
				stock.Bytes = n
			} else {
				stock.Gaps[candle.GapState(state)] = n
			}
			return nil
		})
		return err
	})
	if err != nil {
		return store.Stock{}, err
	}
	return stock, nil
}
