package supervise

import (
	"context"
	"fmt"
	"sync"
	"time"

	"velador/internal/store"
)

// leaseDoubt is for how long the lease of an installation must have been seen run out before its
// collectors are taken for dead. After the database was away all leases have run out: in this time
// those who live renew theirs.
const leaseDoubt = 6 * time.Second

// ledger is what the tenure needs of store.Leases.
type ledger interface {
	Leases(ctx context.Context) ([]store.Lease, error)
	FenceLease(ctx context.Context, instance string) (remaining time.Duration, err error)
}

// tenure tells which other installations live, by their leases: it is all that can be known of
// processes on another machine, or in another PID namespace. It is safe for concurrent use.
type tenure struct {
	leases ledger // nil: nobody's end is ever known
	doubt  time.Duration

	mu    sync.Mutex
	known map[string]lapse
}

// lapse is what was seen of one lease. Times are of the monotonic clock.
type lapse struct {
	until time.Time // it runs until then at least
	since time.Time // it was seen run out from then on, without a longer pause between two looks
	seen  time.Time // for the last time
}

func newTenure(leases ledger, doubt time.Duration) *tenure {
	if doubt == 0 {
		doubt = leaseDoubt
	}
	return &tenure{leases: leases, doubt: doubt, known: make(map[string]lapse)}
}

// over tells whether an installation is dead for certain: its lease has run out and can no longer be
// renewed. Of one that lives the database is not asked again before its lease could have run out.
func (t *tenure) over(ctx context.Context, instance string) (bool, error) {
	if t.leases == nil || instance == "" {
		return false, nil
	}
	t.mu.Lock()
	l := t.known[instance]
	t.mu.Unlock()
	if time.Now().Before(l.until) {
		return false, nil
	}
	if _, err := t.look(ctx); err != nil {
		return false, err
	}
	if !t.doubtful(instance) {
		return false, nil
	}
	remaining, err := t.leases.FenceLease(ctx, instance)
	if err != nil {
		return false, fmt.Errorf("fence the lease of %s: %w", instance, err)
	}
	return remaining <= 0, nil
}

// look reads all leases.
func (t *tenure) look(ctx context.Context) ([]store.Lease, error) {
	all, err := t.leases.Leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the leases: %w", err)
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for instance, l := range t.known {
		if now.Sub(l.seen) > time.Hour && now.After(l.until) {
			delete(t.known, instance)
		}
	}
	for _, lease := range all {
		if lease.Remaining > 0 {
			t.known[lease.Instance] = lapse{until: now.Add(lease.Remaining)}
		}
	}
	return all, nil
}

// doubtful tells whether a lease, which does not run, has been seen so for long enough.
func (t *tenure) doubtful(instance string) bool {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.known[instance]
	if now.Before(l.until) {
		return false
	}
	// In a longer pause it may have been renewed, and the database been away.
	if l.since.IsZero() || now.Sub(l.seen) > t.doubt {
		l.since = now
	}
	l.seen = now
	t.known[instance] = l
	return now.Sub(l.since) >= t.doubt
}

// othersLive tells whether an installation other than this one lives.
func (t *tenure) othersLive(ctx context.Context, self string) (bool, error) {
	if t.leases == nil {
		return false, nil
	}
	all, err := t.look(ctx)
	for _, lease := range all {
		if lease.Instance != self && lease.Remaining > 0 {
			return true, nil
		}
	}
	return false, err
}
