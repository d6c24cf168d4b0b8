package storetest

import (
	"reflect"
	"slices"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

func auditOf(series candle.Series, from, to candle.Millis, rows int) store.Entry {
	return store.Entry{Series: series, Audit: &candle.Audit{Range: candle.Range{From: from, To: to}, Rows: rows, At: to + minute}}
}

// confirmed checks which part of a series is confirmed.
func confirmed(t *testing.T, s store.Store, series candle.Series, want *candle.Range) {
	t.Helper()
	c, err := s.Coverage(t.Context(), series, candle.Range{})
	if err != nil || !reflect.DeepEqual(c.Confirmed, want) {
		t.Errorf("%s is confirmed in %v, %v; want %v", series, c.Confirmed, err, want)
	}
	if want == nil {
		return
	}
	if r, err := s.Resume(t.Context(), series, 10); err != nil || r.ConfirmedTo != want.To {
		t.Errorf("%s is to be audited from %s on, %v; want %s", series, r.ConfirmedTo, err, want.To)
	}
}

var auditTests = []test{
	{name: "AnAuditBehindItsCandlesConfirmsThem", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		for _, n := range []int{60, 1200} { // a small batch, and a large one
			series.Symbol += "X"
			entries := bars(series, base, n)
			last := entries[n-1].Candle.OpenTime
			batch := append(slices.Clone(entries), auditOf(series, base, last, n))
			write(t, s, store.Written{New: n, Confirmed: 1}, batch...)
			confirmed(t, s, series, &candle.Range{From: base, To: last})
			// What is delivered twice is neither confirmed twice nor refused.
			write(t, s, store.Written{Same: n}, batch...)
			write(t, s, store.Written{}, auditOf(series, base+minute, base+2*minute, 2))
			confirmed(t, s, series, &candle.Range{From: base, To: last})
		}
	}},
	{name: "ConfirmationGrowsWithoutHoles", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		m := func(n int) candle.Millis { return base + candle.Millis(n)*minute }
		write(t, s, store.Written{New: 100}, bars(series, m(0), 100)...)
		confirmed(t, s, series, nil)
		// Several of a batch build on each other, in their order.
		write(t, s, store.Written{Confirmed: 2}, auditOf(series, m(20), m(29), 10), auditOf(series, m(29)+1, m(39), 10))
		confirmed(t, s, series, &candle.Range{From: m(20), To: m(39)})
		write(t, s, store.Written{Unconfirmed: []candle.Series{series}}, auditOf(series, m(39)+2, m(49), 10))
		write(t, s, store.Written{Unconfirmed: []candle.Series{series}}, auditOf(series, m(0), m(20)-2, 20))
		confirmed(t, s, series, &candle.Range{From: m(20), To: m(39)})
		write(t, s, store.Written{Confirmed: 1}, auditOf(series, m(30), m(49), 20))
		write(t, s, store.Written{Confirmed: 1}, auditOf(series, m(10), m(20)-1, 10))
		confirmed(t, s, series, &candle.Range{From: m(10), To: m(49)})
		write(t, s, store.Written{Confirmed: 1}, auditOf(series, m(5), m(60), 56))
		confirmed(t, s, series, &candle.Range{From: m(5), To: m(60)})
		confirmed(t, s, eth(candle.Minute3), nil)
	}},
	{name: "AnAuditWhoseCandlesAreNotAllStoredConfirmsNothing", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 9, Unconfirmed: []candle.Series{series}}, append(bars(series, base, 9), auditOf(series, base, base+9*minute, 10))...)
		confirmed(t, s, series, nil)
		write(t, s, store.Written{Unconfirmed: []candle.Series{eth(candle.Hour1)}}, auditOf(eth(candle.Hour1), base, base, 1)) // of a series that is not known
	}},
	{name: "CandlesThatVanishedAtTheSourceAreCountedAndStay", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		entries := bars(series, base, 10)
		write(t, s, store.Written{New: 10}, entries...)
		audit := auditOf(series, base, base+9*minute, 7)
		write(t, s, store.Written{Confirmed: 1, Vanished: 3}, audit)
		write(t, s, store.Written{}, audit)
		same(t, read(t, s, store.Query{Series: series}), candlesOf(entries))
	}},
	{name: "WithoutAnAuditTheNewestCandlesAreToBeAudited", run: func(t *testing.T, s store.Store) {
		for lookBack, want := range map[int]candle.Millis{0: 99, 10: 90, 1000: 0} {
			series := eth(candle.Minute1)
			series.Symbol += string(rune('A' + want))
			write(t, s, store.Written{New: 100}, bars(series, base, 100)...)
			if r, err := s.Resume(t.Context(), series, lookBack); err != nil || r.ConfirmedTo != base+want*minute-1 {
				t.Errorf("looking back over %d: %s, %v", lookBack, r.ConfirmedTo, err)
			}
		}
		week := eth(candle.Week1)
		write(t, s, store.Written{New: 2}, opens(week, at("2024-01-01"), at("2024-01-08"))...)
		if r, err := s.Resume(t.Context(), week, 10); err != nil || r.ConfirmedTo != at("2024-01-01")-1 {
			t.Errorf("of a week: %s, %v", r.ConfirmedTo, err)
		}
	}},
	{name: "ChangesTellTheOldAndTheNewValues", run: func(t *testing.T, s store.Store) {
		a, b := eth(candle.Minute1), candle.Series{Exchange: "binance", Symbol: "AAA", Timeframe: candle.Minute1}
		for _, n := range []int{6, 1500} {
			from := base + candle.Millis(n)*86_400_000
			old := append(bars(a, from, n), bars(b, from, n)...)
			write(t, s, store.Written{New: 2 * n}, old...)
			entries := slices.Clone(old)
			entries[n-1].Candle.TakerBuyVolume = candle.Decimal{}
			entries[2].Candle.Close = candle.MustDecimal("3002.40")
			entries[n+1].Candle.Trades = 7
			written, err := s.Write(t.Context(), entries)
			want := []store.Change{
				{Series: b, Old: old[n+1].Candle, New: entries[n+1].Candle},
				{Series: a, Old: old[2].Candle, New: entries[2].Candle},
				{Series: a, Old: old[n-1].Candle, New: entries[n-1].Candle},
			}
			if err != nil || written.Changed != 3 || !slices.Equal(written.Changes, want) {
				t.Errorf("Write tells of\n%+v (%v), want\n%+v", written, err, want)
			}
			// And back: a former absence is a value too.
			if written, err = s.Write(t.Context(), old); err != nil || written.Changed != 3 || len(written.Changes) != 3 || written.Changes[2].Old != entries[n-1].Candle {
				t.Errorf("back: %+v, %v", written, err)
			}
			for i := range entries {
				entries[i].Candle.Trades = -1
			}
			if written, err = s.Write(t.Context(), entries); err != nil || written.Changed != 2*n || len(written.Changes) != min(2*n, store.MaxChanges) {
				t.Errorf("all: %d changed, %d told, %v", written.Changed, len(written.Changes), err)
			}
		}
	}},
	{name: "ResumeTellsWhatTheLedgerSaysOfGaps", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 1}, bars(series, base, 1)...)
		g := func(n int, state candle.GapState, proofs, checked int) candle.Gap {
			from := base + candle.Millis(n)*10*minute
			one := gap(series, from, from+minute, state)
			one.Proofs, one.CheckedAt = proofs, base+candle.Millis(checked)*minute
			return one
		}
		ledger := []candle.Gap{
			g(1, candle.GapOpen, 2, 5), g(2, candle.GapAbsent, 3, 9), g(3, candle.GapOpen, 1, 1),
			g(4, candle.GapAbsent, 3, 4), g(5, candle.GapRepaired, 2, 2), g(6, candle.GapOpen, 0, 3),
		}
		write(t, s, store.Written{}, gapEntries(ledger...)...)
		write(t, s, store.Written{}, gapEntries(gap(eth(candle.Minute3), base, base, candle.GapAbsent))...)
		r, err := s.Resume(t.Context(), series, 10)
		if want := []candle.Gap{ledger[0], ledger[2], ledger[3], ledger[1]}; err != nil || !slices.Equal(r.Ledger, want) {
			t.Errorf("%+v, %v; want %+v", r.Ledger, err, want)
		}
		var open, absent []candle.Gap
		for n := range 2 * store.MaxLedger {
			open = append(open, g(100+2*n, candle.GapOpen, 1, 1))
			absent = append(absent, g(101+2*n, candle.GapAbsent, 3, 1000-n))
		}
		write(t, s, store.Written{}, gapEntries(append(open, absent...)...)...)
		r, err = s.Resume(t.Context(), series, 10)
		if err != nil || len(r.Ledger) != 2*store.MaxLedger {
			t.Fatalf("%d gaps, %v", len(r.Ledger), err)
		}
		if told := r.Ledger[:store.MaxLedger]; !slices.Equal(told, open[store.MaxLedger:]) {
			t.Errorf("the open ones are not the newest: %+v", told)
		}
		if told := r.Ledger[store.MaxLedger:]; told[0] != ledger[3] || told[1] != ledger[1] || told[2] != absent[2*store.MaxLedger-1] {
			t.Errorf("the absent ones do not begin with those that were not checked for longest: %+v", told[:3])
		}
	}},
}
