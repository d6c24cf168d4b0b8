package postgres

import (
	"errors"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

func started(t *testing.T, s *Store, selector string) collector.Record {
	t.Helper()
	r, err := s.CreateCollector(t.Context(), collector.Record{Spec: collector.Spec{Exchange: "binance", Selector: selector, Timeframe: candle.Minute1}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestADeadlockWithSomebodyWhoChangesRowsByHandIsResolved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := opened(t)
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	a, b := started(t, s, "AAA"), started(t, s, "BBB")
	// By hand: row a, and with it the version, then row b. Ours: row b, then the version.
	hand, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Rollback(ctx)
	if _, err := hand.Exec(ctx, "SET LOCAL deadlock_timeout = '1min'"); err != nil { // so that ours is the victim
		t.Fatal(err)
	}
	if _, err := hand.Exec(ctx, "UPDATE collectors SET last_error = 'by hand' WHERE id = $1", a.ID); err != nil {
		t.Fatal(err)
	}
	var ours error
	var wg sync.WaitGroup
	wg.Go(func() { ours = s.UpdateCollector(ctx, b) })
	for waiting := 0; waiting == 0; {
		if err := s.pool.QueryRow(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
			WHERE NOT l.granted AND a.datname = current_database()`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hand.Exec(ctx, "UPDATE collectors SET last_error = 'by hand' WHERE id = $1", b.ID); err != nil {
		t.Fatal(err)
	}
	if err := hand.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if !errors.Is(ours, store.ErrConflict) {
		t.Errorf("a change that met another one by hand: %v", ours)
	}
}

func TestAStricterIsolationChangesNoAnswer(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: pgtest.Database(t) + "&default_transaction_isolation=serializable"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const racers = 4
	row := started(t, s, "AAA")
	lease, err := s.AcquireLease(t.Context(), "one", "host", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		var won, lost int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range racers {
			wg.Go(func() {
				err := s.UpdateCollector(t.Context(), row)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, store.ErrConflict):
					lost++
				default:
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := s.RenewLease(t.Context(), lease, time.Hour); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if won != 1 || lost != racers-1 {
			t.Fatalf("%d changes of one revision succeeded, %d were conflicts", won, lost)
		}
		row.Revision++
	}
}
