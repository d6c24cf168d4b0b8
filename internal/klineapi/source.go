// Package klineapi serves the Binance spot surface for candles, REST and WebSocket, over any source
// of candles: over recordings it is the simulator, over the store a mirror that lets existing bots
// read from velador as if it were Binance. It imports no adapter: it is a second witness of the
// protocol, not an echo of our own reading of it.
//
// The rules it follows are numbered in EXCHANGES.md section 3 (SIM-R…, SIM-W…); comments cite them.
package klineapi

import (
	"context"
	"time"

	"velador/internal/candle"
)

// Row is a candle as the surface serves it.
type Row struct {
	candle.Candle
	// FirstTrade and LastTrade are trade ids, -1 when the interval has no trade yet (SIM-W13).
	FirstTrade, LastTrade int64
}

// Market is a symbol as the surface serves it.
type Market struct {
	Symbol, Base, Quote string
	Status              string // TRADING, BREAK, HALT, END_OF_DAY, CANCEL_ONLY, or what a fault injects
	TickSize, StepSize  candle.Decimal
}

// Zone shifts the boundaries of intervals of an hour and more; +8h makes days open at 16:00 UTC
// (SIM-R9, SIM-W15).
type Zone = time.Duration

// Source is where the candles come from. Its answers depend on nothing but its data and the
// arguments: asked twice for the same instant it says the same (SIM-W17). It is safe for concurrent use.
type Source interface {
	// Markets lists the markets as they are at now, in a stable order, those not trading included.
	Markets(now candle.Millis) []Market
	// Rows gives the rows of a series as they are at now whose open time lies in r, ascending. The
	// last one may be the forming candle. At most limit rows are given: the oldest of r, or the
	// newest where newest is set. A series it does not know has no rows.
	Rows(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis, r candle.Range, limit int, newest bool) []Row
	// At gives the candle of a series that is forming at now, as it is at now; ok is false when there
	// is none: before the listing, in a halt, after the data's end.
	At(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis) (row Row, ok bool)
	// Closing gives the candles of a series that closed in (after, now], in their final state,
	// ascending: those whose close time + 1 ms lies in it.
	Closing(symbol string, tf candle.Timeframe, zone Zone, after, now candle.Millis) []Row
}

// Clock is the exchange's clock: virtual in a simulator.
type Clock interface {
	Now() candle.Millis
	// Sleep waits until the clock has reached t, or returns ctx's error.
	Sleep(ctx context.Context, t candle.Millis) error
}
