package exchange

import (
	"context"
	"sync"
	"time"
)

// Defaults of a LocalBudget. The figures are Binance's (EXCHANGES.md 2.8, 2.10); another venue's
// adapter says its own with SetLimit.
const (
	DefaultWeight   = 6000        // per DefaultWindow and address
	DefaultWindow   = time.Minute // a minute of the UTC clock, not the last sixty seconds
	DefaultConnects = 300         // connection attempts per ConnectWindow and address
	ConnectWindow   = 5 * time.Minute
	sharePercent    = 80          // the rest is for others behind the same address, and for what is on its way
	windowGuard     = time.Second // our clock may run ahead of the venue's by so much
	maxRetryAfter   = 72 * time.Hour
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

	mu      sync.Mutex
	account account
	changed chan struct{} // closed and replaced when those who wait must look again
}

// NewLocalBudget starts with the default limits and nothing spent. A nil clock is the wall clock.
func NewLocalBudget(clock BudgetClock) *LocalBudget {
	if clock == nil {
		clock = wallClock{}
	}
	return &LocalBudget{clock: clock, account: newAccount(), changed: make(chan struct{})}
}

var _ Budget = (*LocalBudget)(nil)

// Spend waits until weight fits into the running window. A weight that no window could hold is let
// through when nothing else was spent, or it would wait for ever.
func (b *LocalBudget) Spend(ctx context.Context, weight int) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		if again = b.account.room(now, weight, sharePercent); again.IsZero() {
			b.account.spend(now, weight)
		}
		return again
	})
}

// Connect waits until fewer than 240 attempts lie within the last five minutes.
func (b *LocalBudget) Connect(ctx context.Context) error {
	return b.wait(ctx, func(now time.Time) (again time.Time) {
		if again = b.account.attemptRoom(now, b.account.connects*sharePercent/100); again.IsZero() {
			b.account.attempt(now)
		}
		return again
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
		if b.account.banned(now) {
			ban := b.account.ban
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

// Observe raises what counts as spent to the venue's own count. A lower count changes nothing: it
// may be an answer that was overtaken, and what is on its way is not in it.
func (b *LocalBudget) Observe(used int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.account.observe(b.clock.Now(), used) {
		b.wake()
	}
}

// SetLimit takes a limit as the venue names it; the budget spends 80 % of it. A limit or window
// that is not positive is ignored.
func (b *LocalBudget) SetLimit(weight int, window time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.account.setLimit(b.clock.Now(), weight, window) {
		b.wake()
	}
}

// Ban stops all spending until the ban's time, at most three days from now, which is the longest
// that a venue bans (EXCHANGES.md 2.8). An earlier end never shortens a ban that runs.
func (b *LocalBudget) Ban(ban BanError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.account.stop(b.clock.Now(), ban) {
		b.wake()
	}
}

// Banned gives the ban that runs now; ok is false when there is none. Whoever starts anew hands it
// on with Ban, so that a restart does not forget it.
func (b *LocalBudget) Banned() (ban BanError, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account.ban, b.account.banned(b.clock.Now())
}

// wake makes all who wait look again; the lock is held.
func (b *LocalBudget) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}
