package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
	"velador/internal/store"
)

// window is how many steps one question is about: what an exchange gives at once, so that an answer that
// ends too early says nothing about more than that.
const window = 1000

// maxRows bounds what is held of the stored candles of a window: at each step one on the grid and one
// off it, and as many again for what should not be.
const maxRows = 4 * window

// again is how a question is repeated that the venue did not answer. Its first pause is longer than a
// hiccup and its last one shorter than a person's patience.
var again = backoff.Policy{First: 500 * time.Millisecond, Cap: 10 * time.Second, Jitter: 0.3}

// maxFailures is how many answers in a row may fail before the verification ends with the last one's
// error: about two minutes.
const maxFailures = 15

// spacing is when an answer that lacks what is stored, or has a hole that nobody knows of, is asked for
// again: history trails at times, and answers come cut short. Three that agree are believed, as they are
// by a collector that audits.
var spacing = []time.Duration{time.Second, 5 * time.Second}

// run is one verification under way.
type run struct {
	*Verifier
	plan         Plan
	watcher      Watcher
	counts       Counts
	steps        stepCounter   // at which either side has a candle
	newest       candle.Millis // open time of the venue's newest row so far
	some         bool          // there was one
	corrected    int64
	confirmation confirmation
}

// sides is what both sides have of a stretch, ascending.
type sides struct {
	r              candle.Range
	served, stored []candle.Candle
	asOf           candle.Millis // the venue's clock
}

// pages goes from stretch to stretch.
func (x *run) pages(ctx context.Context) error {
	series, r := x.plan.Series, x.plan.Range
	x.counts.UpTo = r.From - 1
	now, err := ask(ctx, x, func() (candle.Millis, error) { return x.Venue.Time(ctx) })
	if err != nil {
		return err
	}
	r.To = min(r.To, final(series.Timeframe, r.To, now))
	for !r.Empty() {
		both, err := x.look(ctx, candle.Range{From: r.From, To: min(r.To, r.From.Add((window-1)*series.Timeframe.Step()))})
		if err == nil {
			err = x.compare(ctx, both)
		}
		if err != nil {
			return fmt.Errorf("verify %s from %s: %w", series, r.From, err)
		}
		if n := len(both.served); n > 0 {
			x.newest, x.some = both.served[n-1].OpenTime, true
		}
		x.counts.UpTo = both.r.To
		x.watcher.Progress(x.counts)
		r.From = both.r.To + 1
	}
	if err := x.confirmRest(ctx); err != nil {
		return fmt.Errorf("confirm %s: %w", series, err)
	}
	return nil
}

// look reads what both sides have of the beginning of a stretch, as much as both of them gave.
func (x *run) look(ctx context.Context, r candle.Range) (both sides, err error) {
	spacing := spacing
	if x.looks != nil {
		spacing = x.looks
	}
	for n := 0; ; n++ {
		if both, err = x.lookOnce(ctx, r); err != nil || n == len(spacing) {
			return both, err
		}
		if doubtful, err := x.doubtful(ctx, both); err != nil || !doubtful {
			return both, err
		}
		if err := sleep(ctx, spacing[n]); err != nil {
			return both, err
		}
	}
}

func (x *run) lookOnce(ctx context.Context, r candle.Range) (sides, error) {
	series := x.plan.Series
	page, err := ask(ctx, x, func() (exchange.Page, error) { return x.Venue.Candles(ctx, series.Symbol, series.Timeframe, r) })
	if err != nil {
		return sides{}, err
	}
	both := sides{r: r, served: page.Candles, asOf: page.AsOf}
	if n := len(both.served); page.Full && n > 0 {
		both.r.To = both.served[n-1].OpenTime
	}
	err = x.Candles.EachCandle(ctx, store.Query{Series: series, Range: both.r, Limit: maxRows}, func(c candle.Candle) error {
		both.stored = append(both.stored, c)
		return nil
	})
	if n := len(both.stored); n == maxRows {
		both.r.To = both.stored[n-1].OpenTime
		for m := len(both.served); m > 0 && both.served[m-1].OpenTime > both.r.To; m-- {
			both.served = both.served[:m-1]
		}
	}
	return both, err
}

// doubtful tells that the venue's answer lacks a candle that is stored, or that neither side has one
// where the ledger knows of no gap.
func (x *run) doubtful(ctx context.Context, both sides) (bool, error) {
	served := both.served
	for _, c := range both.stored {
		for len(served) > 0 && served[0].OpenTime < c.OpenTime {
			served = served[1:]
		}
		if len(served) == 0 || served[0].OpenTime != c.OpenTime {
			return true, nil
		}
	}
	tf := x.plan.Series.Timeframe
	var jumps []store.Jump
	after, some := x.newest, x.some
	for _, c := range both.served {
		if some && tf.Next(after) < c.OpenTime {
			jumps = append(jumps, store.Jump{After: after, Before: c.OpenTime})
		}
		after, some = c.OpenTime, true
	}
	if len(store.Missing(tf, jumps, nil)) == 0 {
		return false, nil
	}
	known, err := x.Candles.Coverage(ctx, x.plan.Series, candle.Range{From: jumps[0].After, To: both.r.To})
	if err != nil {
		return false, err
	}
	gaps := slices.DeleteFunc(known.Gaps, func(g candle.Gap) bool { return g.State == candle.GapRepaired })
	return len(store.Missing(tf, jumps, gaps)) > 0, nil
}

// final gives the newest open time, up to last, of which the venue's history is final.
func final(tf candle.Timeframe, last, now candle.Millis) candle.Millis {
	settled := now.Add(-exchange.SettlesAfter)
	if tf.Next(last) <= settled {
		return last
	}
	floor, ok := tf.Floor(settled)
	if !ok {
		// A calendar's candle: the one before the last has ended, as it has been stored.
		return tf.Prev(last)
	}
	return floor - 1
}

// ask repeats a question until it is answered.
func ask[T any](ctx context.Context, x *run, question func() (T, error)) (T, error) {
	for failed := 0; ; failed++ {
		answer, err := question()
		if err == nil {
			x.counts.Requests++
			x.counts.Waiting = time.Time{}
			return answer, nil
		}
		if ctx.Err() != nil {
			return answer, ctx.Err()
		}
		x.counts.Failures++
		var ban *exchange.BanError
		pause := again.Draw(failed)
		switch {
		case errors.As(err, &ban):
			failed = -1 // it is no failure, and its end is known
			pause = max(again.First, time.Until(ban.Until))
			x.counts.Waiting = ban.Until
			x.watcher.Progress(x.counts)
		case problem.KindOf(err) != problem.Unavailable && problem.KindOf(err) != problem.Banned, failed >= maxFailures:
			return answer, err
		}
		if err := sleep(ctx, pause); err != nil {
			return answer, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
