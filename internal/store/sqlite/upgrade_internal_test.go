package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

// at2 gives the path of a database of schema version 2 with two collectors and a candle.
func at2(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "velador.db")
	s := opened(t, path)
	if _, err := migrations(t, s).UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO collectors (pid, timeframe, symbol, status, started_at, exchange, since, wanted, host, instance, run_id, restarts)
			VALUES (4711, '1m', 'ETHUSDT', 'running', '2025-11-04T10:30:00.123Z', 'binance', 5, 1, 'one', 'one:/data', 'r', 3)`,
		"INSERT INTO collectors (pid, timeframe, symbol, status, started_at, stopped_at) VALUES (1, '1m', 'OLD', 'stopped', '2025-11-04T10:30:00.000Z', '2025-11-05T10:30:00.000Z')",
	} {
		if _, err := s.writer.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write(t.Context(), []store.Entry{upgradeCandle()}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
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

func migrations(t *testing.T, s *Store) *goose.Provider {
	t.Helper()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func upgradeCandle() store.Entry {
	return store.Entry{Series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}, Candle: candle.Candle{Open: candle.MustDecimal("1.0")}}
}

var upgraded = collector.Record{
	ID: 1, Spec: collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1, Since: 5}, Wanted: true, Status: collector.Running,
	Identity: collector.Identity{PID: 4711, Instance: "one:/data", RunID: "r"}, Host: "one",
	StartedAt: time.Date(2025, 11, 4, 10, 30, 0, 123e6, time.UTC), Restarts: 3, Revision: 1,
}

func TestADatabaseOfVersion2KeepsItsRows(t *testing.T) {
	t.Parallel()
	path := at2(t)
	// Several processes of the new version begin at once.
	var mu sync.Mutex
	var applied []int64
	var wg sync.WaitGroup
	for range 4 {
		s := opened(t, path)
		wg.Go(func() {
			done, err := s.Migrate(context.Background())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range done {
				applied = append(applied, m.Version)
			}
		})
	}
	wg.Wait()
	if slices.Sort(applied); !slices.Equal(applied, []int64{3, 4}) {
		t.Errorf("together they applied %v", applied)
	}
	s := opened(t, path)
	checkUpgraded(t, s)
	// The way back loses what the step added, and nothing else.
	if _, err := migrations(t, s).DownTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := s.CollectorByID(t.Context(), 1)
	if c, err := s.Coverage(t.Context(), upgradeCandle().Series, candle.Range{}); err != nil || c.Present != 1 || c.Confirmed != nil {
		t.Errorf("candles after the way back and forth: %+v, %v", c, err)
	}
	if want := upgraded; err != nil || again.Restarts != 4 || again.Spec != want.Spec || again.Revision != 1 {
		t.Errorf("after the way back and forth: %+v, %v", again, err)
	}
}

func checkUpgraded(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	all, err := s.Collectors(ctx)
	if err != nil || len(all) != 2 || all[0] != upgraded || all[1].Revision != 1 {
		t.Fatalf("the rows are\n%+v (%v), want first\n%+v", all, err, upgraded)
	}
	var exists *store.ExistsError
	if _, err := s.CreateCollector(ctx, collector.Record{Spec: upgraded.Spec}); !errors.As(err, &exists) {
		t.Errorf("a second start: %v", err)
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
	series := upgradeCandle().Series
	if c, err := s.Coverage(ctx, series, candle.Range{}); err != nil || c.Present != 1 || c.Confirmed != nil {
		t.Errorf("candles: %+v, %v", c, err)
	}
	if r, err := s.Resume(ctx, series, 10); err != nil || !r.HasLast || r.ConfirmedTo != -1 {
		t.Errorf("candles of a version without audits are to be audited from the oldest on: %+v, %v", r, err)
	}
	if w, err := s.Write(ctx, []store.Entry{{Series: series, Audit: &candle.Audit{Rows: 1}}}); err != nil || w.Confirmed != 1 {
		t.Errorf("the first audit: %+v, %v", w, err)
	}
}

func TestAStepThatFailsByItselfIsAnErrorAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := opened(t, at2(t))
	// Somebody has made a column of the same name, the last of those that the step adds.
	if _, err := s.writer.ExecContext(t.Context(), "ALTER TABLE collectors ADD COLUMN last_exit_reason TEXT"); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Migrate(t.Context()); err == nil || len(done) != 0 {
		t.Errorf("the step succeeded: %v, %v", done, err)
	}
	var columns int
	if err := s.writer.QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_table_info('collectors') WHERE name = 'revision'").Scan(&columns); err != nil || columns != 0 {
		t.Errorf("it left %d columns: %v", columns, err)
	}
	if _, err := s.writer.ExecContext(t.Context(), "ALTER TABLE collectors DROP COLUMN last_exit_reason"); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Migrate(t.Context()); err != nil || len(done) != 2 {
		t.Errorf("after it was cleared away: %v, %v", done, err)
	}
}
