package exchange

import (
	"context"
	"sync"
	"time"
)

// Defaults of a LocalBudget. The figures are Binance's (EXCHANGES.md 2.8, 2.10); another venue's
// adapter says its own with SetLimit.
const (
	DefaultWeight       = 6000        // per DefaultWindow and address
	DefaultWindow       = time.Minute // a minute of the UTC clock, not the last sixty seconds
	DefaultConnects     = 300         // connection attempts per ConnectWindow and address
	ConnectWindow       = 5 * time.Minute
	sharePercent        = 80          // the rest is for others behind the same address, and for what is on its way
	windowGuard         = time.Second // our clock may run ahead of the venue's by so much
	maxRetryAfter       = 72 * time.Hour
	connectsWithinShare = DefaultConnects * sharePercent / 100
)

// BudgetClock is the clock that a LocalBudget waits on. It is our own clock, not the venue's: a
// venue counts requests in real time, however fast a simulated market runs.
type BudgetClock interface {
	Now() time.Time
	// Timer sends once when d has passed; stop releases it.
	Timer(d time.Duration) (fired <-chan time.Time, stop func())
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

// LocalBudget is a Budget for all that one process asks of one venue. It spends at most 80 % of
// the venue's limit in each window of the UTC clock, whoever spent it: the venue's own count
// includes the other processes behind our address. It is safe for use by many goroutines.
//
// A token bucket does not fit: it would let a burst and the refill after it fall into one window,
// and it cannot be told what others have spent.
type LocalBudget struct {
	clock BudgetClock

	mu       sync.Mutex
	limit    int
	window   time.Duration
	ends     time.Time     // when the running window ends
	used     int           // weight spent in it, by us or, as the venue says, by all
	ban      BanError      // the latest ban; over when Until has passed
	attempts []time.Time   // connection attempts, a ring once it is full
	oldest   int           // where the ring begins
	changed  chan struct{} // closed and replaced when those who wait must look again
}

// NewLocalBudget starts with the default limits and nothing spent. A nil clock is the wall clock.
func NewLocalBudget(clock BudgetClock) *LocalBudget {
	if clock == nil {
		clock = wallClock{}
	}
	return &LocalBudget{clock: clock, limit: DefaultWeight, window: DefaultWindow, changed: make(chan struct{})}
}

var _ Budget = (*LocalBudget)(nil)

// Spend waits until weight fits into the running window. A weight that no window could hold is let
// through when nothing else was spent, or it would wait for ever.
func (b *LocalBudget) Spend(ctx context.Context, weight int) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		b.roll(now)
		if b.used > 0 && b.used+weight > b.limit*sharePercent/100 {
			return b.ends
		}
		b.used += weight
		return time.Time{}
	})
}

// Connect waits until fewer than 240 attempts lie within the last five minutes.
func (b *LocalBudget) Connect(ctx context.Context) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		if len(b.attempts) < connectsWithinShare {
			b.attempts = append(b.attempts, now)
			return time.Time{}
		}
		if free := b.attempts[b.oldest].Add(ConnectWindow); now.Before(free) {
			return free
		}
		b.attempts[b.oldest] = now
		b.oldest = (b.oldest + 1) % len(b.attempts)
		return time.Time{}
	})
}

// wait asks try, under the lock, until it grants by giving the zero time; until then try says when
// to ask again.
func (b *LocalBudget) wait(ctx context.Context, try func(now time.Time) (again time.Time)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.mu.Lock()
		now := b.clock.Now()
		if now.Before(b.ban.Until) {
			ban := b.ban
			b.mu.Unlock()
			return &ban
		}
		again, changed := try(now), b.changed
		b.mu.Unlock()
		if again.IsZero() {
			return nil
		}
		fired, stop := b.clock.Timer(again.Sub(now))
		select {
		case <-ctx.Done():
		case <-fired:
		case <-changed:
		}
		stop()
	}
}

// roll begins a new window when the running one is over. The guard lets the venue begin its own
// first: what is spent early would still count in its old one.
func (b *LocalBudget) roll(now time.Time) {
	if now.Before(b.ends) {
		return
	}
	b.used = 0
	b.ends = now.Add(-windowGuard).Truncate(b.window).Add(b.window + windowGuard)
}

// Observe raises what counts as spent to the venue's own count. A lower count changes nothing: it
// may be an answer that was overtaken, and what is on its way is not in it.
func (b *LocalBudget) Observe(used int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(b.clock.Now())
	b.used = max(b.used, used)
}

// SetLimit takes a limit as the venue names it; the budget spends 80 % of it. A limit or window
// that is not positive is ignored.
func (b *LocalBudget) SetLimit(weight int, window time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if weight <= 0 || window <= 0 || (weight == b.limit && window == b.window) {
		return
	}
	if window != b.window && !b.ends.IsZero() {
		// What was spent stays spent until the new kind of window ends.
		b.ends = b.clock.Now().Add(-windowGuard).Truncate(window).Add(window + windowGuard)
	}
	b.limit, b.window = weight, window
	b.wake()
}

// Ban stops all spending until the ban's time, at most three days from now, which is the longest
// that a venue bans (EXCHANGES.md 2.8). An earlier end never shortens a ban that runs.
func (b *LocalBudget) Ban(ban BanError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if latest := b.clock.Now().Add(maxRetryAfter); ban.Until.After(latest) {
		ban.Until = latest
	}
	if ban.Until.After(b.ban.Until) {
		b.ban = ban
		b.wake()
	}
}

// Banned gives the ban that runs now; ok is false when there is none. Whoever starts anew hands it
// on with Ban, so that a restart does not forget it.
func (b *LocalBudget) Banned() (ban BanError, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ban, b.clock.Now().Before(b.ban.Until)
}

// wake makes all who wait look again; the lock is held.
func (b *LocalBudget) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}
