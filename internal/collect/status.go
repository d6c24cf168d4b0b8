package collect

import (
	"errors"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
)

// Phase says in a word what a collector is about.
type Phase string

// The phases, in their order. A collector that loses its connections stays Live or CatchingUp:
// Snapshot.Connected tells.
const (
	Resolving   Phase = "resolving"   // asks the exchange for its clock and its symbols
	Subscribing Phase = "subscribing" // no subscription stands yet, or the store has not answered
	CatchingUp  Phase = "catching up" // some series is behind the live edge
	Live        Phase = "live"        // every series is at the live edge
	Ended       Phase = "ended"       // Run has returned or is about to
)

// Snapshot is what a collector can tell of itself. Counters count since Run began.
type Snapshot struct {
	Phase      Phase
	Series     int           // followed
	LiveNow    int           // of them, at the live edge
	Connected  int           // connections whose subscriptions stand
	Clock      candle.Millis // the exchange's clock as far as it was heard, never reckoned; 0 before
	Progress   candle.Millis // what it showed when a candle was last handed over, or Quiet was last true
	LastOpen   candle.Millis // the newest open time handed over, or found stored, of any series; 0 before the first
	LastClose  candle.Millis // when the candle that opened at LastOpen closed
	OpenGaps   int           // stretches that are missing and asked for
	Candles    uint64        // closed candles handed over
	Reread     uint64        // closed candles handed over once more, as history says them
	Repaired   uint64        // gaps that were filled
	Absent     uint64        // gaps that were proved absent at source
	Messages   uint64        // frames of candles that the connections brought, forming ones included
	Requests   uint64        // questions of history asked
	Failures   uint64        // of them, without an answer that could be used
	Refused    uint64        // candles and gaps that the sink could not keep
	Reconnects uint64        // connections opened after the first of each feed

	BannedUntil time.Time // the exchange refuses us until then; zero when it does not
	// Quiet tells that it is not this process's fault when no candle comes: see collector.Beat.
	Quiet bool
	// Turned is when the loop last came round; zero before its first turn. Nothing holds it up but the
	// sink, while HandingOver, which may be for hours: the bus is away, or nobody empties it.
	Turned      time.Time
	HandingOver bool
}

// Snapshot tells how the collector is. It may be called at any time, from anywhere; it is cheap.
func (c *Collector) Snapshot() Snapshot {
	c.mu.Lock()
	s := c.snap
	c.mu.Unlock()
	s.Messages, s.HandingOver = c.frames.Load(), c.handing.Load()
	if !time.Now().Before(s.BannedUntil) {
		s.BannedUntil = time.Time{}
	}
	return s
}

// Beat gives the snapshot in the words of supervision; whose it is and when it is sent are left to
// the sender.
func (s Snapshot) Beat() collector.Beat {
	phase := collector.PhaseStarting
	switch s.Phase {
	case CatchingUp:
		phase = collector.PhaseBackfilling
	case Live:
		phase = collector.PhaseLive
	case Ended:
		phase = collector.PhaseStopping
	}
	return collector.Beat{
		Phase: phase, Series: s.Series, LiveNow: s.LiveNow, Connected: s.Connected,
		Clock: s.Clock, Progress: s.Progress, LastOpen: s.LastOpen, LastClose: s.LastClose,
		OpenGaps: s.OpenGaps, Candles: s.Candles, Repaired: s.Repaired, Absent: s.Absent,
		Messages: s.Messages, Requests: s.Requests, Failures: s.Failures, Reconnects: s.Reconnects,
		BannedUntil: s.BannedUntil, Quiet: s.Quiet,
	}
}

func (c *Collector) count(change func(*Snapshot)) {
	c.mu.Lock()
	change(&c.snap)
	c.mu.Unlock()
}

func (c *Collector) setPhase(p Phase) {
	c.count(func(n *Snapshot) { n.Phase = p })
	c.tellPhase(p)
}

// tellPhase says which phase begins.
func (c *Collector) tellPhase(p Phase) {
	if c.config.OnPhase != nil {
		c.config.OnPhase(p)
	}
}

// newest notes the candle that a series is known to have, if none is newer.
func (s *Snapshot) newest(opened, closed candle.Millis) {
	if opened > s.LastOpen {
		s.LastOpen, s.LastClose = opened, closed
	}
}

// noteBan keeps until when the exchange refuses us, if that is what an error says.
func (c *Collector) noteBan(err error) {
	var ban *exchange.BanError
	if errors.As(err, &ban) {
		c.count(func(n *Snapshot) {
			if ban.Until.After(n.BannedUntil) {
				n.BannedUntil = ban.Until
			}
		})
	}
}

// excused tells that the series brings no candle for a reason outside of this process: the exchange
// or the store does not answer, or answers that there is none.
func (s *follower) excused() bool {
	if !s.started {
		return s.resuming || !s.feed.up.Load()
	}
	return s.failures > 0 || s.idle > 0
}

// refresh brings the figures that are sums over the series up to date.
func (c *Collector) refresh() {
	now := time.Now()
	live, gaps, started, connected := 0, 0, 0, 0
	quiet := true
	for _, s := range c.series {
		if s.live() && (s.failures == 0 || s.ask(c.clock.now).urgency < catchUp) {
			live++
		}
		if s.started {
			started++
		}
		gaps += len(s.gaps)
		quiet = quiet && s.excused()
	}
	quiet = quiet || c.rest.failures > 0 || !c.rest.open(now)
	for _, f := range c.feeds {
		if f.up.Load() {
			connected++
		}
	}
	phase := CatchingUp
	switch {
	case started == 0:
		phase = Subscribing
	case live == len(c.series):
		phase = Live
	}
	changed := false
	c.count(func(n *Snapshot) {
		changed = phase != n.Phase
		n.Phase, n.Series, n.LiveNow, n.Connected, n.Clock, n.OpenGaps = phase, len(c.series), live, connected, c.clock.now, gaps
		n.Quiet, n.Turned = quiet, now
		if quiet || c.excused || n.Progress > n.Clock {
			n.Progress = n.Clock // what passed since the last look does not count
		}
	})
	c.excused = quiet
	if !changed {
		return
	}
	if phase == Live {
		c.log.Debug("every series is at the live edge", "series", len(c.series))
		if idle, ok := c.config.Exchange.(idleCloser); ok {
			idle.CloseIdle()
		}
	}
	c.tellPhase(phase)
}

// idleCloser is what an adapter may offer beside the contract: to close the connections that it keeps
// for the next question, which cost memory and are of no use between back-fills.
type idleCloser interface{ CloseIdle() }
