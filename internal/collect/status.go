package collect

import "velador/internal/candle"

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
	Clock      candle.Millis // the exchange's clock as far as it was heard; 0 before
	LastOpen   candle.Millis // the newest open time handed over, of any series; 0 before the first
	OpenGaps   int           // stretches that are missing and asked for
	Candles    uint64        // closed candles handed over
	Repaired   uint64        // gaps that were filled
	Absent     uint64        // gaps that were proved absent at source
	Requests   uint64        // questions of history asked
	Failures   uint64        // of them, without an answer that could be used
	Refused    uint64        // candles and gaps that the sink could not keep
	Reconnects uint64        // connections opened after the first of each feed
}

// Snapshot tells how the collector is. It may be called at any time, from anywhere; it is cheap.
func (c *Collector) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snap
}

func (c *Collector) count(change func(*Snapshot)) {
	c.mu.Lock()
	change(&c.snap)
	c.mu.Unlock()
}

func (c *Collector) setPhase(p Phase) { c.count(func(n *Snapshot) { n.Phase = p }) }

// refresh brings the figures that are sums over the series up to date.
func (c *Collector) refresh() {
	live, gaps, started, connected := 0, 0, 0, 0
	for _, s := range c.series {
		if s.live() && (s.failures == 0 || s.ask(c.clock.now).urgency < catchUp) {
			live++
		}
		if s.started {
			started++
		}
		gaps += len(s.gaps)
	}
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
	reached := false
	c.count(func(n *Snapshot) {
		reached = phase == Live && n.Phase != Live
		n.Phase, n.Series, n.LiveNow, n.Connected, n.Clock, n.OpenGaps = phase, len(c.series), live, connected, c.clock.now, gaps
	})
	if !reached {
		return
	}
	c.log.Debug("every series is at the live edge", "series", len(c.series))
	if idle, ok := c.config.Exchange.(idleCloser); ok {
		idle.CloseIdle()
	}
	if c.config.OnLive != nil {
		c.config.OnLive()
	}
}

// idleCloser is what an adapter may offer beside the contract: to close the connections that it keeps
// for the next question, which cost memory and are of no use between back-fills.
type idleCloser interface{ CloseIdle() }
