package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

const (
	hour = 60 * minute
	day  = 24 * hour
)

// days compares what Days counts with what it should.
func days(t *testing.T, s store.Store, series candle.Series, r candle.Range, want ...store.Day) {
	t.Helper()
	got, err := s.Days(t.Context(), series, r)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s within %v: %v\n got %+v\nwant %+v", series, r, err, got, want)
	}
}

// full is a day of n candles of which none is missing.
func full(date candle.Millis, n int64) store.Day {
	return store.Day{Date: date, Expected: n, Present: n}
}

var dayTests = []test{
	{name: "AnOutageIsOpenUntilItIsKnownAsAbsent", run: func(t *testing.T, s store.Store) {
		// 2023-03-24, when 80 minutes of every market do not exist anywhere (EXCHANGES.md 2.15).
		series := eth(candle.Minute1)
		from, outage := at("2023-03-23"), candle.Range{From: at("2023-03-24T12:40:00Z"), To: at("2023-03-24T13:59:00Z")}
		entries := slices.DeleteFunc(bars(series, from, 3*1440), func(e store.Entry) bool { return outage.Contains(e.Candle.OpenTime) })
		write(t, s, store.Written{New: len(entries)}, entries...)
		days(t, s, series, candle.Range{}, full(from, 1440), store.Day{Date: from + day, Expected: 1440, Present: 1360, Open: 80}, full(from+2*day, 1440))
		write(t, s, store.Written{}, gapEntries(gap(series, outage.From, outage.To, candle.GapAbsent))...)
		days(t, s, series, candle.Range{}, full(from, 1440), store.Day{Date: from + day, Expected: 1440, Present: 1360, Absent: 80}, full(from+2*day, 1440))
		// A stretch that begins and ends within it.
		days(t, s, series, candle.Range{From: outage.From + 5*minute, To: outage.To - 5*minute}, store.Day{Date: from + day, Expected: 70, Absent: 70})
		days(t, s, series, candle.Range{From: outage.From - 5*minute, To: outage.From + 5*minute - 1}, store.Day{Date: from + day, Expected: 10, Present: 5, Absent: 5})
	}},
	{name: "AListingInTheMiddleOfADayBeginsThere", run: func(t *testing.T, s store.Store) {
		series, listed := eth(candle.Minute1), at("2023-03-23T15:00:00Z")
		write(t, s, store.Written{New: 2000}, bars(series, listed, 2000)...)
		days(t, s, series, candle.Range{}, full(at("2023-03-23"), 540), full(at("2023-03-24"), 1440), full(at("2023-03-25"), 20))
		days(t, s, series, candle.Range{From: at("2023-03-20"), To: at("2023-03-24") - 1}, full(at("2023-03-23"), 540))
		days(t, s, series, candle.Range{From: at("2023-03-20"), To: listed - 1})
		// What the ledger knows of before and after is expected too.
		write(t, s, store.Written{}, gapEntries(gap(series, listed-10*minute, listed-minute, candle.GapOpen), gap(series, listed+2000*minute, listed+2000*minute, candle.GapOpen))...)
		days(t, s, series, candle.Range{}, store.Day{Date: at("2023-03-23"), Expected: 550, Present: 540, Open: 10},
			full(at("2023-03-24"), 1440), store.Day{Date: at("2023-03-25"), Expected: 21, Present: 20, Open: 1})
	}},
	{name: "AnEmptySeriesHasNoDays", run: func(t *testing.T, s store.Store) {
		for _, tf := range candle.Timeframes() {
			days(t, s, eth(tf), candle.Range{})
			days(t, s, eth(tf), candle.Range{From: base, To: base + 40*day})
		}
	}},
	{name: "DaysWithoutACandleAreDays", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Hour12)
		write(t, s, store.Written{New: 2}, opens(series, base+12*hour, base+3*day)...)
		write(t, s, store.Written{}, gapEntries(gap(series, base+day+12*hour, base+2*day, candle.GapAbsent))...)
		days(t, s, series, candle.Range{}, full(base, 1), store.Day{Date: base + day, Expected: 2, Absent: 1, Open: 1},
			store.Day{Date: base + 2*day, Expected: 2, Absent: 1, Open: 1}, full(base+3*day, 1))
	}},
	{name: "EveryDayHasTwentyFourHours", run: func(t *testing.T, s store.Store) {
		// The days on which summer time begins or ends in America and Europe.
		series := eth(candle.Hour1)
		for _, date := range []string{"2024-03-10", "2024-03-31", "2024-10-27", "2024-11-03"} {
			write(t, s, store.Written{New: 24}, bars(series, at(date), 24)...)
			days(t, s, series, candle.Range{From: at(date), To: at(date) + day - 1}, full(at(date), 24))
		}
	}},
	{name: "CandlesOffTheGridAreNotCountedTwice", run: func(t *testing.T, s store.Store) {
		// The outage of February 2018 (EXCHANGES.md 2.15): the market came back at 09:58:14.789.
		series, back := eth(candle.Minute15), candle.Millis(1518170294789)
		write(t, s, store.Written{New: 4}, opens(series, at("2018-02-08T00:00:00Z"), at("2018-02-08T00:15:00Z"), back, at("2018-02-09T10:00:00Z"))...)
		days(t, s, series, candle.Range{}, store.Day{Date: at("2018-02-08"), Expected: 96, Present: 2, Open: 94},
			store.Day{Date: at("2018-02-09"), Expected: 41, Present: 2, Open: 39})
		// A ledger that still names its interval, and a candle on the grid beside it, change nothing.
		write(t, s, store.Written{}, gapEntries(gap(series, at("2018-02-08T00:30:00Z"), at("2018-02-09T09:45:00Z"), candle.GapAbsent))...)
		want := []store.Day{{Date: at("2018-02-08"), Expected: 96, Present: 2, Absent: 94}, {Date: at("2018-02-09"), Expected: 41, Present: 2, Absent: 39}}
		days(t, s, series, candle.Range{}, want...)
		write(t, s, store.Written{New: 2}, opens(series, at("2018-02-09T09:45:00Z"), back+1)...)
		days(t, s, series, candle.Range{}, want...)
		days(t, s, series, candle.Range{From: back, To: back}, full(at("2018-02-09"), 1))
	}},
	{name: "WhatIsStoredDecidesOfWhatTheLedgerSays", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		m := func(n int) candle.Millis { return base + day + candle.Millis(n)*minute }
		// Two days, in which the 20 minutes around midnight are missing but for the first and the last.
		entries := slices.DeleteFunc(bars(series, base, 2*1440), func(e store.Entry) bool {
			return e.Candle.OpenTime > m(-10) && e.Candle.OpenTime < m(9)
		})
		write(t, s, store.Written{New: len(entries)}, entries...)
		write(t, s, store.Written{}, gapEntries(
			gap(series, m(-10), m(-6), candle.GapRepaired),                                        // of these, one is stored
			gap(series, m(-5), m(4), candle.GapAbsent), gap(series, m(3), m(9), candle.GapAbsent), // these overlap, and one is stored
			gap(series, m(0), m(2), candle.GapOpen), gap(series, m(100), m(110), candle.GapRepaired))...) // of a stale row, and of one that is right
		days(t, s, series, candle.Range{}, store.Day{Date: base, Expected: 1440, Present: 1431, Repaired: 1, Absent: 5, Open: 4},
			store.Day{Date: base + day, Expected: 1440, Present: 1431, Repaired: 11, Absent: 9})
	}},
	{name: "WeeksAndMonthsAreDaysOfTheirOwn", run: func(t *testing.T, s store.Store) {
		weeks := eth(candle.Week1)
		write(t, s, store.Written{New: 4}, opens(weeks, at("2024-01-01"), at("2024-01-08"), at("2024-01-29"), at("2024-02-05"))...)
		write(t, s, store.Written{}, gapEntries(gap(weeks, at("2024-01-15"), at("2024-01-15"), candle.GapAbsent),
			gap(weeks, at("2024-02-05"), at("2024-02-05"), candle.GapRepaired), gap(weeks, at("2024-02-12"), at("2024-02-19"), candle.GapOpen))...)
		one := func(date string) store.Day { return full(at(date), 1) }
		hole := store.Day{Date: at("2024-01-22"), Expected: 1, Open: 1}
		days(t, s, weeks, candle.Range{}, one("2024-01-01"), one("2024-01-08"), store.Day{Date: at("2024-01-15"), Expected: 1, Absent: 1}, hole,
			one("2024-01-29"), store.Day{Date: at("2024-02-05"), Expected: 1, Present: 1, Repaired: 1},
			store.Day{Date: at("2024-02-12"), Expected: 1, Open: 1}, store.Day{Date: at("2024-02-19"), Expected: 1, Open: 1})
		days(t, s, weeks, candle.Range{From: at("2024-01-09"), To: at("2024-01-31")}, store.Day{Date: at("2024-01-15"), Expected: 1, Absent: 1}, hole, one("2024-01-29"))
		// A stretch that begins within a gap, and one that ends within it.
		days(t, s, weeks, candle.Range{From: at("2024-02-13"), To: at("2024-03-31")}, store.Day{Date: at("2024-02-19"), Expected: 1, Open: 1})
		days(t, s, weeks, candle.Range{From: at("2024-02-06"), To: at("2024-02-18")}, store.Day{Date: at("2024-02-12"), Expected: 1, Open: 1})

		months := eth(candle.Month1)
		write(t, s, store.Written{New: 4}, opens(months, at("2023-12-01"), at("2024-01-01"), at("2024-02-01"), at("2024-04-01"))...)
		days(t, s, months, candle.Range{}, one("2023-12-01"), one("2024-01-01"), one("2024-02-01"), store.Day{Date: at("2024-03-01"), Expected: 1, Open: 1}, one("2024-04-01"))

		// A venue that turned to another anchor, and one whose months begin at midnight in Asia.
		threes := eth(candle.Day3)
		write(t, s, store.Written{New: 3}, opens(threes, at("2024-01-01"), at("2024-01-04"), at("2024-01-12"))...)
		days(t, s, threes, candle.Range{}, one("2024-01-01"), one("2024-01-04"), store.Day{Date: at("2024-01-07"), Expected: 1, Open: 1}, one("2024-01-12"))
		asian := candle.Series{Exchange: "okx", Symbol: "ETH-USDT", Timeframe: candle.Month1}
		write(t, s, store.Written{New: 3}, opens(asian, at("2023-12-31T16:00:00Z"), at("2024-01-31T16:00:00Z"), at("2024-02-29T16:00:00Z"))...)
		days(t, s, asian, candle.Range{}, one("2023-12-31"), one("2024-01-31"), one("2024-02-29"))
	}},
	{name: "ACancelledCountLeavesNothingBehind", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 3000}, bars(series, base, 3000)...)
		want := []store.Day{full(base, 1440), full(base+day, 1440), full(base+2*day, 120)}
		for looks := range int64(12) {
			ctx := &endingContext{Context: t.Context(), done: make(chan struct{})}
			ctx.left.Store(looks)
			if got, err := s.Days(ctx, series, candle.Range{}); err != nil && !errors.Is(err, context.Canceled) || err == nil && !slices.Equal(got, want) {
				t.Fatalf("a count whose context ended: %+v, %v", got, err)
			}
			days(t, s, series, candle.Range{}, want...)
		}
	}},
	{name: "DaysAgreeWithACountOfEachInterval", run: func(t *testing.T, s store.Store) {
		const seed = 4
		dice := rand.New(rand.NewPCG(seed, seed))
		for round := range 20 {
			b := newBoard(dice, round)
			write(t, s, store.Written{New: len(b.opens)}, opens(b.series, b.opens...)...)
			write(t, s, store.Written{}, gapEntries(b.gaps...)...)
			days(t, s, b.series, candle.Range{}, b.count(candle.Range{From: -100 * day, To: 100 * day})...)
			for range 5 {
				from := candle.Millis(dice.Int64N(int64(6*day))) - 3*day
				r := candle.Range{From: from, To: from + candle.Millis(dice.Int64N(int64(4*day)))}
				days(t, s, b.series, r, b.count(r)...)
				if t.Failed() {
					t.Fatalf("seed %d, round %d: %+v", seed, round, b)
				}
			}
		}
	}},
}

// board is a series around the epoch with holes, candles off the grid and a ledger that is at odds
// with it, and the plainest way to count it.
type board struct {
	series candle.Series
	opens  []candle.Millis
	gaps   []candle.Gap
}

func newBoard(dice *rand.Rand, round int) board {
	tf := []candle.Timeframe{candle.Minute30, candle.Hour1, candle.Hour6, candle.Day1}[round%4]
	step := candle.Millis(tf.Step().Milliseconds())
	b := board{series: candle.Series{Exchange: "binance", Symbol: "R" + string(rune('A'+round)), Timeframe: tf}}
	first, last := -2*day/step, 2*day/step // in steps
	for n := first; n < last; n++ {
		if dice.IntN(10) > 0 {
			b.opens = append(b.opens, n*step)
		}
		if dice.IntN(10) == 0 {
			b.opens = append(b.opens, n*step+1+candle.Millis(dice.Int64N(int64(step-1))))
		}
	}
	from := first - 2
	for from < last {
		from += 1 + candle.Millis(dice.Int64N(int64(last-first)/3+1))
		to := from + candle.Millis(dice.Int64N(5))
		b.gaps = append(b.gaps, gap(b.series, from*step, to*step, []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapRepaired}[dice.IntN(3)]))
	}
	return b
}

func (b board) count(r candle.Range) (all []store.Day) {
	step := candle.Millis(b.series.Timeframe.Step().Milliseconds())
	type interval struct{ stored, named, absent, repaired bool }
	intervals := map[candle.Millis]interval{}
	for at := -10 * day; at < 10*day; at += step {
		var i interval
		for _, open := range b.opens {
			i.stored = i.stored || (r.Contains(open) && open >= at && open < at+step)
		}
		for _, g := range b.gaps {
			if r.Contains(at) && g.Range.Contains(at) {
				i.named = true
				i.absent = i.absent || g.State == candle.GapAbsent
				i.repaired = i.repaired || g.State == candle.GapRepaired
			}
		}
		if i != (interval{}) {
			intervals[at] = i
		}
	}
	if len(intervals) == 0 {
		return nil
	}
	first, last := candle.Millis(1<<62), candle.Millis(-1<<62)
	for at := range intervals {
		first, last = min(first, at), max(last, at)
	}
	for at := first; at <= last; at += step {
		date := at - (at%day+day)%day
		if len(all) == 0 || all[len(all)-1].Date != date {
			all = append(all, store.Day{Date: date})
		}
		d := &all[len(all)-1]
		d.Expected++
		switch i := intervals[at]; {
		case i.stored && i.repaired:
			d.Present++
			d.Repaired++
		case i.stored:
			d.Present++
		case i.absent:
			d.Absent++
		default:
			d.Open++
		}
	}
	return all
}
