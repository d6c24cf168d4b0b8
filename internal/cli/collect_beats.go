package cli

import (
	"context"
	"time"

	"velador/internal/backoff"
	"velador/internal/collect"
	"velador/internal/collector"
)

// beatPolicy spaces a collector's beats: every two seconds, and not all collectors at once.
var beatPolicy = backoff.Policy{First: 2 * time.Second, Cap: 2 * time.Second, Jitter: 0.2}

// stuckAfter is how long the collector's loop, which turns four times a second, may stand still
// before its beats end. The agent then sees a process that says nothing, and starts it anew: beats
// from beside a loop that hangs would hide it for ever.
const stuckAfter = 30 * time.Second

// beats tell the agent how the collector is.
type beats struct {
	agent   string
	life    *life
	publish func(agent string, b collector.Beat) error
	changed chan struct{} // cap 1: a phase has begun
	stuck   bool
	failing bool
}

func newBeats(agent string, l *life, publish func(string, collector.Beat) error) *beats {
	return &beats{agent: agent, life: l, publish: publish, changed: make(chan struct{}, 1)}
}

// soon asks for a beat before it is due.
func (b *beats) soon() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// run sends a beat at once, one whenever it is time or was asked for, and a last one when ctx ends.
func (b *beats) run(ctx context.Context, look func() collect.Snapshot) {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			b.send(look())
			return
		case <-due.C:
		case <-b.changed:
		}
		b.send(look())
		due.Reset(beatPolicy.Draw(0))
	}
}

// send tells how the collector is, unless its loop hangs. A person is told once for each episode.
func (b *beats) send(s collect.Snapshot) {
	stuck := hangs(s, time.Now())
	if stuck && !b.stuck {
		b.life.logger.Error("the collector's loop stands still; its agent is told no more until it turns again", "since", s.Turned)
	} else if !stuck && b.stuck {
		b.life.logger.Warn("the collector's loop turns again")
	}
	if b.stuck = stuck; stuck {
		return
	}
	beat := s.Beat()
	beat.RunID, beat.Sent = b.life.runID, time.Now().UTC()
	err := b.publish(b.agent, beat)
	if err != nil && !b.failing {
		b.life.logger.Warn("the agent cannot be told how the collector is", "error", err)
	}
	b.failing = err != nil
}

// hangs tells whether the loop stands still for a reason of its own.
func hangs(s collect.Snapshot, now time.Time) bool {
	return !s.Turned.IsZero() && !s.HandingOver && s.Phase != collect.Ended && now.Sub(s.Turned) > stuckAfter
}
