package simulate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// grows checks SIM-T4 from one state of a candle to a later one.
func grows(before, after klineapi.Row) error {
	switch {
	case before.OpenTime != after.OpenTime:
		return fmt.Errorf("the open time moved from %s to %s", before.OpenTime, after.OpenTime)
	case before.Trades > 0 && !before.Open.Equal(after.Open):
		return fmt.Errorf("the open moved from %s to %s", before.Open, after.Open)
	case before.Trades > 0 && after.High.Compare(before.High) < 0:
		return fmt.Errorf("the high sank from %s to %s", before.High, after.High)
	case before.Trades > 0 && after.Low.Compare(before.Low) > 0:
		return fmt.Errorf("the low rose from %s to %s", before.Low, after.Low)
	case after.Volume.Compare(before.Volume) < 0, after.QuoteVolume.Compare(before.QuoteVolume) < 0,
		after.TakerBuyVolume.Compare(before.TakerBuyVolume) < 0, after.TakerBuyQuoteVolume.Compare(before.TakerBuyQuoteVolume) < 0:
		return fmt.Errorf("a volume sank from %+v to %+v", before, after)
	case after.Trades < before.Trades:
		return fmt.Errorf("the trades sank from %d to %d", before.Trades, after.Trades)
	case after.TakerBuyVolume.Compare(after.Volume) > 0:
		return fmt.Errorf("takers bought %s of %s", after.TakerBuyVolume, after.Volume)
	case before.FirstTrade >= 0 && before.FirstTrade != after.FirstTrade:
		return fmt.Errorf("the first trade's id moved from %d to %d", before.FirstTrade, after.FirstTrade)
	case after.LastTrade < before.LastTrade:
		return fmt.Errorf("the last trade's id sank from %d to %d", before.LastTrade, after.LastTrade)
	case (after.Trades == 0) != (after.FirstTrade == -1):
		return fmt.Errorf("%d trades have ids from %d", after.Trades, after.FirstTrade)
	}
	return after.Validate()
}

// watch follows every state of the candle of a series that opens at open, in steps, to its end, and
// gives how often it changed.
func watch(t *testing.T, f *feed, symbol string, tf candle.Timeframe, open candle.Millis, step time.Duration) int {
	t.Helper()
	final := f.Rows(symbol, tf, 0, Forever, candle.Range{From: open, To: open}, 1, false)
	if len(final) != 1 {
		t.Fatalf("%s %s has no candle at %s", symbol, tf, open)
	}
	over := closingInstant(final[0].OpenTime, final[0].CloseTime)
	var last klineapi.Row
	changes := 0
	for now := open; now < over; now = now.Add(step) {
		row, ok := f.At(symbol, tf, 0, now)
		if !ok || row.OpenTime != open {
			t.Fatalf("%s %s is not forming at %s: %+v %v", symbol, tf, now, row, ok)
		}
		if now > open {
			if err := grows(last, row); err != nil {
				t.Fatalf("%s %s at %s: %v", symbol, tf, now, err)
			}
		}
		if row != last {
			changes++
		}
		if newest := f.Rows(symbol, tf, 0, now, candle.Range{From: 0, To: Forever}, 1, true); len(newest) != 1 || newest[0] != row {
			t.Fatalf("at %s REST shows %+v, the stream %+v", now, newest, row)
		}
		last = row
	}
	if err := grows(last, final[0]); err != nil {
		t.Fatalf("%s %s at its close: %v", symbol, tf, err)
	}
	closed := f.Closing(symbol, tf, 0, over-1, over)
	if len(closed) != 1 || closed[0] != final[0] {
		t.Fatalf("%s %s closed as %+v, it is recorded as %+v", symbol, tf, closed, final[0])
	}
	return changes
}

// SIM-T4 over recorded candles of every kind, in one-second steps.
func TestFormingCandlesOnlyGrowIntoTheirRecording(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	for _, c := range []struct {
		symbol  string
		tf      candle.Timeframe
		open    string
		changes int // at least
	}{
		{"BTCUSDT", candle.Minute1, "2023-03-24 14:00", 40},
		{"ARBUSDT", candle.Minute1, "2023-03-23 15:00", 40}, // the listing
		{"SOLUSDT", candle.Minute1, "2023-03-26 03:17", 5},
		{"ETHUSDT", candle.Minute1, "2023-03-24 12:39", 1}, // no trades, cut short
		{"ETHUSDT", candle.Minute1, "2023-03-24 11:27", 5},
		{"BTCUSDT", candle.Minute15, "2023-03-24 14:00", 500}, // recorded, and built from minutes meanwhile
		{"BTCUSDT", candle.Minute5, "2023-03-24 14:00", 150},  // not recorded
		{"BTCUSDT", candle.Minute15, "2023-03-24 11:15", 50},
	} {
		if got := watch(t, f, c.symbol, c.tf, at(c.open), time.Second); got < c.changes {
			t.Errorf("%s %s at %s changed only %d times", c.symbol, c.tf, c.open, got)
		}
	}
}

// Where only long candles are recorded they are interpolated themselves.
func TestLongCandlesFormWithoutShorterOnes(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-monthly")
	if got := watch(t, f, "BTCUSDT", candle.Hour1, at("2025-01-01 00:00"), 2*time.Second); got < 200 {
		t.Errorf("the hour changed only %d times", got)
	}
	if got := watch(t, f, "BTCUSDT", candle.Day1, at("2025-01-02"), 10*time.Minute); got < 100 {
		t.Errorf("the day changed only %d times", got)
	}
}

// Property over drawn candles: any prices, any counts, any span, any seed.
func TestAnyCandleFormsByTheRule(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		final := drawBar(random)
		seed := random.Uint64()
		over := closingInstant(final.openTime, final.closeTime)
		states := min(200, int64(over-final.openTime)+1)
		var last klineapi.Row
		for k := range states {
			now := final.openTime + candle.Millis(k*int64(over-final.openTime)/states)
			formed, done := formBar(final, seed, now)
			again, _ := formBar(final, seed, now)
			if formed != again {
				t.Fatalf("candle %d is not a function of its arguments", i)
			}
			if done != (formed == final) && final.traded() && done {
				t.Fatalf("candle %d is done as %+v, not %+v", i, formed, final)
			}
			row := formed.row()
			if k > 0 {
				if err := grows(last, row); err != nil && final.trades > 0 {
					t.Fatalf("candle %d (%+v): %v", i, final.row(), err)
				}
			}
			if !final.open.isZero() && formed.open != final.open {
				t.Fatalf("candle %d opened at %s, not %s", i, formed.open.decimal(), final.open.decimal())
			}
			if final.high.less(formed.high) || formed.low.less(final.low) {
				t.Fatalf("candle %d left its range: %+v", i, row)
			}
			last = row
		}
		if formed, done := formBar(final, seed, over); !done || formed != final {
			t.Fatalf("candle %d ended as %+v, not %+v", i, formed, final)
		}
	}
}

// drawBar draws a candle, a strange one now and then.
func drawBar(random *rand.Rand) bar {
	places := random.IntN(9)
	price := func() amount { return scaledAmount(1+random.Uint64N(1_000_000), places) }
	b := bar{openTime: noon, closeTime: noon + candle.Millis(random.IntN(120_000)), first: -1, last: -1}
	b.open, b.close = price(), price()
	b.high, b.low = maxAmount(b.open, b.close), minAmount(b.open, b.close)
	for range 2 {
		p := price()
		b.high, b.low = maxAmount(b.high, p), minAmount(b.low, p)
	}
	switch random.IntN(6) {
	case 0: // no trades
		b.high, b.low, b.close = b.open, b.open, b.open
		return b
	case 1: // volumes, but no known trades: five columns
	default:
		b.trades = 1 + random.Int64N(2000)>>random.IntN(11)
		b.first = random.Int64N(1 << 40)
		b.last = b.first + b.trades - 1
	}
	b.volume = scaledAmount(1+random.Uint64N(1_000_000_000), random.IntN(9))
	b.quote = scaledAmount(random.Uint64N(1_000_000_000), random.IntN(9))
	b.takerVolume, b.taker = b.volume.share(random.Uint64N(1000), 1000), b.quote.share(random.Uint64N(1000), 1000)
	return b
}

func TestASeedChangesHowACandleFormsAndNothingElse(t *testing.T) {
	t.Parallel()
	data := sharedData(t)
	load := func(seed uint64) *feed {
		r, err := Load(data+"/archive-daily", LoadOptions{Symbols: []string{"BTCUSDT"}, From: at("2023-03-24"), To: at("2023-03-25")})
		if err != nil {
			t.Fatal(err)
		}
		return newFeed(r.instruments(seed), statusTrading)
	}
	a, again, b := load(1), load(1), load(2)
	differ := false
	for s := range 59 {
		now := at("2023-03-24 15:00:00").Add(time.Duration(s) * time.Second)
		rowA, _ := a.At("BTCUSDT", candle.Minute1, 0, now)
		rowAgain, _ := again.At("BTCUSDT", candle.Minute1, 0, now)
		rowB, _ := b.At("BTCUSDT", candle.Minute1, 0, now)
		if rowA != rowAgain {
			t.Fatalf("the same seed gave %+v and %+v", rowA, rowAgain)
		}
		differ = differ || rowA != rowB
	}
	if !differ {
		t.Error("another seed changed nothing")
	}
	if x, y := a.Rows("BTCUSDT", candle.Minute1, 0, Forever, everything, 5000, false), b.Rows("BTCUSDT", candle.Minute1, 0, Forever, everything, 5000, false); !rowsEqual(x, y) || len(x) != 1360 {
		t.Errorf("another seed changed closed rows (%d, %d)", len(x), len(y))
	}
}
