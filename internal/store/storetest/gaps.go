package storetest

import (
	"slices"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

func gap(series candle.Series, from, to candle.Millis, state candle.GapState) candle.Gap {
	return candle.Gap{Series: series, Range: candle.Range{From: from, To: to}, State: state}
}

func gapEntries(gaps ...candle.Gap) []store.Entry {
	entries := make([]store.Entry, len(gaps))
	for i := range gaps {
		entries[i] = store.Entry{Series: gaps[i].Series, Gap: &gaps[i]}
	}
	return entries
}

const minute = candle.Millis(60_000)

var gapTests = []test{
	{name: "AGapReplacesTheOneOfItsSeriesAndBeginning", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		first := gap(series, base, base+minute, candle.GapOpen)
		later := gap(series, base, base+5*minute, candle.GapAbsent)
		later.Proofs, later.CheckedAt = 3, base+100*minute
		other := gap(eth(candle.Minute3), base, base, candle.GapOpen)
		write(t, s, store.Written{}, gapEntries(first, other)...)
		write(t, s, store.Written{}, gapEntries(first, later)...) // of doubles the last wins
		c, err := s.Coverage(t.Context(), series, candle.Range{})
		if err != nil || !slices.Equal(c.Gaps, []candle.Gap{later}) {
			t.Errorf("the ledger holds %+v, %v", c.Gaps, err)
		}
		if c, err = s.Coverage(t.Context(), other.Series, candle.Range{}); err != nil || !slices.Equal(c.Gaps, []candle.Gap{other}) {
			t.Errorf("the other series' ledger holds %+v, %v", c.Gaps, err)
		}
	}},
	{name: "CoverageGivesTheGapsThatTouchAStretch", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		var gaps []candle.Gap
		for i, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapRepaired, candle.GapOpen} {
			from := base + candle.Millis(i)*10*minute
			gaps = append(gaps, gap(series, from, from+4*minute, state))
		}
		write(t, s, store.Written{}, gapEntries(gaps...)...)
		for _, c := range []struct {
			from, to candle.Millis
			want     []candle.Gap
		}{
			{base + 4*minute, base + 20*minute, gaps[:3]},
			{base + 5*minute, base + 9*minute, nil},
			{base + 11*minute, base + 12*minute, gaps[1:2]},
			{base + 34*minute, base + 90*minute, gaps[3:]},
		} {
			got, err := s.Coverage(t.Context(), series, candle.Range{From: c.from, To: c.to})
			if err != nil || !slices.Equal(got.Gaps, c.want) {
				t.Errorf("%s … %s: %+v, %v; want %+v", c.from, c.to, got.Gaps, err, c.want)
			}
		}
	}},
	{name: "AGapWhoseCandlesAreStoredStaysRepaired", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		m := func(n int) candle.Millis { return base + candle.Millis(n)*minute }
		write(t, s, store.Written{New: 20}, bars(series, m(0), 20)...)
		last := func(want, told candle.Gap) {
			t.Helper()
			write(t, s, store.Written{}, gapEntries(gap(told.Series, told.Range.From, told.Range.From, candle.GapRepaired))...)
			write(t, s, store.Written{}, gapEntries(told)...)
			c, err := s.Coverage(t.Context(), told.Series, told.Range)
			if err != nil || !slices.Equal(c.Gaps, []candle.Gap{want}) {
				t.Errorf("after %+v the ledger holds %+v, %v", told, c.Gaps, err)
			}
		}
		// What was asked before the repair, or comes out of an old backlog, says that they are missing.
		for n, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent} {
			repaired := gap(series, m(3*n), m(3*n), candle.GapRepaired)
			last(repaired, gap(series, m(3*n), m(3*n), state))
			last(repaired, gap(series, m(3*n), m(3*n+2), state))
		}
		// Where anything is missing, it counts.
		tail := gap(series, m(18), m(21), candle.GapOpen)
		last(tail, tail)
		away := gap(series, m(30), m(31), candle.GapAbsent)
		last(away, away)
		// A candle off the grid, beside one that is on it, does not stand for another one.
		write(t, s, store.Written{New: 2}, opens(series, m(40), m(40)+1)...)
		odd := gap(series, m(40), m(41), candle.GapOpen)
		last(odd, odd)
		// Nobody has ever repaired this one.
		never := gap(series, m(10), m(11), candle.GapOpen)
		write(t, s, store.Written{}, gapEntries(never)...)
		if c, err := s.Coverage(t.Context(), series, never.Range); err != nil || !slices.Equal(c.Gaps, []candle.Gap{never}) {
			t.Errorf("the ledger holds %+v, %v", c.Gaps, err)
		}
	}},
	{name: "CandlesAndGapsOfABatchAreOneTransaction", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		for _, n := range []int{2, 1200} {
			from := base + candle.Millis(n)*1440*minute
			entries := append(gapEntries(gap(series, from-minute, from-minute, candle.GapAbsent)), bars(series, from, n)...)
			write(t, s, store.Written{New: n}, entries...)
			c, err := s.Coverage(t.Context(), series, candle.Range{From: from - minute, To: from + candle.Millis(n)*minute})
			if err != nil || c.Present != int64(n) || len(c.Gaps) != 1 {
				t.Errorf("%+v, %v", c, err)
			}
		}
	}},
}
