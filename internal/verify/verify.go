// Package verify holds what is stored of a series against the venue's own history, candle by candle
// and digit for digit, when somebody asks for it. Collectors do the same hour by hour for what is new
// (package collect); this is for any stretch, however old.
package verify

import (
	"context"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
	"velador/internal/store"
)

// Venue is what is asked of an exchange.
type Venue interface {
	exchange.Clock
	exchange.History
}

// Candles is what is asked of the database; the promises are those of store.Candles.
type Candles interface {
	Write(ctx context.Context, entries []store.Entry) (store.Written, error)
	EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error
	Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error)
}

// Verifier verifies series of one venue. Set the fields; it may be used by several at once.
type Verifier struct {
	Venue   Venue
	Candles Candles

	looks []time.Duration // spacing, less in tests
}

// Task is what to verify.
type Task struct {
	Series candle.Series
	// Range holds the open times to look at, both ends included. What lies outside of the stored
	// candles is left out: a verification does not lengthen a series.
	Range candle.Range
	// DryRun changes nothing in the database.
	DryRun bool
}

// Plan is a Task that was looked at: there is something to verify.
type Plan struct {
	Task
	Expected int64 // candles that a complete series has in Range, which is cut to what is stored

	confirmed *candle.Range // of the series, when it was looked at
}

// Plan looks at what is stored. Nothing stored in the range is problem.CodeSeriesNotFound.
func (v *Verifier) Plan(ctx context.Context, t Task) (Plan, error) {
	found, err := v.Candles.Coverage(ctx, t.Series, t.Range)
	if err != nil {
		return Plan{}, err
	}
	if found.Present == 0 {
		return Plan{}, problem.New(problem.NotFound, problem.CodeSeriesNotFound, nil,
			"Nothing of {symbol} {timeframe} on {exchange} is stored there, so there is nothing to verify.",
			"symbol", t.Series.Symbol, "timeframe", t.Series.Timeframe.String(), "exchange", t.Series.Exchange)
	}
	t.Range = candle.Range{From: found.First, To: found.Last}
	return Plan{Task: t, Expected: t.Series.Timeframe.Count(found.First, found.Last), confirmed: found.Confirmed}, nil
}

// Kind says in what a stored series differs from the venue's history.
type Kind string

const (
	// Differing is a candle of which the venue has other values; they are taken over.
	Differing Kind = "differing"
	// Missing is a candle that the venue has and the database had not; it is stored.
	Missing Kind = "missing"
	// Vanished is a candle that is stored and that the venue no longer has; it stays, for what was
	// traded was traded.
	Vanished Kind = "vanished"
)

// Difference is one candle that is not in the database as it is at the venue.
type Difference struct {
	Kind   Kind
	Stored candle.Candle // zero when it was missing
	Served candle.Candle // zero when it has vanished
}

// Counts is how far a verification has come.
type Counts struct {
	Checked   int64         // stored candles that were compared
	UpTo      candle.Millis // open time of the newest one that was looked at
	Requests  int64         // questions to the venue that were answered
	Failures  int64         // questions that were not
	Differing int64
	Missing   int64
	Vanished  int64
	Absent    int64 // steps of the timeframe at which neither the venue nor the database has a candle
	// Waiting is until when the venue refuses every question; zero while it does not.
	Waiting time.Time
}

// Differences counts all of them.
func (c Counts) Differences() int64 { return c.Differing + c.Missing + c.Vanished }

// Report is the result of a verification.
type Report struct {
	Counts
	// Range holds the open times that were verified: those of the plan, less the newest ones where the
	// venue's history is not final yet. It is empty when all of them are that young.
	Range     candle.Range
	Corrected int64 // candles that were written: those that differed, and those that were missing
	// Confirmed holds the open times between which the series is confirmed (see candle.Audit), by this
	// verification and before; nil when nothing is.
	Confirmed *candle.Range
	Took      time.Duration
}

// Watcher is told what happens, in order, from the goroutine of Run. Both must return soon.
type Watcher struct {
	Progress   func(Counts)     // after each answer, and before a wait
	Difference func(Difference) // each one, in the order of open times
}

// Run verifies. It holds one answer of the venue in memory, and what is stored of the same stretch,
// however long the range is. The venue's ban is waited for; another failure is tried again for about two
// minutes. An answer that lacks what should be there is not believed before it was given three times.
// When it ends early, with an error, what it found until then is corrected already.
func (v *Verifier) Run(ctx context.Context, p Plan, watcher Watcher) (Report, error) {
	begun := time.Now()
	x := &run{Verifier: v, plan: p, watcher: watcher, steps: stepCounter{tf: p.Series.Timeframe}}
	x.confirmation = confirmation{known: p.confirmed, read: candle.Range{From: p.Range.From, To: p.Range.From - 1}}
	if x.watcher.Progress == nil {
		x.watcher.Progress = func(Counts) {}
	}
	if x.watcher.Difference == nil {
		x.watcher.Difference = func(Difference) {}
	}
	// Nobody waits for a candle here that the market has just closed: live series go before.
	err := x.pages(exchange.WithClass(ctx, exchange.ClassAudit))
	return Report{
		Counts: x.counts, Range: candle.Range{From: p.Range.From, To: x.counts.UpTo},
		Corrected: x.corrected, Confirmed: x.confirmation.known, Took: time.Since(begun),
	}, err
}
