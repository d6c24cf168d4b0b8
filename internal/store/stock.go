package store

import (
	"context"

	"velador/internal/candle"
)

// Stock is what a database holds, as far as that is cheap to know.
type Stock struct {
	Bytes int64                     // that it takes on the disk, indexes and free pages included
	Gaps  map[candle.GapState]int64 // rows of the ledger, by state; no entry for none
}

// Stocktaker counts what a database holds.
type Stocktaker interface {
	// Stock counts without reading candles: it is asked for every few seconds.
	Stock(ctx context.Context) (Stock, error)
}
