package supervise

import (
	"context"
	"errors"
	"time"

	"velador/internal/proc"
)

// What processes use is measured a few at a time. One measurement takes 0.1 to 0.3 ms, nine tenths of it
// for smaps_rollup, in which the kernel walks through the memory of the process: all of 500 every ten
// seconds are half a percent of a core and more. What one go may take is bounded, so that with more of
// them, or larger ones, each has its turn later.
const (
	measureEvery = 10 * time.Second       // each process
	measureTick  = 250 * time.Millisecond // between two goes
	measureSpend = 2 * time.Millisecond   // at most in one go: 0.8 % of a core
)

// measure measures all processes again and again, until ctx ends.
func (a *Agent) measure(ctx context.Context) {
	ticker := time.NewTicker(measureTick)
	defer ticker.Stop()
	var round []*actor // who is still to be measured in this round
	var share int      // of each go, so that a round takes measureEvery
	var begun time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if len(round) == 0 && now.Sub(begun) >= measureEvery {
			round, begun = a.all(), now
			share = len(round)/int(measureEvery/measureTick) + 1
		}
		for range share {
			if len(round) == 0 || time.Since(now) >= measureSpend {
				break
			}
			a.measureOne(round[0])
			round = round[1:]
		}
	}
}

func (a *Agent) measureOne(x *actor) {
	x.mu.Lock()
	p := x.seen.process
	x.mu.Unlock()
	if p == nil {
		return
	}
	used, err := p.Usage()
	switch {
	case errors.Is(err, proc.ErrGone):
		return
	case err != nil:
		a.log.Debug("what a collector uses could not be measured", "id", x.id, "error", err)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen.measure(p, used, time.Now())
}
