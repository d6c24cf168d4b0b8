package servertest

import (
	"context"
	"fmt"
	"sync"

	"velador/internal/candle"
	"velador/internal/store"
)

// Candles keeps one series in memory.
type Candles struct {
	Series candle.Series
	Stored []candle.Candle // ascending
	Gaps   []candle.Gap    // oldest first

	mu      sync.Mutex
	failure error
	after   int
}

// Minutes makes a series of n candles of a minute from an open time on.
func Minutes(symbol string, from candle.Millis, n int) *Candles {
	c := &Candles{Series: candle.Series{Exchange: "binance", Symbol: symbol, Timeframe: candle.Minute1}}
	for i := range n {
		open := from + candle.Millis(i)*60_000
		c.Stored = append(c.Stored, candle.Candle{
			OpenTime: open, CloseTime: open + 59_999, Trades: int64(i),
			Open: candle.MustDecimal("100.10000000"), High: candle.MustDecimal("101.00000000"), Low: candle.MustDecimal("99.5"),
			Close: candle.MustDecimal(fmt.Sprintf("100.%08d", i)), Volume: candle.MustDecimal("12.34500000"),
			QuoteVolume: candle.MustDecimal("1234.50"), TakerBuyVolume: candle.MustDecimal("6"), TakerBuyQuoteVolume: candle.MustDecimal("600.1"),
		})
	}
	return c
}

// Fail makes every further call fail with err when it has given so many candles; nil ends that.
func (c *Candles) Fail(err error, after int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure, c.after = err, after
}

// EachCandle reads the series as a store does.
func (c *Candles) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	c.mu.Lock()
	failure, after := c.failure, c.after
	c.mu.Unlock()
	given := 0
	for i := range c.Stored {
		if failure != nil && given == after {
			return failure
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if q.Descending {
			i = len(c.Stored) - 1 - i
		}
		one := c.Stored[i]
		if q.Series != c.Series || (q.Range != candle.Range{} && !q.Range.Contains(one.OpenTime)) {
			continue
		}
		if err := yield(one); err != nil {
			return err
		}
		if given++; given == q.Limit {
			return nil
		}
	}
	if failure != nil {
		return failure
	}
	return nil
}

// Coverage counts the series as a store does.
func (c *Candles) Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error) {
	var found store.Coverage
	err := c.EachCandle(ctx, store.Query{Series: series, Range: r}, func(one candle.Candle) error {
		if found.Present == 0 {
			found.First = one.OpenTime
		}
		found.Last = one.OpenTime
		found.Present++
		return nil
	})
	for _, gap := range c.Gaps {
		if gap.Series == series && gap.Range.From <= r.To && gap.Range.To >= r.From {
			found.Gaps = append(found.Gaps, gap)
		}
	}
	return found, err
}

// Days counts the series as a store does.
func (c *Candles) Days(ctx context.Context, series candle.Series, r candle.Range) ([]store.Day, error) {
	return store.CountDays(ctx, series.Timeframe, r, daySource{c, series})
}

// daySource counts by reading.
type daySource struct {
	c      *Candles
	series candle.Series
}

func (d daySource) Ends(ctx context.Context, r candle.Range) (ends candle.Range, stored bool, err error) {
	found, err := d.c.Coverage(ctx, d.series, r)
	return candle.Range{From: found.First, To: found.Last}, found.Present > 0, err
}

func (d daySource) Gaps(ctx context.Context, r candle.Range) ([]candle.Gap, error) {
	found, err := d.c.Coverage(ctx, d.series, r)
	return found.Gaps, err
}

func (d daySource) Intervals(ctx context.Context, stretches []candle.Range) ([]int64, error) {
	counts := make([]int64, len(stretches))
	for i, r := range stretches {
		held := map[candle.Millis]bool{}
		if err := d.c.EachCandle(ctx, store.Query{Series: d.series, Range: r}, func(one candle.Candle) error {
			interval, _ := d.series.Timeframe.Floor(one.OpenTime)
			held[interval] = true
			return nil
		}); err != nil {
			return nil, err
		}
		counts[i] = int64(len(held))
	}
	return counts, nil
}

func (d daySource) Opens(ctx context.Context, r candle.Range) (opens []candle.Millis, err error) {
	err = d.c.EachCandle(ctx, store.Query{Series: d.series, Range: r}, func(one candle.Candle) error {
		opens = append(opens, one.OpenTime)
		return nil
	})
	return opens, err
}
