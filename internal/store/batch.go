package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"velador/internal/candle"
	"velador/internal/problem"
)

// Batch is what a Write has to do, in the order that suits a database.
type Batch struct {
	Stages  []Stage      // one after the other; nearly always one
	Gaps    []candle.Gap // by series and Range.From, their Series filled in
	Candles int          // in all runs together
}

// Empty tells that there is nothing to do.
func (b Batch) Empty() bool { return len(b.Stages)+len(b.Gaps) == 0 }

// Stage is a part of a batch: candles, then audits. Its runs are in an order of their own: series by name,
// candles by open time, and of several entries of one key only the last. That order also keeps two writers
// from waiting for each other's rows.
type Stage struct {
	Runs     []Run          // one per series with candles
	Audits   []candle.Audit // by series, those of one series in the order of the entries; their Series filled in
	Verified bool           // whether its candles are; see Entry
}

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
	var b Batch
	gaps := make(map[gapKey]candle.Gap)
	stage := newPlan()
	for i := range entries {
		e := &entries[i]
		if e.Gap != nil {
			if err := checkSeries(e.Series); err != nil {
				return Batch{}, err
			}
			gap := *e.Gap
			gap.Series = e.Series
			gaps[gapKey{e.Series, gap.Range.From}] = gap
			continue
		}
		g, err := stage.group(e.Series)
		if err != nil {
			return Batch{}, err
		}
		if e.Audit != nil {
			audit := *e.Audit
			audit.Series = e.Series
			g.audits = append(g.audits, audit)
			continue
		}
		if stage.candles > 0 && stage.verified != e.Verified || g.audited(e.Candle.OpenTime) {
			b.add(stage)
			stage = newPlan()
			if g, err = stage.group(e.Series); err != nil {
				return Batch{}, err
			}
		}
		stage.verified = e.Verified
		stage.candles++
		g.add(&e.Candle)
	}
	b.add(stage)
	b.Gaps = make([]candle.Gap, 0, len(gaps))
	for _, gap := range gaps {
		b.Gaps = append(b.Gaps, gap)
	}
	slices.SortFunc(b.Gaps, func(x, y candle.Gap) int {
		return cmp.Or(CompareSeries(x.Series, y.Series), cmp.Compare(x.Range.From, y.Range.From))
	})
	return b, nil
}

// plan is a stage in the making.
type plan struct {
	groups   map[candle.Series]*group
	last     *group // consecutive entries are mostly of one series
	candles  int
	verified bool
}

func newPlan() *plan { return &plan{groups: make(map[candle.Series]*group)} }

// group is what a stage has of one series.
type group struct {
	run     Run
	ordered bool // strictly ascending so far, as a writer normally brings them
	audits  []candle.Audit
}

func (p *plan) group(series candle.Series) (*group, error) {
	if p.last != nil && p.last.run.Series == series {
		return p.last, nil
	}
	g := p.groups[series]
	if g == nil {
		if err := checkSeries(series); err != nil {
			return nil, err
		}
		g = &group{run: Run{Series: series}, ordered: true}
		p.groups[series] = g
	}
	p.last = g
	return g, nil
}

func (g *group) add(c *candle.Candle) {
	if n := len(g.run.Candles); n > 0 && g.run.Candles[n-1].OpenTime >= c.OpenTime {
		g.ordered = false
	}
	g.run.Candles = append(g.run.Candles, c)
}

// audited tells that an audit of the stage covers a candle, which must not count before it then.
func (g *group) audited(open candle.Millis) bool {
	return slices.ContainsFunc(g.audits, func(a candle.Audit) bool { return a.Range.Contains(open) })
}

// add adds a stage to the batch, if there is anything in it.
func (b *Batch) add(p *plan) {
	if len(p.groups) == 0 {
		return
	}
	stage := Stage{Runs: make([]Run, 0, len(p.groups)), Verified: p.verified}
	for _, g := range p.groups {
		stage.Audits = append(stage.Audits, g.audits...)
		if len(g.run.Candles) == 0 {
			continue
		}
		if !g.ordered {
			g.run.Candles = lastOfEach(g.run.Candles)
		}
		stage.Runs = append(stage.Runs, g.run)
		b.Candles += len(g.run.Candles)
	}
	slices.SortFunc(stage.Runs, func(x, y Run) int { return CompareSeries(x.Series, y.Series) })
	slices.SortStableFunc(stage.Audits, func(x, y candle.Audit) int { return CompareSeries(x.Series, y.Series) })
	b.Stages = append(b.Stages, stage)
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

// Audited tells that the batch has audits.
func (b Batch) Audited() bool {
	return slices.ContainsFunc(b.Stages, func(s Stage) bool { return len(s.Audits) > 0 })
}

// AllSeries lists the series of the batch's runs, gaps and audits, each once, in order.
func (b Batch) AllSeries() []candle.Series {
	var all []candle.Series
	for _, s := range b.Stages {
		for _, r := range s.Runs {
			all = append(all, r.Series)
		}
		for _, a := range s.Audits {
			all = append(all, a.Series)
		}
	}
	for _, g := range b.Gaps {
		all = append(all, g.Series)
	}
	slices.SortFunc(all, CompareSeries)
	return slices.Compact(all)
}

// Steps gives how far apart the candles of a gap open, in milliseconds, and how many they are: more than can
// ever be stored for timeframes that are not Anchored, whose candles cannot be counted so.
func Steps(gap candle.Gap) (step, n int64) {
	tf := gap.Series.Timeframe
	if !tf.Anchored() {
		return 1, math.MaxInt64
	}
	return tf.Step().Milliseconds(), tf.Count(gap.Range.From, gap.Range.To)
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
