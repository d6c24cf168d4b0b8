package cli

import (
	"context"
	"errors"
	"time"
)

// errOrphaned ends a collector that nobody looks after any more (SUPERVISION.md rule 8): otherwise
// processes of a server that never comes back would collect for ever.
var errOrphaned = errors.New("nobody looks after this collector any more, so it has ended itself; the server resumes it at its next start")

// orphanLook is how often a collector looks how long its agent has been silent, at least.
const orphanLook = 10 * time.Second

// silence adds up the time in which nothing was heard. It is measured from look to look by the
// monotonic clock, and a look that comes late counts as one that came in time: while the machine was
// suspended, or the process stopped, nothing could be heard.
type silence struct {
	limit  time.Duration
	every  time.Duration // between two looks
	lasted time.Duration
	looked time.Time
}

func newSilence(limit time.Duration, now time.Time) silence {
	return silence{limit: limit, every: min(orphanLook, max(limit/16, time.Millisecond)), looked: now}
}

// look tells whether the silence has reached its limit.
func (s *silence) look(now time.Time) bool {
	s.lasted += min(now.Sub(s.looked), s.every+s.every/2)
	s.looked = now
	return s.lasted >= s.limit
}

// broken notes that something was heard.
func (s *silence) broken(now time.Time) { s.lasted, s.looked = 0, now }

// orphanWatch tells when the agent has been silent for too long.
type orphanWatch struct {
	after time.Duration // 0: never
	heard chan struct{} // cap 1
}

func newOrphanWatch(after time.Duration) *orphanWatch {
	return &orphanWatch{after: after, heard: make(chan struct{}, 1)}
}

// pulse notes that the agent lives.
func (w *orphanWatch) pulse() {
	select {
	case w.heard <- struct{}{}:
	default:
	}
}

// run watches until the agent has been silent for too long, which it tells, or until ctx ends.
func (w *orphanWatch) run(ctx context.Context) (orphaned bool) {
	if w.after <= 0 {
		return false
	}
	s := newSilence(w.after, time.Now())
	looks := time.NewTicker(s.every)
	defer looks.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-w.heard:
			s.broken(time.Now())
		case <-looks.C:
			// A pulse that waits counts before the silence does.
			select {
			case <-w.heard:
				s.broken(time.Now())
			default:
				if s.look(time.Now()) {
					return true
				}
			}
		}
	}
}
