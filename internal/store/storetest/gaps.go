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
