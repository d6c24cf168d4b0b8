package bench

import (
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

// BenchmarkDays counts a year of a minute's candles day by day: 525,600 rows but for what is missing
// of them, of which 200 gaps in the ledger tell. Another series of the same size lies beside it.
func BenchmarkDays(b *testing.B) {
	const year = 365 * 1440
	series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	beside := series
	beside.Symbol = "BTCUSDT"
	from := candle.Millis(1_735_689_600_000) // 2025-01-01
	minute := func(n int) candle.Millis { return from + candle.Millis(n)*60_000 }
	for name, open := range map[string]func(b *testing.B) store.Store{
		"sqlite":   sqliteStore,
		"postgres": func(b *testing.B) store.Store { return migrated(b, pgtest.Start(b, pgtest.Config{Durable: true})) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			defer s.Close()
			entries := storeEntries(year)
			var all []store.Entry
			missing := 0
			for i, e := range entries {
				e.Candle.OpenTime = minute(i)
				e.Series = beside
				all = append(all, e)
				if e.Series = series; i%2628 >= 20 { // a hole of 20 minutes 200 times
					all = append(all, e)
				} else if missing++; i%2628 == 0 {
					state := []candle.GapState{candle.GapAbsent, candle.GapOpen}[i/2628%2]
					all = append(all, store.Entry{Series: series, Gap: &candle.Gap{Series: series, Range: candle.Range{From: minute(i), To: minute(i + 19)}, State: state}})
				}
			}
			for rest := all; len(rest) > 0; {
				n := min(5000, len(rest))
				if _, err := s.Write(b.Context(), rest[:n]); err != nil {
					b.Fatal(err)
				}
				rest = rest[n:]
			}
			b.Run("days", func(b *testing.B) {
				for b.Loop() {
					days, err := s.Days(b.Context(), series, candle.Range{})
					if err != nil {
						b.Fatal(err)
					}
					var sum store.Day
					for _, d := range days {
						sum.Expected += d.Expected
						sum.Present += d.Present
						sum.Absent += d.Absent
						sum.Open += d.Open
					}
					if want := (store.Day{Expected: year, Present: int64(year - missing), Absent: int64(missing / 2), Open: int64(missing / 2)}); sum != want {
						b.Fatalf("counted %+v, not %+v", sum, want)
					}
				}
			})
			b.Run("decade", func(b *testing.B) { // of a day's candles: as many stretches, a row in each
				const decade = 3650
				daily := series
				daily.Timeframe = candle.Day1
				candles := storeEntries(decade)
				for i := range candles {
					candles[i].Series, candles[i].Candle.OpenTime = daily, from+candle.Millis(i)*86_400_000
				}
				if _, err := s.Write(b.Context(), candles); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if days, err := s.Days(b.Context(), daily, candle.Range{}); err != nil || len(days) != decade || days[decade-1].Present != 1 {
						b.Fatalf("%d days, %v", len(days), err)
					}
				}
			})
			b.Run("coverage", func(b *testing.B) { // the whole, for comparison
				for b.Loop() {
					if c, err := s.Coverage(b.Context(), series, candle.Range{}); err != nil || c.Present != int64(year-missing) {
						b.Fatalf("%+v, %v", c, err)
					}
				}
			})
		})
	}
}
