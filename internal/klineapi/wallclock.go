package klineapi

import (
	"context"
	"time"

	"velador/internal/candle"
)

// WallClock is the machine's own clock.
type WallClock struct{}

// Now gives the present instant.
func (WallClock) Now() candle.Millis { return candle.MillisOf(time.Now()) }

// Sleep waits until the machine's clock has reached t, or returns ctx's error.
func (c WallClock) Sleep(ctx context.Context, t candle.Millis) error {
	wait := t.Sub(c.Now())
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
