// Package collect is the loop of one collector: it follows the series of a selector on an exchange
// and hands every closed candle to a sink exactly once and in order, without a seam between history
// and stream, and without a hole that the exchange could fill.
//
// splice.go and gap.go decide, for one series, what follows what, audit.go and absent.go what is looked
// at again; they are pure. feed.go keeps the
// connections, backfill.go asks the exchange's history, watch.go knows what time it is there, and
// collect.go brings them together in one goroutine that owns all series.
//
// The exchange's clock is the clock: no candle is judged by the local one, which drives nothing but
// polling, back-off and the age of connections. A simulator runs a thousand times faster than we do.
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Sink takes what is collected. One goroutine calls it.
type Sink interface {
	// Candle takes a closed candle. It blocks while too many are unacknowledged; the order of calls
	// is kept. The error is ctx's, problem.Invalid for a candle that nobody could keep, which is told
	// to the log and left out, or another one, which ends the collector.
	Candle(ctx context.Context, series candle.Series, c candle.Candle) error
	// Gap takes what is known of a missing stretch; it blocks like Candle.
	Gap(ctx context.Context, g candle.Gap) error
	// Forming shows a candle that is not closed yet; at is the exchange's time of it, 0 when it names
	// none. Best effort: it never blocks.
	Forming(series candle.Series, c candle.Candle, at candle.Millis)
	// Flush waits until all that was taken is acknowledged.
	Flush(ctx context.Context) error
}

// Auditor is what a Sink may be beside: one that keeps candles and learns which of them are confirmed.
// A collector hands to such a sink all that the stream said a second time, as history says it (audit.go);
// a Sink that only shows candles would show them twice.
type Auditor interface {
	// Audit takes an audit, which must not overtake the candles handed over before; it blocks like Candle.
	Audit(ctx context.Context, a candle.Audit) error
}

// Library knows what is stored.
type Library interface {
	// Resume tells where to take up each series, in the order of series. Several goroutines may call it.
	Resume(ctx context.Context, series []candle.Series) ([]candle.Resume, error)
}

// Config says what to collect, from where, and where to. Exchange, Spec and Sink are required.
type Config struct {
	Exchange exchange.Exchange
	Spec     collector.Spec
	Sink     Sink
	// Library is asked once for each series; without one every series starts fresh: at Spec.Since, or
	// with the candle that is forming now.
	Library Library
	// Wanted is when the collector was first wanted, by our clock: an earlier life may have brought nothing
	// yet. A series that starts fresh without Spec.Since begins with the candle that formed then. Zero: now.
	Wanted time.Time
	// Logger tells what a person should know: connections, holes, episodes of failure. Empty: silent.
	Logger *slog.Logger
	// Concurrency is how many questions of history may be under way at once; 0 means 4. One of them
	// is kept for repairs of live series.
	Concurrency int
	// OnPhase is called, when it is not nil, each time a phase begins after the first, Resolving. Live is
	// a good moment to give back the memory that the back-fill took. It holds the loop up: be quick.
	OnPhase func(Phase)
}

// Bounds of the loop, in our own time.
const (
	tickEvery    = 250 * time.Millisecond // how often deadlines are looked at
	formingEvery = 250 * time.Millisecond // between two forming candles of a series
	flushTimeout = 5 * time.Second        // what a stopping collector waits for its sink
)

// Collector follows the series of one selector. It is made by New and runs once.
type Collector struct {
	config Config
	log    *slog.Logger

	mu      sync.Mutex // guards snap
	snap    Snapshot
	frames  atomic.Uint64 // see Snapshot.Messages
	handing atomic.Bool   // the sink is being handed something

	// What follows belongs to the goroutine in Run.
	clock   clock
	rest    rest
	hearing struct { // see watchHearing
		asks bool      // a question is under way
		next time.Time // none before
	}
	series   []*follower
	bySymbol map[string]*follower
	feeds    []*feed
	cursor   int           // where the search for the next question begins, so that all have their turn
	listed   candle.Millis // when the catalogue was last read, by the exchange's clock
	listedAt time.Time     // the same by ours
	listing  bool          // it is being read
	failed   error         // why the sink took no more
	excused  bool          // no candle could come since the figures were last refreshed
	auditor  Auditor       // the sink, if it is one

	wake    chan struct{}              // an inbox holds something
	done    chan func(context.Context) // what background work wants done in Run's goroutine
	running sync.WaitGroup             // all goroutines of Run
	ctx     context.Context            // of Run: what a splice lets go is handed over under it
	stop    context.CancelCauseFunc    // ends Run
}

// follower is one series with what the loop keeps of it beside its splice.
type follower struct {
	splice
	feed     *feed
	failures int       // questions that failed in a row
	retryAt  time.Time // no question before, by our clock
	resuming bool      // the library is being asked
	shownAt  time.Time // when a forming candle was last shown
	hearing
}

// New prepares a collector; it does nothing before Run.
func New(config Config) *Collector {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Concurrency <= 0 {
		config.Concurrency = 4
	}
	auditor, _ := config.Sink.(Auditor)
	log := config.Logger.With("exchange", config.Spec.Exchange, "selector", config.Spec.Selector, "timeframe", config.Spec.Timeframe.String())
	return &Collector{
		config: config, log: log, auditor: auditor, bySymbol: make(map[string]*follower),
		snap: Snapshot{Phase: Resolving},
		wake: make(chan struct{}, 1), done: make(chan func(context.Context)),
	}
}

// Run collects until ctx ends, then hands over nothing more, waits up to five seconds for the sink
// to acknowledge, and returns nil when it did. Any other return is an error: of kind Invalid when the
// specification makes no sense to the exchange (an unknown symbol), which trying again will not heal.
// All that Run started has ended when it returns.
func (c *Collector) Run(ctx context.Context) error {
	run, stop := context.WithCancelCause(ctx)
	c.ctx, c.stop = run, stop
	err := c.collect(run)
	stop(nil)
	c.running.Wait()
	c.setPhase(Ended)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if ferr := c.config.Sink.Flush(flush); ferr != nil {
		err = errors.Join(err, fmt.Errorf("collector %s: the last candles were not acknowledged: %w", c.config.Spec.Key(), ferr))
	}
	return err
}

func (c *Collector) collect(ctx context.Context) error {
	symbols, err := c.resolve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // an end that was asked for is no failure
		}
		return err
	}
	c.log.Info("collecting", "symbols", len(symbols))
	c.follow(ctx, symbols)
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.failed
		case <-c.wake:
			// With thousands of series this happens thousands of times a second; to look at all of
			// them for questions that only the passing of time brings is for the ticks.
			if !c.drainFeeds(ctx) && c.failed == nil {
				continue
			}
		case then := <-c.done:
			then(ctx)
		case <-ticks.C:
			c.tick(ctx)
		}
		if c.failed != nil {
			return c.failed
		}
		c.dispatch(ctx)
	}
}

// background runs work beside the loop; what it returns is done in the loop's goroutine.
func (c *Collector) background(ctx context.Context, work func(context.Context) (then func(context.Context))) {
	c.running.Go(func() {
		then := work(ctx)
		if then == nil {
			return
		}
		select {
		case c.done <- then:
		case <-ctx.Done():
		}
	})
}

// tick looks at what only the passing of time brings.
func (c *Collector) tick(ctx context.Context) {
	c.watchClock(ctx)
	c.watchHearing(ctx)
	c.watchCatalogue(ctx)
	c.refresh()
}

// drainFeeds takes what the connections have brought, and tells whether it raises a question.
func (c *Collector) drainFeeds(ctx context.Context) (asks bool) {
	for _, f := range c.feeds {
		f.inbox.take(func(e event) {
			if c.failed == nil && ctx.Err() == nil {
				asks = c.receive(e) || asks
			}
		})
	}
	if c.clock.doubt {
		c.watchClock(ctx)
	}
	return asks
}

// receive takes one event of a connection and tells whether it raises a question.
func (c *Collector) receive(e event) (asks bool) {
	if e.kind == exchange.Subscribed {
		c.subscribed(e)
		return true
	}
	s, ok := c.bySymbol[e.symbol]
	if !ok {
		return false
	}
	at := e.at
	if at == 0 {
		at = e.candle.OpenTime
	}
	now := time.Now()
	c.clock.hear(at, now)
	s.heard(c.clock.now, now)
	if e.candle.OpenTime > c.clock.now {
		c.clock.doubt = true // the future does not open: the frame is wrong, or the clock
	}
	if c.clock.doubt && (!s.started || !s.before(e.candle.OpenTime).Empty()) {
		return false // if it is true it will be fetched
	}
	s.observe(e.candle.OpenTime, c.clock.now)
	if e.closed {
		s.offer(e.candle, c.clock.now, c.outlet(s))
	} else if s.wants(e.candle.OpenTime) && now.Sub(s.shownAt) >= formingEvery {
		s.shownAt = now
		c.config.Sink.Forming(s.series, e.candle, e.at)
	}
	return s.ask(c.clock.now).urgency != none
}

// delivery hands what a splice lets go to the sink, and counts.
type delivery struct {
	c *Collector
	s *follower
}

func (c *Collector) outlet(s *follower) delivery { return delivery{c, s} }

func (d delivery) candle(closed candle.Candle) bool {
	taken := d.give(closed)
	if taken {
		d.c.count(func(n *Snapshot) {
			n.Candles++
			n.Clock, n.Progress = d.c.clock.now, d.c.clock.now
			n.newest(closed.OpenTime, closed.CloseTime)
		})
	}
	return taken
}

func (d delivery) again(closed candle.Candle) bool {
	taken := d.give(closed)
	if taken {
		d.c.count(func(n *Snapshot) { n.Reread++ })
	}
	return taken
}

func (d delivery) give(closed candle.Candle) bool {
	if d.c.failed != nil {
		return false
	}
	err := d.c.handOver(func() error { return d.c.config.Sink.Candle(d.c.ctx, d.s.series, closed) })
	return d.took(err, closed.OpenTime)
}

func (d delivery) audited(a candle.Audit) {
	if d.c.failed == nil {
		d.took(d.c.handOver(func() error { return d.c.auditor.Audit(d.c.ctx, a) }), a.Range.From)
	}
}

// handOver calls the sink, which may hold the loop up for as long as the bus is away.
func (c *Collector) handOver(call func() error) error {
	c.handing.Store(true)
	defer c.handing.Store(false)
	begun := time.Now()
	err := call()
	c.excused = c.excused || time.Since(begun) > tickEvery
	return err
}

func (d delivery) gap(g candle.Gap) {
	if d.c.failed != nil {
		return
	}
	err := d.c.handOver(func() error { return d.c.config.Sink.Gap(d.c.ctx, g) })
	if !d.took(err, g.Range.From) {
		return
	}
	log := d.c.log.With("symbol", g.Series.Symbol, "from", g.Range.From.String(), "to", g.Range.To.String())
	switch g.State {
	case candle.GapOpen:
		log.Info("candles are missing", "proofs", g.Proofs)
	case candle.GapAbsent:
		log.Info("the exchange has no candles here", "proofs", g.Proofs)
		d.c.count(func(n *Snapshot) { n.Absent++ })
	case candle.GapRepaired:
		log.Info("missing candles were found")
		d.c.count(func(n *Snapshot) { n.Repaired++ })
	}
}

// took judges the sink's answer. Only a thing that nobody could keep is left out; any other refusal
// ends the collector, which the agent starts again: nothing is lost, the store knows where it was.
func (d delivery) took(err error, open candle.Millis) bool {
	switch {
	case err == nil:
		return true
	case d.c.ctx.Err() != nil:
	case problem.KindOf(err) == problem.Invalid:
		d.c.log.Error("a candle or gap cannot be kept and is left out", "symbol", d.s.series.Symbol, "open", open.String(), "error", err)
		d.c.count(func(n *Snapshot) { n.Refused++ })
		return false
	default:
		err = fmt.Errorf("collector %s: hand over %s %s: %w", d.c.config.Spec.Key(), d.s.series, open, err)
		d.c.failed = err
		d.c.stop(err)
	}
	return false
}
