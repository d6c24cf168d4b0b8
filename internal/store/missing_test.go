package store

import (
	"slices"
	"testing"

	"velador/internal/candle"
)

func TestMissingCutsAbsentGapsOutOfHoles(t *testing.T) {
	t.Parallel()
	const m = candle.Millis(60_000)
	r := func(from, to candle.Millis) candle.Range { return candle.Range{From: from * m, To: to * m} }
	absent := func(ranges ...candle.Range) (gaps []candle.Gap) {
		for _, r := range ranges {
			gaps = append(gaps, candle.Gap{Range: r, State: candle.GapAbsent})
		}
		return gaps
	}
	for name, c := range map[string]struct {
		jumps  []Jump
		absent []candle.Gap
		want   []candle.Range
	}{
		"nothing":                 {},
		"no gap":                  {jumps: []Jump{{0, 5 * m}}, want: []candle.Range{r(1, 4)}},
		"all of it":               {jumps: []Jump{{0, 5 * m}}, absent: absent(r(1, 4))},
		"more than it":            {jumps: []Jump{{0, 5 * m}}, absent: absent(r(-3, 9))},
		"its middle":              {jumps: []Jump{{0, 9 * m}}, absent: absent(r(3, 4)), want: []candle.Range{r(1, 2), r(5, 8)}},
		"gaps that overlap":       {jumps: []Jump{{0, 9 * m}}, absent: absent(r(1, 6), r(2, 3), r(5, 7)), want: []candle.Range{r(8, 8)}},
		"one gap over two holes":  {jumps: []Jump{{0, 5 * m}, {6 * m, 9 * m}}, absent: absent(r(3, 7)), want: []candle.Range{r(1, 2), r(8, 8)}},
		"a long gap, then a hole": {jumps: []Jump{{0, 5 * m}, {6 * m, 9 * m}}, absent: absent(r(0, 2), r(1, 1)), want: []candle.Range{r(3, 4), r(7, 8)}},
		"a gap off the grid":      {jumps: []Jump{{0, 9 * m}}, absent: absent(candle.Range{From: 3*m + 14_789, To: 5*m + 1}), want: []candle.Range{r(1, 3), r(6, 8)}},
		"neighbours off the grid": {jumps: []Jump{{14_789, 5*m + 1}}, want: []candle.Range{r(1, 4)}},
	} {
		if got := Missing(candle.Minute1, c.jumps, c.absent); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := Missing(candle.Week1, []Jump{{0, 1 << 40}}, nil); got != nil {
		t.Errorf("weeks are not computed: %v", got)
	}
}
