package collect

import (
	"context"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/exchange"
)

// How the silence of one symbol is judged, in our own time. A frame comes two seconds after a trade at
// the latest (EXCHANGES.md 2.12), but a market may rest for hours: silence alone proves nothing, and in
// a halt of the whole exchange all connections would be replaced in the same minute. What proves it is a
// candle with trades in the history that the stream had not told of.
const (
	// deafAfter is how long a symbol may be silent before its minutes are read. By then a whole minute has
	// passed since, and the adapter's margin after it.
	deafAfter = 130 * time.Second
	// deafAtMost is what that grows to, doubled by each answer that it is really quiet, and halved by
	// each frame.
	deafAtMost = time.Hour
	// hearingEvery is the least time between two such questions of a collector.
	hearingEvery = 2 * time.Second
	// healedAfter is how long after a reconnect a symbol must be heard for the reconnect to have helped.
	healedAfter = 30 * time.Minute
)

// renewPolicy spaces the reconnects for silent symbols: when two do not help the third rarely does, and
// history brings every candle meanwhile.
var renewPolicy = backoff.Policy{First: renewEvery, Cap: renewAtMost, Jitter: 0.2}

// hearing is what is known of how a symbol is heard.
type hearing struct {
	silent   int           // candles that history brought while nothing was heard
	frames   uint64        // how often it spoke over the connection
	spoke    uint64        // and over those before it
	heardAt  time.Time     // when it spoke, or was subscribed, by our clock
	heardBy  candle.Millis // what the exchange's clock had reached then; 0: not known yet
	patience time.Duration // how long it may be silent
	judgeAt  time.Time     // when its minutes are read if it stays silent
}

// suspect tells whether silence means more of this symbol than of another one: not to have spoken over
// a connection at all, and to be talkative otherwise.
func (h *hearing) suspect(than *hearing) bool {
	if never := h.frames == 0; never != (than.frames == 0) {
		return never
	}
	return h.frames+h.spoke > than.frames+than.spoke
}

// heard notes a frame of the symbol; at is the exchange's time.
func (s *follower) heard(at candle.Millis, now time.Time) {
	s.silent, s.heardAt, s.heardBy = 0, now, at
	s.patience = max(deafAfter, s.patience/2)
	s.judgeAt = now.Add(s.patience)
	s.frames++
	if f := s.feed; f.renewedFor == s && now.Sub(f.renewedAt) >= healedAfter {
		f.renewals, f.renewedFor = 0, nil // it helped
	}
}

// listen notes that the symbol was subscribed: from now on it is to be heard.
func (s *follower) listen(now time.Time) {
	s.hearing = hearing{spoke: s.spoke + s.frames, heardAt: now, patience: deafAfter, judgeAt: now.Add(deafAfter)}
}

// watchRepair is called when history has brought a candle that the stream should have. A symbol of
// which a standing connection says nothing at all meanwhile is not subscribed, whatever was
// acknowledged (EXCHANGES.md 2.11).
func (c *Collector) watchRepair(s *follower) {
	if s.silent++; s.silent >= 2 {
		c.renewFor(s)
	}
}

// renewFor replaces the connection that is deaf to a symbol, but not again and again.
func (c *Collector) renewFor(s *follower) {
	f, now := s.feed, time.Now()
	if !f.up.Load() || now.Before(f.renewAt) {
		return
	}
	c.log.Warn("the stream says nothing of a symbol that trades; connecting again", "symbol", s.series.Symbol, "silent", now.Sub(s.heardAt).Round(time.Second))
	f.renewAt = now.Add(renewPolicy.Draw(f.renewals))
	f.renewals++
	f.renewedFor, f.renewedAt = s, now
	s.silent = 0
	f.replaceSoon()
}

// watchHearing asks, where a candle is longer than a minute, for the minutes of a symbol that is
// silent: two candles of a day's length would take two days to prove that nothing is heard.
func (c *Collector) watchHearing(ctx context.Context) {
	now := time.Now()
	if c.config.Spec.Timeframe.Step() <= candle.Minute1.Step() || c.hearing.asks || now.Before(c.hearing.next) || c.clock.doubt || !c.rest.open(now) {
		return
	}
	s := c.mostSuspicious(now)
	if s == nil {
		return
	}
	heardAt := s.heardAt
	floor, _ := candle.Minute1.Floor(s.heardBy)
	from := candle.Minute1.Next(floor)
	r := candle.Range{From: from, To: from.Add(999 * time.Minute)}
	c.hearing.asks = true
	c.count(func(n *Snapshot) { n.Requests++ })
	c.background(ctx, func(ctx context.Context) func(context.Context) {
		timed, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		page, err := c.config.Exchange.Candles(timed, s.series.Symbol, candle.Minute1, r)
		return func(context.Context) {
			c.hearing.asks = false
			c.hearing.next = time.Now().Add(hearingEvery)
			switch {
			case err != nil:
				c.noteBan(err)
				c.count(func(n *Snapshot) { n.Failures++ })
				c.hearing.next = time.Now().Add(pauseAfter(err, restPolicy, 8))
			case s.heardAt != heardAt: // it has spoken meanwhile
			case trades(page):
				c.renewFor(s)
			default:
				s.patience = min(2*s.patience, deafAtMost)
				s.judgeAt = time.Now().Add(s.patience)
			}
		}
	})
}

// mostSuspicious gives the symbol to ask about, of those that are silent for too long.
func (c *Collector) mostSuspicious(now time.Time) (most *follower) {
	for _, s := range c.series {
		if s.heardBy == 0 && c.clock.heard.After(s.heardAt) {
			s.heardBy = c.clock.now // the clock has been heard since: what trades later is to be heard
		}
		if !s.started || s.heardBy == 0 || now.Before(s.judgeAt) || !s.feed.up.Load() || now.Before(s.feed.renewAt) {
			continue
		}
		if most == nil || s.suspect(&most.hearing) {
			most = s
		}
	}
	return most
}

// trades tells whether a page holds a closed candle in which something was traded.
func trades(p exchange.Page) bool {
	for _, row := range p.Candles {
		if row.Trades > 0 || !row.Volume.IsAbsent() && row.Volume.Compare(candle.Decimal{}) > 0 {
			return true
		}
	}
	return false
}
