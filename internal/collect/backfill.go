package collect

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Bounds of questions, in our own time.
const (
	answerTimeout    = time.Minute     // of one question, waiting for the budget included
	catalogueTimeout = 5 * time.Minute // of the catalogue, likewise
	resumeAtOnce     = 100             // series in one question to the library
)

var (
	// restPolicy spaces questions while the exchange answers none of them.
	restPolicy = backoff.Policy{First: 250 * time.Millisecond, Cap: 30 * time.Second, Jitter: 0.3}
	// seriesPolicy spaces the questions about one series while they fail, refusalPolicy while the
	// exchange answers that it does not know it: some symbols vanish, and some return.
	seriesPolicy  = backoff.Policy{First: 250 * time.Millisecond, Cap: 15 * time.Second, Jitter: 0.3}
	refusalPolicy = backoff.Policy{First: time.Second, Cap: 10 * time.Minute, Jitter: 0.3}
	// libraryPolicy spaces the attempts to learn what is stored.
	libraryPolicy = backoff.Policy{First: 500 * time.Millisecond, Cap: 30 * time.Second, Jitter: 0.3}
)

// rest is what the loop knows of the exchange's readiness to answer.
type rest struct {
	flying   int       // questions of history under way
	live     int       // of them, repairs
	rereads  int       // of them, about what is stored or absent
	asksTime bool      // a question for the time is under way
	closed   time.Time // no question before, by our clock
	failures int       // in a row, of any series
	failing  int       // series whose last question failed, the clock counted as one
	noTime   bool      // the last question for the time failed
	since    time.Time // when the episode of failure began
}

// open tells whether questions may be asked.
func (r *rest) open(now time.Time) bool { return !now.Before(r.closed) }

// pauseAfter gives the wait after a failure: until a ban ends, or what the policy says.
func pauseAfter(err error, policy backoff.Policy, attempt int) time.Duration {
	var ban *exchange.BanError
	if errors.As(err, &ban) {
		if left := time.Until(ban.Until); left > 0 {
			// Not everyone at the very moment.
			return left + time.Duration(rand.Int64N(int64(time.Second)))
		}
	}
	return policy.Draw(attempt)
}

// dispatch asks what is to be asked: repairs of live series first, then series on their way to the
// live edge, then the past, then what is only looked at once more. One question of a series is under way at a time.
func (c *Collector) dispatch(ctx context.Context) {
	now := time.Now()
	if c.clock.doubt || !c.rest.open(now) {
		return
	}
	most := c.config.Concurrency
	if c.rest.failures > 0 {
		most = 1 // until one is answered
	}
	for c.rest.flying < most {
		// The last place is kept for repairs, where there is more than one.
		least := repair
		if c.rest.flying-c.rest.live < max(1, c.config.Concurrency-1) {
			if least = history; c.rest.rereads == 0 { // one at a time: they can wait
				least = reread
			}
		}
		s, q := c.mostUrgent(now, least)
		if s == nil {
			return
		}
		c.ask(ctx, s, q)
	}
}

func (c *Collector) mostUrgent(now time.Time, least urgency) (most *follower, what question) {
	n := len(c.series)
	for i := range n {
		s := c.series[(c.cursor+i)%n]
		if s.asking || now.Before(s.retryAt) {
			continue
		}
		if q := s.ask(c.clock.now); q.urgency >= least && q.urgency > what.urgency {
			if most, what = s, q; q.urgency == repair {
				break
			}
		}
	}
	return most, what
}

// ask puts one question to the exchange.
func (c *Collector) ask(ctx context.Context, s *follower, q question) {
	c.cursor++
	s.asking = true
	c.rest.flying++
	switch q.urgency {
	case repair:
		c.rest.live++
	case reread:
		c.rest.rereads++
	}
	c.count(func(n *Snapshot) { n.Requests++ })
	symbol, tf := s.series.Symbol, s.series.Timeframe
	c.background(ctx, func(ctx context.Context) func(context.Context) {
		timed, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		page, err := c.config.Exchange.Candles(exchange.WithClass(timed, classes[q.urgency]), symbol, tf, q.r)
		return func(ctx context.Context) {
			c.rest.flying--
			switch q.urgency {
			case repair:
				c.rest.live--
			case reread:
				c.rest.rereads--
			}
			s.asking = false
			c.take(ctx, s, q, page, err)
		}
	})
}

// take brings an answer to its series.
func (c *Collector) take(ctx context.Context, s *follower, q question, page exchange.Page, err error) {
	if ctx.Err() != nil {
		return
	}
	had := s.last
	if err == nil {
		c.clock.reached(page.AsOf, time.Now())
		err = s.answer(q, page, c.clock.now, c.outlet(s))
	}
	if err != nil {
		c.failedToAnswer(s, err)
		s.unanswered(s.failures, c.clock.now, c.outlet(s))
		return
	}
	c.answered(s)
	if q.urgency == repair && s.last > had {
		c.watchRepair(s)
	}
	if s.truncated && len(s.gaps) == 0 {
		s.truncated = false
		c.resume(ctx, []*follower{s})
	}
}

// failedToAnswer notes that a question of a series (nil: another one) was not answered, or with
// nonsense. A person is told once for the whole episode.
func (c *Collector) failedToAnswer(s *follower, err error) {
	if c.ctx.Err() != nil {
		return
	}
	c.noteBan(err)
	now := time.Now()
	kind := problem.KindOf(err)
	refused := kind == problem.Invalid || kind == problem.NotFound // it does answer, only not about this one
	policy := seriesPolicy
	if refused {
		policy = refusalPolicy
	}
	var first bool
	if s == nil {
		first, c.rest.noTime = !c.rest.noTime, true
	} else {
		first = s.failures == 0
		s.retryAt = now.Add(policy.Draw(s.failures))
		s.failures++
	}
	if first {
		if c.rest.failing++; c.rest.failing == 1 {
			c.rest.since = now
			c.log.Warn("the exchange's history cannot be read; trying again until it can", "error", err)
		}
	}
	if !refused {
		// Those that were under way together fail together, and count once.
		until := now.Add(pauseAfter(err, restPolicy, c.rest.failures))
		if c.rest.open(now) {
			c.rest.failures++
		}
		if until.After(c.rest.closed) {
			c.rest.closed = until
		}
	}
	c.count(func(n *Snapshot) { n.Failures++ })
}

// answered notes that a question was answered well.
func (c *Collector) answered(s *follower) {
	c.rest.failures = 0
	switch {
	case s == nil && c.rest.noTime:
		c.rest.noTime = false
	case s != nil && s.failures > 0:
		s.failures, s.retryAt = 0, time.Time{}
	default:
		return
	}
	if c.rest.failing--; c.rest.failing == 0 {
		c.log.Info("the exchange's history can be read again", "after", time.Since(c.rest.since).Round(time.Millisecond))
	}
}

// subscribed notes that a connection's subscriptions stand: what was missed before is fetched, and
// the library is asked about series that have not begun.
func (c *Collector) subscribed(e event) {
	var fresh []*follower
	for _, symbol := range e.symbols {
		s := c.bySymbol[symbol]
		s.listen(time.Now())
		switch {
		case !s.started && !s.resuming:
			s.resuming = true
			fresh = append(fresh, s)
		case s.started && !e.overlaps:
			s.behind, s.holeAt = true, 0
		}
	}
	for len(fresh) > 0 {
		n := min(len(fresh), resumeAtOnce)
		c.resume(c.ctx, fresh[:n])
		fresh = fresh[n:]
	}
}

// resume asks the library about series, until it answers, and starts them; of those that have
// started it takes over what is missing.
func (c *Collector) resume(ctx context.Context, some []*follower) {
	take := func(found []candle.Resume) {
		for i, s := range some {
			s.resuming = false
			if s.started {
				s.missing(found[i].Missing)
				s.proofs(found[i].Ledger)
				continue
			}
			s.start(found[i], c.config.Spec.Since, c.clock.now)
			if last := found[i].Last; found[i].HasLast {
				c.count(func(n *Snapshot) { n.newest(last, s.next()-1) })
			}
			s.drain(c.outlet(s))
		}
		c.refresh()
	}
	if c.config.Library == nil {
		take(make([]candle.Resume, len(some)))
		return
	}
	wanted := make([]candle.Series, len(some))
	for i, s := range some {
		wanted[i] = s.series
	}
	c.background(ctx, func(ctx context.Context) func(context.Context) {
		for attempt := 0; ; attempt++ {
			found, err := c.config.Library.Resume(ctx, wanted)
			if err == nil && len(found) == len(wanted) {
				return func(context.Context) { take(found) }
			}
			if ctx.Err() != nil {
				return nil
			}
			if attempt == 0 {
				c.log.Warn("it is not known yet what is stored; asking again until it is", "error", err, "series", len(wanted), "answers", len(found))
			}
			if !sleep(ctx, libraryPolicy.Draw(attempt)) {
				return nil
			}
		}
	})
}
