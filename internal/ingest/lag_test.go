package ingest

import (
	"testing"
	"time"

	"velador/internal/bus"
	"velador/internal/candle"
)

func TestLagIsThatOfTheNewestAndOfAll(t *testing.T) {
	t.Parallel()
	var l lag
	if got := l.look(); got.P50 != 0 || got.Max != 0 || got.Sum != 0 || len(got.Counts) != len(LagBounds())+1 {
		t.Errorf("before the first: %+v", got)
	}
	l.add(-time.Second) // clocks of machines differ
	for range 2 * lagSample {
		l.add(2 * time.Second)
	}
	for range lagSample / 2 {
		l.add(20 * time.Millisecond)
	}
	l.add(time.Hour)
	got := l.look()
	if got.P50 != 2*time.Second || got.Max != time.Hour || got.P99 != 2*time.Second {
		t.Errorf("of the newest: %+v", got)
	}
	want := map[int]uint64{0: 1, 2: lagSample / 2, 8: 2 * lagSample, len(LagBounds()): 1} // 5 ms, 25 ms, 2.5 s, above
	for i, n := range got.Counts {
		if n != want[i] {
			t.Errorf("bucket %d holds %d, not %d", i, n, want[i])
		}
	}
}

func TestOnlyACandleThatCameAloneAndSoonTellsTheLagFromItsClose(t *testing.T) {
	t.Parallel()
	w := &Writer{}
	committed := time.UnixMilli(1_800_000_000_000)
	one := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	many := candle.Series{Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Minute1}
	closed := func(s candle.Series, before time.Duration) bus.Delivery {
		return bus.Delivery{Series: s, Candle: candle.Candle{CloseTime: candle.MillisOf(committed.Add(-before))}, Arrived: committed.Add(-10 * time.Millisecond)}
	}
	gap := closed(one, time.Second)
	gap.Gap = &candle.Gap{}
	w.clock([]bus.Delivery{closed(one, 700*time.Millisecond), gap, closed(many, time.Minute), closed(many, time.Second)}, committed)
	w.clock([]bus.Delivery{closed(one, freshCandle)}, committed)  // history
	w.clock([]bus.Delivery{closed(one, -time.Second)}, committed) // a simulator's
	if got := w.fresh.look(); got.Sum != 700*time.Millisecond || got.Max != 700*time.Millisecond {
		t.Errorf("from the close: %+v", got)
	}
	if got := w.waits.look(); got.Sum != 60*time.Millisecond {
		t.Errorf("from the arrival: %+v", got)
	}
}
