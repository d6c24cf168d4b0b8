package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/store"
)

// leases are those of one database, by the clock of the test.
type leases struct {
	mu    sync.Mutex
	lease store.Lease
	until time.Time
	away  atomic.Bool
}

var errDatabaseAway = errors.New("the database is away")

func (l *leases) do(f func() error) error {
	if l.away.Load() {
		return errDatabaseAway
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return f()
}

func (l *leases) AcquireLease(_ context.Context, instance, host string, ttl time.Duration) (got store.Lease, err error) {
	err = l.do(func() error {
		l.lease = store.Lease{Instance: instance, Host: host, Epoch: l.lease.Epoch + 1}
		l.until, got = time.Now().Add(ttl), l.lease
		return nil
	})
	return got, err
}

func (l *leases) RenewLease(_ context.Context, held store.Lease, ttl time.Duration) (store.Lease, error) {
	return held, l.do(func() error {
		if l.lease.Epoch != held.Epoch {
			return store.ErrLeaseLost
		}
		l.until = time.Now().Add(ttl)
		return nil
	})
}

func (l *leases) ReleaseLease(_ context.Context, held store.Lease) error {
	return l.do(func() error {
		if l.lease.Epoch == held.Epoch {
			l.until = time.Now()
			l.lease.Epoch++
		}
		return nil
	})
}

func (l *leases) FenceLease(context.Context, string) (remaining time.Duration, err error) {
	err = l.do(func() error {
		if remaining = max(0, time.Until(l.until)); remaining == 0 {
			l.lease.Epoch++
		}
		return nil
	})
	return remaining, err
}

func (l *leases) Leases(context.Context) (all []store.Lease, err error) {
	err = l.do(func() error {
		if l.lease.Instance != "" {
			all = append(all, l.lease)
		}
		return nil
	})
	return all, err
}

// player is a server that wants to write.
type player struct {
	turn    *Turn
	stop    func() // gracefully
	turns   atomic.Int64
	writing atomic.Bool
}

// play runs one until the end of the test; together counts how many write at once.
func play(t *testing.T, l Leases, holder string, together *atomic.Int64) *player {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &player{turn: &Turn{Leases: l, Name: "bus", Holder: holder, Logger: slog.New(slog.DiscardHandler)}}
	ended := make(chan error, 1)
	go func() {
		ended <- p.turn.Run(ctx, func(ctx context.Context) error {
			if n := together.Add(1); n > 1 {
				t.Errorf("%d write at once", n)
			}
			p.turns.Add(1)
			p.writing.Store(true)
			<-ctx.Done()
			time.Sleep(DefaultGrace) // its last batch
			p.writing.Store(false)
			together.Add(-1)
			return nil
		})
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func TestOneServerOfABusWritesAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l leases
		var together atomic.Int64
		// Both come at the same moment.
		a, b := play(t, &l, "a", &together), play(t, &l, "b", &together)
		time.Sleep(10 * time.Minute)
		if a.turns.Load()+b.turns.Load() != 1 || a.turn.Held() == b.turn.Held() {
			t.Fatalf("in ten minutes they had %d and %d turns", a.turns.Load(), b.turns.Load())
		}
		first, second := a, b
		if b.writing.Load() {
			first, second = b, a
		}
		// One that ends gives its turn to the other, which need not wait for the lease to run out.
		first.stop()
		time.Sleep(2*turnLook + turnSettle)
		if !second.writing.Load() || !second.turn.Held() || first.turn.Held() {
			t.Error("nobody writes after the first one's end")
		}
	})
}

func TestATurnEndsBeforeItsLeaseAndComesBackWithTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l leases
		var together atomic.Int64
		a := play(t, &l, "a", &together)
		time.Sleep(time.Minute)
		b := play(t, &l, "b", &together)
		time.Sleep(time.Minute)
		l.away.Store(true)
		time.Sleep(turnTTL - time.Second)
		if a.writing.Load() || a.turn.Held() {
			t.Error("one that cannot renew its lease writes until it runs out")
		}
		time.Sleep(time.Hour)
		if together.Load() != 0 {
			t.Error("somebody writes to a database that is away")
		}
		l.away.Store(false)
		time.Sleep(time.Minute)
		if together.Load() != 1 || a.writing.Load() == b.writing.Load() {
			t.Errorf("%d write after it is back", together.Load())
		}
	})
}

func TestOneThatWasFrozenLosesItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l leases
		var together atomic.Int64
		a := play(t, &l, "a", &together)
		time.Sleep(time.Minute)
		l.mu.Lock()
		l.lease.Epoch++ // as another one does that has seen the lease run out
		l.until = time.Now()
		l.mu.Unlock()
		time.Sleep(turnRenew + DefaultGrace - time.Second)
		if !a.writing.Load() {
			t.Fatal("its last batch had no time")
		}
		time.Sleep(time.Minute)
		if a.turns.Load() != 2 || !a.writing.Load() {
			t.Errorf("it had %d turns", a.turns.Load())
		}
	})
}

func TestTheNextLifeOfAnInstallationNeedNotWaitForTheLeaseOfTheOneThatDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l leases
		if _, err := l.AcquireLease(t.Context(), "bus", "a", turnTTL); err != nil {
			t.Fatal(err)
		}
		var together atomic.Int64
		b, a := play(t, &l, "b", &together), play(t, &l, "a", &together)
		time.Sleep(turnLook)
		if !a.writing.Load() || b.writing.Load() {
			t.Error("it waits for itself")
		}
	})
}
