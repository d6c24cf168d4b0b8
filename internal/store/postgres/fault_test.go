package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
)

func migrated(t *testing.T, address string) *postgres.Store {
	t.Helper()
	s := open(t, postgres.Config{URL: address})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// minutes makes n candles in a row, from the k-th minute on.
func minutes(k, n int) []store.Entry {
	entries := make([]store.Entry, n)
	for i := range entries {
		entries[i] = oneCandle()[0]
		entries[i].Candle.OpenTime = candle.Millis(k+i) * 60_000
	}
	return entries
}

func present(t *testing.T, s store.Store) int64 {
	t.Helper()
	c, err := s.Coverage(t.Context(), oneCandle()[0].Series, candle.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Present
}

func TestTheNextCallAfterARestartWorks(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Config{})
	s := migrated(t, server.Database(t))
	for round := range 3 {
		if _, err := s.Write(t.Context(), minutes(round*10, 10)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		server.Restart(t)
		if _, err := s.Collectors(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if n := present(t, s); n != 30 {
		t.Errorf("%d candles are stored", n)
	}
}

// TestKilledConnectionsLeaveWholeBatches kills every connection of a busy writer again and again:
// a Write either happened or did not, its error is Unavailable, and writing again completes it.
func TestKilledConnectionsLeaveWholeBatches(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Config{})
	s := migrated(t, server.Database(t))
	const perBatch = 5000
	killer, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stopKilling := context.WithCancel(t.Context())
	defer stopKilling()
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := killer.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	failures := 0
	for batch := range 10 {
		for attempt := 0; ; attempt++ {
			if failures == 30 {
				stopKilling() // that is enough
			}
			before := int64(batch * perBatch)
			_, err := s.Write(t.Context(), minutes(batch*perBatch, perBatch))
			if err == nil {
				break
			}
			failures++
			if problem.KindOf(err) != problem.Unavailable || failures > 60 {
				t.Fatalf("a killed connection, attempt %d: %v", attempt, err)
			}
			if c, err := s.Coverage(t.Context(), oneCandle()[0].Series, candle.Range{}); err == nil && c.Present != before && c.Present != before+perBatch {
				t.Errorf("batch %d left %d candles", batch, c.Present)
			}
		}
	}
	stopKilling()
	wg.Wait()
	if err := killer.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes failed", failures)
	if n := present(t, s); n != 10*perBatch {
		t.Errorf("%d candles are stored", n)
	}
}

func TestADatabaseThatHangsIsGivenUpAtTheDeadline(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Config{})
	s := migrated(t, server.Database(t))
	if _, err := s.Write(t.Context(), minutes(0, 10)); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	calls := map[string]func(context.Context) error{
		"Ping":       s.Ping,
		"Write":      func(ctx context.Context) error { _, err := s.Write(ctx, minutes(10, 10)); return err },
		"Collectors": func(ctx context.Context) error { _, err := s.Collectors(ctx); return err },
		"Migrate":    func(ctx context.Context) error { _, err := s.Migrate(ctx); return err },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := call(ctx)
		cancel()
		if problem.CodeOf(err) != problem.CodeDatabaseUnavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.Resume(t)
	if _, err := s.Write(t.Context(), minutes(10, 10)); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if n := present(t, s); n != 20 {
		t.Errorf("%d candles are stored", n)
	}
}
