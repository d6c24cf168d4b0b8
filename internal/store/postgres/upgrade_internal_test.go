package postgres

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

// steps gives the database of s as goose needs it.
func steps(t *testing.T, s *Store) *sql.DB {
	t.Helper()
	db := stdlib.OpenDB(*s.direct.Copy())
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: pgtest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func execute(t *testing.T, s *Store, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestADatabaseOfVersion2KeepsItsRows(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := opened(t)
	goose, err := newProvider(steps(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := goose.UpTo(ctx, 2); err != nil {
		t.Fatal(err)
	}
	execute(t, s,
		`INSERT INTO collectors (pid, timeframe, symbol, status, started_at, exchange, since, wanted, host, instance, run_id, restarts)
			VALUES (4711, '1m', 'ETHUSDT', 'running', '2025-11-04T10:30:00.123Z', 'binance', 5, true, 'one', 'one:/data', 'r', 3)`,
		"INSERT INTO collectors (pid, timeframe, symbol, status, started_at, stopped_at) VALUES (1, '1m', 'OLD', 'stopped', '2025-11-04T10:30:00Z', '2025-11-05T10:30:00Z')",
		"INSERT INTO series (exchange, symbol, timeframe) VALUES ('binance', 'ETHUSDT', '1m')",
		"INSERT INTO candles (series_id, open_time, close_time, trades, open) SELECT id, 0, 0, 0, 1.0 FROM series")
	series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	if done, err := s.Migrate(ctx); err != nil || len(done) != 2 || done[0].Version != 3 || done[1].Version != 4 {
		t.Fatalf("Migrate applied %+v: %v", done, err)
	}
	want := collector.Record{
		ID: 1, Spec: collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1, Since: 5}, Wanted: true, Status: collector.Running,
		Identity: collector.Identity{PID: 4711, Instance: "one:/data", RunID: "r"}, Host: "one",
		StartedAt: time.Date(2025, 11, 4, 10, 30, 0, 123e6, time.UTC), Restarts: 3, Revision: 1,
	}
	all, err := s.Collectors(ctx)
	if err != nil || len(all) != 2 || all[0] != want || all[1].Revision != 1 {
		t.Fatalf("the rows are\n%+v (%v), want first\n%+v", all, err, want)
	}
	before, err := s.RegistryVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := all[0]
	r.Restarts++
	if err := s.UpdateCollector(ctx, r); err != nil {
		t.Error(err)
	}
	if err := s.UpdateCollector(ctx, r); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same change again: %v", err)
	}
	if after, err := s.RegistryVersion(ctx); err != nil || after <= before {
		t.Errorf("version %d after %d: %v", after, before, err)
	}
	if err := s.SaveLife(ctx, collector.Life{CollectorID: 2, RunID: "r"}); err != nil {
		t.Error(err)
	}
	if n, err := s.DeleteStoppedCollectors(ctx, time.Now()); err != nil || n != 1 {
		t.Errorf("%d were removed: %v", n, err)
	}
	if lives, err := s.Lives(ctx, 2, 10); err != nil || len(lives) != 0 {
		t.Errorf("%+v, %v", lives, err)
	}
	if c, err := s.Coverage(ctx, series, candle.Range{}); err != nil || c.Present != 1 || c.Confirmed != nil {
		t.Errorf("candles: %+v, %v", c, err)
	}
	if r, err := s.Resume(ctx, series, 10); err != nil || !r.HasLast || r.ConfirmedTo != -1 {
		t.Errorf("candles of a version without audits are to be audited from the oldest on: %+v, %v", r, err)
	}
	if w, err := s.Write(ctx, []store.Entry{{Series: series, Audit: &candle.Audit{Rows: 1}}}); err != nil || w.Confirmed != 1 {
		t.Errorf("the first audit: %+v, %v", w, err)
	}
	// The way back loses what the step added, and nothing else.
	if _, err := goose.DownTo(ctx, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Coverage(ctx, series, candle.Range{}); err != nil || c.Present != 1 || c.Confirmed != nil {
		t.Errorf("candles after the way back and forth: %+v, %v", c, err)
	}
	want.Restarts++
	if again, err := s.CollectorByID(ctx, 1); err != nil || again != want {
		t.Errorf("after the way back and forth:\n%+v (%v), want\n%+v", again, err, want)
	}
}

// TestTheVersionAppearsWithTheChangeThatItCounts holds a change open: until it is committed neither
// its row nor its version is seen, and one that is taken back leaves no trace.
func TestTheVersionAppearsWithTheChangeThatItCounts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := opened(t)
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	version := func() int64 {
		t.Helper()
		n, err := s.RegistryVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := version()
	for _, commit := range []bool{false, true} {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO collectors (timeframe, symbol) VALUES ('1m', 'ETHUSDT')"); err != nil {
			t.Fatal(err)
		}
		if now := version(); now != before {
			t.Errorf("version %d was seen before its change was committed", now)
		}
		if !commit {
			err = tx.Rollback(ctx)
		} else {
			err = tx.Commit(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		if now := version(); (now > before) != commit || now < before {
			t.Errorf("version %d after %d; committed: %v", now, before, commit)
		}
	}
	before = version()
	execute(t, s, "TRUNCATE collectors CASCADE")
	if now := version(); now <= before {
		t.Errorf("version %d after a TRUNCATE, %d before", now, before)
	}
	before = version()
	execute(t, s, "UPDATE collectors SET status = 'stopped'", "DELETE FROM collectors")
	if now := version(); now != before {
		t.Errorf("nothing changed, and the version went from %d to %d", before, now)
	}
}
