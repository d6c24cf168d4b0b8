package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

var base = at("2025-11-04")

var candleTests = []test{
	{name: "DecimalsComeBackDigitForDigit", run: func(t *testing.T, s store.Store) {
		d := candle.MustDecimal
		entries := []store.Entry{
			{Series: eth(candle.Minute1), Candle: candle.Candle{OpenTime: base, CloseTime: base + 59_999,
				Open: d("123456789012345.678901234567890"), High: d("0.000000000000000000000000000001"), Low: d("-12.50"), Close: d("0.10"),
				Volume: d("0"), QuoteVolume: d("0.00000000"), Trades: 1<<62 + 1, TakerBuyVolume: d("999999999999999999999999999999"), TakerBuyQuoteVolume: d("-0.000")}},
			{Series: eth(candle.Minute1), Candle: candle.Candle{OpenTime: base + 60_000, Trades: -1}}, // all absent, close time odd
			{Series: eth(candle.Minute1), Candle: candle.Candle{OpenTime: base + 120_000, CloseTime: base, // before its open (EXCHANGES.md 2.15)
				Open: d("1"), High: d("1.0"), Low: d("1.00"), Close: d("1.000"), Volume: d(strings.Repeat("9", candle.MaxDecimalLen)), QuoteVolume: d("0." + strings.Repeat("7", candle.MaxDecimalLen-2))}},
		}
		write(t, s, store.Written{New: 3}, entries...)
		got := read(t, s, store.Query{Series: eth(candle.Minute1)})
		// The sign of a zero is no digit; PostgreSQL does not keep it.
		if z := &got[0].TakerBuyQuoteVolume; z.String() == "0.000" {
			*z = d("-0.000")
		}
		same(t, got, candlesOf(entries))
		write(t, s, store.Written{Same: 3}, entries...)
	}},
	{name: "DecimalsComeBackDigitForDigitFromALargeBatch", run: func(t *testing.T, s store.Store) {
		entries := bars(eth(candle.Minute1), base, 3000)
		for i := range entries {
			switch c := &entries[i].Candle; i % 3 {
			case 0:
				c.Volume, c.TakerBuyQuoteVolume = candle.Decimal{}, candle.Decimal{}
			case 1:
				c.Close = candle.MustDecimal("98765432109876.5432109876543210")
			}
		}
		write(t, s, store.Written{New: 3000}, entries...)
		same(t, read(t, s, store.Query{Series: eth(candle.Minute1)}), candlesOf(entries))
	}},
	{name: "AllTimeframesAreSeriesOfTheirOwn", run: func(t *testing.T, s store.Store) {
		var entries []store.Entry
		var want []candle.Series
		for _, tf := range candle.Timeframes() {
			open := at("2024-01-01")
			if tf == candle.Week1 || tf == candle.Day3 {
				open = at("2024-01-08")
			}
			entries = append(entries, bars(eth(tf), open, 14)...)
			want = append(want, eth(tf))
		}
		write(t, s, store.Written{New: len(entries)}, entries...)
		for i, tf := range candle.Timeframes() {
			same(t, read(t, s, store.Query{Series: eth(tf)}), candlesOf(entries[i*14:(i+1)*14]))
			r, err := s.Resume(t.Context(), eth(tf), 100)
			if last := entries[i*14+13].Candle.OpenTime; err != nil || !r.HasLast || r.Last != last || len(r.Missing) != 0 || r.Series != eth(tf) {
				t.Errorf("%s: Resume gives %+v, %v", tf, r, err)
			}
		}
		if got, err := s.Series(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("Series gives %v, %v", got, err)
		}
	}},
	{name: "SeriesAreListedByExchangeSymbolAndLength", run: func(t *testing.T, s store.Store) {
		want := []candle.Series{
			{Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Day1},
			{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}, {Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Month1},
			{Exchange: "binance", Symbol: "币安人生USDT", Timeframe: candle.Minute1}, {Exchange: "bybit", Symbol: `B"TC\/X`, Timeframe: candle.Minute1},
		}
		var entries []store.Entry
		for i := range want {
			entries = append(entries, opens(want[len(want)-1-i], base)...)
		}
		entries[0] = store.Entry{Series: entries[0].Series, Gap: &candle.Gap{Range: candle.Range{From: base, To: base}, State: candle.GapOpen}}
		write(t, s, store.Written{New: len(want) - 1}, entries...)
		if got, err := s.Series(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("Series gives %v, %v; want %v", got, err, want)
		}
	}},
	{name: "WritingAgainChangesNothing", run: func(t *testing.T, s store.Store) {
		for _, n := range []int{3, 2000} {
			entries := bars(eth(candle.Minute1), base+candle.Millis(n)*86_400_000, n)
			write(t, s, store.Written{New: n}, entries...)
			write(t, s, store.Written{Same: n}, entries...)
		}
	}},
	{name: "ChangedCandlesReplaceTheStored", run: func(t *testing.T, s store.Store) {
		for _, n := range []int{6, 3000} {
			entries := bars(eth(candle.Minute1), base+candle.Millis(n)*86_400_000, n)
			write(t, s, store.Written{New: n / 2}, entries[:n/2]...)
			entries[0].Candle.Trades++
			entries[1].Candle.TakerBuyQuoteVolume = candle.Decimal{}
			entries[2].Candle.CloseTime--
			write(t, s, store.Written{New: n - n/2, Same: n/2 - 3, Changed: 3}, entries...)
			same(t, read(t, s, store.Query{Series: eth(candle.Minute1), Range: candle.Range{From: entries[0].Candle.OpenTime, To: entries[n-1].Candle.OpenTime}}), candlesOf(entries))
		}
	}},
	{name: "ZerosAtTheEndAreNoChange", run: func(t *testing.T, s store.Store) {
		e := opens(eth(candle.Minute1), base)
		write(t, s, store.Written{New: 1}, e...)
		e[0].Candle.Open = candle.MustDecimal("3000.1")
		write(t, s, store.Written{Same: 1}, e...)
		e[0].Candle.Open = candle.MustDecimal("3000.1000000000000000000001")
		write(t, s, store.Written{Changed: 1}, e...)
		same(t, read(t, s, store.Query{Series: eth(candle.Minute1)}), candlesOf(e))
	}},
	{name: "TheLastOfDoublesInABatchWins", run: func(t *testing.T, s store.Store) {
		for _, n := range []int{4, 1000} {
			series := eth(candle.Minute5)
			from := base + candle.Millis(n)*86_400_000
			first, second := bars(series, from, n), bars(series, from, n)
			for i := range second {
				second[i].Candle.Trades = int64(i)
			}
			slices.Reverse(second) // and out of order
			write(t, s, store.Written{New: n}, append(first, second...)...)
			slices.Reverse(second)
			same(t, read(t, s, store.Query{Series: series, Range: candle.Range{From: from, To: second[n-1].Candle.OpenTime}}), candlesOf(second))
		}
	}},
	{name: "ALargeBatchOfManySeriesHalfStored", run: func(t *testing.T, s store.Store) {
		var entries []store.Entry
		const perSeries = 250
		for i := range 40 {
			series := candle.Series{Exchange: "binance", Symbol: "S" + string(rune('A'+i)), Timeframe: candle.Minute1}
			entries = append(entries, bars(series, base, perSeries)...)
			if i%2 == 0 {
				write(t, s, store.Written{New: 10}, bars(series, base, 10)...)
			}
		}
		write(t, s, store.Written{New: 40*perSeries - 20*10, Same: 20 * 10}, entries...)
		for i := range 40 {
			some := entries[i*perSeries : (i+1)*perSeries]
			same(t, read(t, s, store.Query{Series: some[0].Series}), candlesOf(some))
		}
	}},
	{name: "QueriesRespectRangeLimitAndOrder", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		entries := bars(series, base, 10_000) // several pages
		write(t, s, store.Written{New: len(entries)}, entries...)
		all := candlesOf(entries)
		reversed := slices.Clone(all)
		slices.Reverse(reversed)
		same(t, read(t, s, store.Query{Series: series}), all)
		same(t, read(t, s, store.Query{Series: series, Descending: true}), reversed)
		same(t, read(t, s, store.Query{Series: series, Limit: 4097}), all[:4097])
		same(t, read(t, s, store.Query{Series: series, Limit: 8192, Descending: true}), reversed[:8192])
		same(t, read(t, s, store.Query{Series: series, Limit: 20_000}), all)
		r := candle.Range{From: all[10].OpenTime, To: all[20].OpenTime}
		same(t, read(t, s, store.Query{Series: series, Range: r}), all[10:21])
		same(t, read(t, s, store.Query{Series: series, Range: r, Limit: 1, Descending: true}), all[20:21])
		same(t, read(t, s, store.Query{Series: series, Range: candle.Range{From: r.From + 1, To: r.From + 2}}), nil)
		same(t, read(t, s, store.Query{Series: series, Range: candle.Range{From: 2, To: 1}}), nil)
		same(t, read(t, s, store.Query{Series: eth(candle.Minute3)}), nil)
	}},
	{name: "AYieldMayEndTheReadingAndUseTheStore", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 20}, bars(series, base, 20)...)
		enough, n := errors.New("enough"), 0
		err := s.EachCandle(t.Context(), store.Query{Series: series}, func(c candle.Candle) error {
			if n++; n == 3 {
				return enough
			}
			c.Trades = -5
			_, err := s.Write(t.Context(), []store.Entry{{Series: series, Candle: c}})
			return err
		})
		if !errors.Is(err, enough) || n != 3 {
			t.Errorf("after %d candles: %v", n, err)
		}
	}},
	{name: "CoverageCountsAStretch", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		if c, err := s.Coverage(t.Context(), series, candle.Range{}); err != nil || c.Present != 0 || c.First != 0 || c.Last != 0 || len(c.Gaps) != 0 {
			t.Errorf("of an unknown series: %+v, %v", c, err)
		}
		entries := bars(series, base, 100)
		write(t, s, store.Written{New: 90}, append(entries[:45:45], entries[55:]...)...)
		c, err := s.Coverage(t.Context(), series, candle.Range{From: entries[40].Candle.OpenTime, To: entries[59].Candle.OpenTime})
		if err != nil || c.Present != 10 || c.First != entries[40].Candle.OpenTime || c.Last != entries[59].Candle.OpenTime {
			t.Errorf("of twenty minutes: %+v, %v", c, err)
		}
		if c, err = s.Coverage(t.Context(), series, candle.Range{}); err != nil || c.Present != 90 {
			t.Errorf("of all: %+v, %v", c, err)
		}
	}},
	{name: "NonsenseIsRefusedAsInvalid", run: func(t *testing.T, s store.Store) {
		for _, series := range []candle.Series{{}, {Exchange: "binance", Symbol: "ETHUSDT"}, {Symbol: "A", Timeframe: 1}, {Exchange: "x", Symbol: "A\x00", Timeframe: 1}, {Exchange: "x", Symbol: "\xff", Timeframe: 1}} {
			for _, e := range []store.Entry{{Series: series}, {Series: series, Gap: &candle.Gap{}}} {
				if _, err := s.Write(t.Context(), append(bars(eth(1), base, 2), e)); problem.KindOf(err) != problem.Invalid {
					t.Errorf("%+v: %v", series, err)
				}
			}
		}
		write(t, s, store.Written{})
		if list, err := s.Series(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("something was stored: %v, %v", list, err)
		}
	}},
	{name: "ACancelledWriteLeavesNothing", run: func(t *testing.T, s store.Store) {
		entries := append(bars(eth(candle.Minute1), base, 20_000), store.Entry{Series: eth(candle.Minute3), Gap: &candle.Gap{State: candle.GapOpen}})
		// The context ends while the candles are on their way: the first look at it sees it alive.
		for _, looks := range []int64{1, 3, 10, 40} {
			ctx := &endingContext{Context: t.Context(), done: make(chan struct{})}
			ctx.left.Store(looks)
			if _, err := s.Write(ctx, entries); err == nil {
				// It was over before the context ended; then it must all be there.
				same(t, read(t, s, store.Query{Series: eth(candle.Minute1)}), candlesOf(entries[:20_000]))
				return
			} else if !errors.Is(err, context.Canceled) {
				t.Fatalf("a write whose context ended: %v", err)
			}
			if list, err := s.Series(t.Context()); err != nil || len(list) != 0 {
				t.Fatalf("after a cancelled write: %v, %v", list, err)
			}
		}
		write(t, s, store.Written{New: 20_000}, entries...)
	}},
}
