package sqlite

import (
	"context"
	"database/sql/driver"

	"velador/internal/candle"
	"velador/internal/store"
)

// Stock counts what the database holds; see store.Stocktaker.
func (s *Store) Stock(ctx context.Context) (store.Stock, error) {
	stock := store.Stock{Gaps: make(map[candle.GapState]int64)}
	err := s.read(ctx, "count what is stored", func(c session) error {
		return c.query(ctx, stockSQL, nil, func(row []driver.Value) error {
			state, _ := row[0].(string)
			n, _ := row[1].(int64)
			if state == "" {
				stock.Bytes = n
			} else {
				stock.Gaps[candle.GapState(state)] = n
			}
			return nil
		})
	})
	if err != nil {
		return store.Stock{}, err
	}
	return stock, nil
}
