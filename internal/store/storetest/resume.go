package storetest

import (
	"slices"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

func missing(t *testing.T, s store.Store, series candle.Series, lookBack int, want ...candle.Range) {
	t.Helper()
	r, err := s.Resume(t.Context(), series, lookBack)
	if err != nil || !slices.Equal(r.Missing, want) {
		t.Errorf("%s looking back over %d: missing %v, %v; want %v", series, lookBack, r.Missing, err, want)
	}
}

var resumeTests = []test{
	{name: "AnUnknownSeriesHasNothingToResume", run: func(t *testing.T, s store.Store) {
		r, err := s.Resume(t.Context(), eth(candle.Minute1), 10)
		if err != nil || r.HasLast || len(r.Missing) != 0 || r.Series != eth(candle.Minute1) {
			t.Errorf("%+v, %v", r, err)
		}
		// A ledger without candles gives no end either.
		write(t, s, store.Written{}, gapEntries(gap(eth(candle.Week1), base, base, candle.GapOpen))...)
		if r, err = s.Resume(t.Context(), eth(candle.Week1), 10); err != nil || r.HasLast || len(r.Missing) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}},
	{name: "HolesAreFoundLessWhatIsKnownAsAbsent", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		m := func(n int) candle.Millis { return base + candle.Millis(n)*minute }
		// 0-9 and 20-29 and 31 and 40: missing 10-19, 30, 32-39.
		entries := append(bars(series, m(0), 10), bars(series, m(20), 10)...)
		entries = append(entries, opens(series, m(31), m(40))...)
		write(t, s, store.Written{New: 22}, entries...)
		missing(t, s, series, 1000, candle.Range{From: m(10), To: m(19)}, candle.Range{From: m(30), To: m(30)}, candle.Range{From: m(32), To: m(39)})
		missing(t, s, series, 3, candle.Range{From: m(30), To: m(30)}, candle.Range{From: m(32), To: m(39)})
		missing(t, s, series, 1)
		missing(t, s, series, 0)
		write(t, s, store.Written{}, gapEntries(
			gap(series, m(12), m(14), candle.GapAbsent), gap(series, m(16), m(16), candle.GapAbsent),
			gap(series, m(17), m(18), candle.GapOpen), gap(series, m(19), m(19), candle.GapRepaired),
			gap(series, m(30), m(33), candle.GapAbsent), gap(series, m(39), m(45), candle.GapAbsent),
			gap(eth(candle.Minute3), m(10), m(19), candle.GapAbsent))...)
		missing(t, s, series, 1000, candle.Range{From: m(10), To: m(11)}, candle.Range{From: m(15), To: m(15)},
			candle.Range{From: m(17), To: m(19)}, candle.Range{From: m(34), To: m(38)})
		r, err := s.Resume(t.Context(), series, 1000)
		if err != nil || !r.HasLast || r.Last != m(40) {
			t.Errorf("the series ends at %s: %v", r.Last, err)
		}
	}},
	{name: "OpenGapsOfTheLedgerAreMissingWhereverTheyAre", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		m := func(n int) candle.Millis { return base + candle.Millis(n)*minute }
		// 0-9 and 20-29 and 32-39 are stored.
		write(t, s, store.Written{New: 28}, slices.Concat(bars(series, m(0), 10), bars(series, m(20), 10), bars(series, m(32), 8))...)
		write(t, s, store.Written{}, gapEntries(
			gap(series, m(-5), m(-3), candle.GapOpen),                                            // before the first candle
			gap(series, m(10), m(19), candle.GapOpen),                                            // further back than is looked
			gap(series, m(22), m(23), candle.GapOpen), gap(series, m(34), m(34), candle.GapOpen), // stored, and nobody has said so
			gap(series, m(29), m(31), candle.GapOpen),                                                  // in part
			gap(series, m(45), m(46), candle.GapOpen),                                                  // after the last candle
			gap(series, m(26), m(26), candle.GapAbsent), gap(series, m(27), m(27), candle.GapRepaired), // not open
			gap(eth(candle.Minute3), m(1), m(1), candle.GapOpen), gap(eth(candle.Minute3), m(5), m(5), "absent"), // another series
		)...)
		old := []candle.Range{{From: m(-5), To: m(-3)}, {From: m(10), To: m(19)}, {From: m(22), To: m(23)}}
		missing(t, s, series, 12, append(old[:3:3], candle.Range{From: m(29), To: m(29)}, candle.Range{From: m(30), To: m(31)}, candle.Range{From: m(34), To: m(34)})...)
		missing(t, s, series, 2, append(old[:3:3], candle.Range{From: m(29), To: m(31)}, candle.Range{From: m(34), To: m(34)})...)
	}},
	{name: "AnOpenOffTheGridIsNoHole", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute15)
		// The outage of February 2018 (EXCHANGES.md 2.15).
		write(t, s, store.Written{New: 4}, opens(series,
			at("2018-02-08T00:00:00Z"), at("2018-02-08T00:15:00Z"), 1518170294789, at("2018-02-09T10:00:00Z"))...)
		missing(t, s, series, 100, candle.Range{From: at("2018-02-08T00:30:00Z"), To: at("2018-02-09T09:30:00Z")})
		after := eth(candle.Hour1)
		write(t, s, store.Written{New: 4}, opens(after, at("2018-02-09T08:00:00Z"), 1518168494789, at("2018-02-09T10:00:00Z"), at("2018-02-09T11:00:00Z"))...)
		missing(t, s, after, 100)
	}},
	{name: "MonthsWeeksAndThreeDaysResumeFromTheLedgerAlone", run: func(t *testing.T, s store.Store) {
		for _, tf := range []candle.Timeframe{candle.Day3, candle.Week1, candle.Month1} {
			series := eth(tf)
			write(t, s, store.Written{New: 3}, opens(series, at("2024-01-01"), at("2024-02-01"), at("2024-06-01"))...)
			missing(t, s, series, 100)
			open := gap(series, at("2024-03-01"), at("2024-05-01"), candle.GapOpen)
			write(t, s, store.Written{}, gapEntries(open, gap(series, at("2024-01-15"), at("2024-01-16"), candle.GapAbsent), gap(series, at("2024-07-01"), at("2024-07-01"), candle.GapOpen))...)
			missing(t, s, series, 100, open.Range)
		}
	}},
	{name: "TimesBeforeTheEpochAreTimes", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 3}, opens(series, -3*minute, -minute, 0)...)
		missing(t, s, series, 100, candle.Range{From: -2 * minute, To: -2 * minute})
	}},
}
