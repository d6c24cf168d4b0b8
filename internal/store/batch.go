package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"velador/internal/candle"
	"velador/internal/problem"
)

// Batch is what a Write has to do, in the order that suits a database: series by name, candles by
// open time, and of several entries of one key only the last. The order also keeps two writers
// from waiting for each other's rows.
type Batch struct {
	Runs    []Run          // one per series with candles
	Gaps    []candle.Gap   // by series and Range.From, their Series filled in
	Candles int            // in all runs together
	Audits  []candle.Audit // by series, those of one series in the order of the entries; their Series filled in
}

// Empty tells that there is nothing to do.
func (b Batch) Empty() bool { return len(b.Runs)+len(b.Gaps)+len(b.Audits) == 0 }

// Run is the candles of one series, ascending by open time, no open time twice. The candles are
// those of the entries, not copies.
type Run struct {
	Series  candle.Series
	Candles []*candle.Candle
}

// Span gives the first and the last open time of the run.
func (r Run) Span() candle.Range {
	return candle.Range{From: r.Candles[0].OpenTime, To: r.Candles[len(r.Candles)-1].OpenTime}
}

// Plan arranges entries for writing. It refuses, with problem.Invalid, a series that cannot be a
// row of any database; such entries would fail however often they are tried again.
func Plan(entries []Entry) (Batch, error) {
	type group struct {
		run     Run
		ordered bool // strictly ascending so far, as a writer normally brings them
	}
	groups := make(map[candle.Series]*group)
	gaps := make(map[gapKey]candle.Gap)
	var audits []candle.Audit
	var last *group // consecutive entries are mostly of one series
	for i := range entries {
		e := &entries[i]
		if e.Audit != nil {
			if err := checkSeries(e.Series); err != nil {
				return Batch{}, err
			}
			audit := *e.Audit
			audit.Series = e.Series
			audits = append(audits, audit)
			continue
		}
		if e.Gap != nil {
			if err := checkSeries(e.Series); err != nil {
				return Batch{}, err
			}
			gap := *e.Gap
			gap.Series = e.Series
			gaps[gapKey{e.Series, gap.Range.From}] = gap
			continue
		}
		if last == nil || last.run.Series != e.Series {
			if last = groups[e.Series]; last == nil {
				if err := checkSeries(e.Series); err != nil {
					return Batch{}, err
				}
				last = &group{run: Run{Series: e.Series}, ordered: true}
				groups[e.Series] = last
			}
		}
		if n := len(last.run.Candles); n > 0 && last.run.Candles[n-1].OpenTime >= e.Candle.OpenTime {
			last.ordered = false
		}
		last.run.Candles = append(last.run.Candles, &e.Candle)
	}
	b := Batch{Runs: make([]Run, 0, len(groups)), Gaps: make([]candle.Gap, 0, len(gaps))}
	for _, g := range groups {
		if !g.ordered {
			g.run.Candles = lastOfEach(g.run.Candles)
		}
		b.Runs = append(b.Runs, g.run)
		b.Candles += len(g.run.Candles)
	}
	for _, gap := range gaps {
		b.Gaps = append(b.Gaps, gap)
	}
	slices.SortStableFunc(audits, func(x, y candle.Audit) int { return CompareSeries(x.Series, y.Series) })
	b.Audits = audits
	slices.SortFunc(b.Runs, func(x, y Run) int { return CompareSeries(x.Series, y.Series) })
	slices.SortFunc(b.Gaps, func(x, y candle.Gap) int {
		return cmp.Or(CompareSeries(x.Series, y.Series), cmp.Compare(x.Range.From, y.Range.From))
	})
	return b, nil
}

type gapKey struct {
	series candle.Series
	from   candle.Millis
}

// lastOfEach sorts candles by open time and keeps the last of those with the same one.
func lastOfEach(candles []*candle.Candle) []*candle.Candle {
	slices.SortStableFunc(candles, func(a, b *candle.Candle) int { return cmp.Compare(a.OpenTime, b.OpenTime) })
	kept := candles[:1]
	for _, c := range candles[1:] {
		if kept[len(kept)-1].OpenTime == c.OpenTime {
			kept[len(kept)-1] = c
		} else {
			kept = append(kept, c)
		}
	}
	return kept
}

// AllSeries lists the series of the batch's runs, gaps and audits, each once, in order.
func (b Batch) AllSeries() []candle.Series {
	all := make([]candle.Series, 0, len(b.Runs)+len(b.Gaps)+len(b.Audits))
	for _, r := range b.Runs {
		all = append(all, r.Series)
	}
	for _, g := range b.Gaps {
		all = append(all, g.Series)
	}
	for _, a := range b.Audits {
		all = append(all, a.Series)
	}
	slices.SortFunc(all, CompareSeries)
	return slices.Compact(all)
}

// CompareSeries orders series by exchange, symbol and length of the timeframe.
func CompareSeries(a, b candle.Series) int {
	return cmp.Or(strings.Compare(a.Exchange, b.Exchange), strings.Compare(a.Symbol, b.Symbol), cmp.Compare(a.Timeframe, b.Timeframe))
}

func checkSeries(s candle.Series) error {
	var what string
	switch {
	case !s.Timeframe.Valid():
		what = "has no timeframe"
	case s.Exchange == "" || s.Symbol == "":
		what = "lacks its exchange or its symbol"
	case !utf8.ValidString(s.Exchange+s.Symbol) || strings.Contains(s.Exchange+s.Symbol, "\x00"):
		what = "has a name that is no text"
	default:
		return nil
	}
	return problem.New(problem.Invalid, problem.CodeInvalidParameter, nil,
		"The entry cannot be stored: its {name} {detail}.", "name", "series", "detail",
		fmt.Sprintf("%q %s", s.String(), what))
}
