package supervise

import (
	"context"
	"sync"
	"time"

	"velador/internal/collector"
)

const (
	pulseEvery = 5 * time.Second // between two signs of life to the collectors
	watchEvery = time.Second     // between two looks at who has fallen silent
	// stalled is how late such a look may be. Beyond it this process itself stood still, and beats wait
	// to be heard.
	stalled = 5 * time.Second
)

// ear tells since when beats can be heard without an interruption.
type ear struct {
	mu    sync.Mutex
	since time.Time
}

func (e *ear) listening() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.since
}

func (e *ear) open(since time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.since = since
}

// listen takes the beats of the collectors until ctx ends.
func (a *Agent) listen(ctx context.Context) error {
	return a.cfg.Work.Beats(ctx, a.cfg.Name, func(b collector.Beat) {
		a.mu.Lock()
		x := a.runs[b.RunID]
		a.mu.Unlock()
		if x != nil {
			x.hear(b)
		}
	})
}

// pulse tells the collectors that their agent lives until ctx ends.
func (a *Agent) pulse(ctx context.Context) {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for {
		if err := a.cfg.Work.PublishPulse(a.cfg.Name); err != nil {
			a.log.Debug("the collectors were not told that their agent lives", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// watchOver has processes that live and do not work started anew, until ctx ends.
func (a *Agent) watchOver(ctx context.Context) {
	last := time.Now()
	a.ear.open(last)
	ticker := time.NewTicker(min(watchEvery, a.cfg.Silence/4))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if !a.cfg.Work.Connected() || now.Sub(last) > stalled {
			a.ear.open(now)
		}
		last = now
		for _, x := range a.all() {
			x.judge(now, a.ear.listening())
		}
	}
}

// condemnation says that a process is to be started anew, and why.
type condemnation struct{ runID, why string }

// hear takes a beat of the actor's process.
func (x *actor) hear(b collector.Beat) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen.hear(b, x.spec.Timeframe.Step(), x.agent.cfg.Silence, time.Now())
}

// judge has the actor start its process anew when it lives and does not work.
func (x *actor) judge(now, listening time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.seen.stage != tending {
		return
	}
	why := x.seen.vigil.verdict(now, listening, x.agent.cfg.Silence, x.spec.Timeframe.Step())
	if why == "" {
		return
	}
	select {
	case x.condemned <- condemnation{x.seen.process.Identity().RunID, why}:
	default: // it knows
	}
}
