package collect

import (
	"context"
	"slices"
	"strings"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// How often a selector with globs is resolved anew: by the exchange's clock, since that is what
// lists markets, but not more often than the second by ours.
const (
	listEvery   = time.Hour
	listAtLeast = time.Minute
)

// startPolicy spaces the attempts to reach an exchange that does not answer at the start.
var startPolicy = backoff.Policy{First: 500 * time.Millisecond, Cap: 30 * time.Second, Jitter: 0.3}

// What an adapter may offer beside the contract: a catalogue is megabytes long, and a process that
// follows one symbol should never hold it.
type (
	marketFinder interface {
		Market(ctx context.Context, symbol string) (exchange.Market, error)
	}
	marketFilter interface {
		MarketsOf(ctx context.Context, follow func(symbol string) bool) ([]exchange.Market, error)
	}
)

// fewNames is up to how many plain names are looked up one by one.
const fewNames = 4

// resolve sets the clock and tells which symbols to follow. It tries until the exchange answers.
func (c *Collector) resolve(ctx context.Context) ([]string, error) {
	selector, err := candle.ParseSelector(c.config.Spec.Selector)
	if err != nil {
		return nil, problem.New(problem.Invalid, problem.CodeInvalidSelector, err, "The selector names no symbols: {detail}", "detail", err.Error())
	}
	if !c.config.Spec.Timeframe.Valid() {
		return nil, problem.New(problem.Invalid, problem.CodeInvalidTimeframe, nil, "The collector has no timeframe: give one of {allowed}", "allowed", allTimeframes())
	}
	if name := c.config.Exchange.Name(); name != c.config.Spec.Exchange {
		return nil, problem.New(problem.Invalid, problem.CodeUnknownExchange, nil, "There is no exchange {exchange}: use {allowed}", "exchange", c.config.Spec.Exchange, "allowed", name)
	}
	var symbols []string
	err = c.insist(ctx, func(ctx context.Context) error {
		at, err := c.askTime(ctx)
		if err != nil {
			return err
		}
		c.clock.told(at, time.Now())
		c.count(func(n *Snapshot) { n.Clock, n.Progress, n.Quiet = c.clock.now, c.clock.now, false })
		markets, err := marketsOf(ctx, c.config.Exchange, selector)
		if err != nil {
			return err
		}
		symbols, err = followed(c.config.Spec, selector, markets)
		return err
	})
	c.listed, c.listedAt = c.clock.now, time.Now()
	return symbols, err
}

func allTimeframes() string {
	var names []string
	for _, tf := range candle.Timeframes() {
		names = append(names, tf.String())
	}
	return strings.Join(names, " ")
}

// insist calls try until it succeeds, ctx ends, or the error says that trying again is of no use.
func (c *Collector) insist(ctx context.Context, try func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		if err == nil {
			if attempt > 0 {
				c.log.Info("the exchange answers")
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if kind := problem.KindOf(err); kind == problem.Invalid || kind == problem.NotFound {
			return err
		}
		c.noteBan(err)
		c.count(func(n *Snapshot) { n.Quiet = true })
		if attempt == 0 {
			c.log.Warn("the exchange does not answer; trying again until it does", "error", err)
		}
		if !sleep(ctx, pauseAfter(err, startPolicy, attempt)) {
			return context.Cause(ctx)
		}
	}
}

// sleep waits; false means that ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hasGlob tells whether what the selector follows can change.
func hasGlob(selector candle.Selector) bool { return strings.ContainsAny(selector.String(), "*?") }

// marketsOf asks for the markets that the selector may follow, in the cheapest way there is.
func marketsOf(ctx context.Context, from exchange.Exchange, selector candle.Selector) ([]exchange.Market, error) {
	ctx, cancel := context.WithTimeout(ctx, catalogueTimeout)
	defer cancel()
	_, names := selector.Resolve(nil)
	if finder, ok := from.(marketFinder); ok && !hasGlob(selector) && len(names) <= fewNames {
		var markets []exchange.Market
		for _, name := range names {
			market, err := finder.Market(ctx, name)
			if kind := problem.KindOf(err); err != nil && (kind == problem.NotFound || kind == problem.Invalid) {
				continue // followed names it
			}
			if err != nil {
				return nil, err
			}
			markets = append(markets, market)
		}
		return markets, nil
	}
	if filter, ok := from.(marketFilter); ok {
		return filter.MarketsOf(ctx, selector.Match)
	}
	return from.Markets(ctx)
}

// followed gives the symbols that the selector follows: every plain name, whatever its market's
// condition, and of what globs match the markets that trade now. A market that does not trade forms
// no candles, and Binance lists four hundred of them; when it trades again it is taken up.
func followed(spec collector.Spec, selector candle.Selector, markets []exchange.Market) ([]string, error) {
	var all []string
	_, plain := selector.Resolve(nil)
	for _, market := range markets {
		if market.Trading || slices.Contains(plain, market.Symbol) {
			all = append(all, market.Symbol)
		}
	}
	symbols, unknown := selector.Resolve(all)
	if len(unknown) > 0 {
		return nil, problem.New(problem.Invalid, problem.CodeUnknownSymbol, nil,
			"{exchange} has no symbol {symbol}: check its spelling", "exchange", spec.Exchange, "symbol", strings.Join(unknown, ", "))
	}
	if len(symbols) == 0 {
		return nil, problem.New(problem.Invalid, problem.CodeNoSymbolMatches, nil,
			"No market that trades on {exchange} matches {selector}", "exchange", spec.Exchange, "selector", spec.Selector)
	}
	return symbols, nil
}

// watchCatalogue resolves a selector with globs anew, once an hour.
func (c *Collector) watchCatalogue(ctx context.Context) {
	now := time.Now()
	if c.listing || c.clock.now < c.listed.Add(listEvery) || now.Sub(c.listedAt) < listAtLeast || !c.rest.open(now) {
		return
	}
	selector, err := candle.ParseSelector(c.config.Spec.Selector)
	if err != nil || !hasGlob(selector) {
		return
	}
	c.listing = true
	c.background(ctx, func(ctx context.Context) func(context.Context) {
		markets, err := marketsOf(ctx, c.config.Exchange, selector)
		return func(ctx context.Context) {
			c.listing, c.listedAt = false, time.Now()
			if err != nil {
				c.failedToAnswer(nil, err)
				return
			}
			c.answered(nil)
			c.listed = c.clock.now
			// An error says that a name has gone from the catalogue, or all have: what is followed
			// stays followed, since markets return.
			if symbols, err := followed(c.config.Spec, selector, markets); err == nil {
				c.follow(ctx, symbols)
			}
		}
	})
}

// begun gives what time the exchange had when the series that are taken up now were first wanted. That is
// reckoned by how long ago it is: its clock may be another one than ours. What a glob finds later is
// wanted from then on.
func (c *Collector) begun(ours time.Time) candle.Millis {
	if len(c.series) > 0 || c.config.Wanted.IsZero() {
		return c.clock.now
	}
	return max(1, c.clock.now.Add(-max(0, ours.Sub(c.config.Wanted)))) // 1: no exchange is older, and 0 is no time
}

// follow takes up the symbols that are not followed yet.
func (c *Collector) follow(ctx context.Context, symbols []string) {
	declared, ok := c.config.Exchange.(exchange.Sparse)
	sparse := ok && declared.Sparse(c.config.Spec.Timeframe)
	var fresh []string
	begun := c.begun(time.Now())
	for _, symbol := range symbols {
		if _, ok := c.bySymbol[symbol]; ok {
			continue
		}
		s := &follower{splice: splice{
			series: candle.Series{Exchange: c.config.Spec.Exchange, Symbol: symbol, Timeframe: c.config.Spec.Timeframe},
			begun:  begun, sparse: sparse, auditing: c.auditor != nil,
		}}
		c.bySymbol[symbol] = s
		c.series = append(c.series, s)
		fresh = append(fresh, symbol)
	}
	if len(c.series) > len(fresh) && len(fresh) > 0 {
		c.log.Info("new symbols are followed", "symbols", len(fresh), "first", fresh[0])
	}
	c.connect(ctx, fresh)
	c.refresh()
}
