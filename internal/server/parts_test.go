package server

import (
	"context"

	"velador/internal/candle"
	"velador/internal/server/servertest"
	"velador/internal/store"
)

// endlessCandles gives one candle for ever and tells why it ended.
type endlessCandles struct {
	*servertest.Candles
	ended chan<- error
}

func (e *endlessCandles) EachCandle(_ context.Context, _ store.Query, yield func(candle.Candle) error) error {
	for {
		if err := yield(e.Stored[0]); err != nil {
			e.ended <- err
			return err
		}
	}
}

// panicking is a store with a defect: at once for a bounded query, after some candles for others.
type panicking struct{}

func (panicking) EachCandle(_ context.Context, q store.Query, yield func(candle.Candle) error) error {
	if q.Limit == 0 {
		for range 10_000 {
			if err := yield(candle.Candle{}); err != nil {
				return err
			}
		}
	}
	panic("the store fell over")
}

func (panicking) Coverage(context.Context, candle.Series, candle.Range) (store.Coverage, error) {
	panic("the store fell over")
}

func (panicking) Days(context.Context, candle.Series, candle.Range) ([]store.Day, error) {
	panic("the store fell over")
}
