package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
)

func execute(t *testing.T, address string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestAnOlderTableOfCollectorsKeepsItsRows migrates what an older deployment may have: the
// contract's columns alone, times with or without a zone, symbols in a narrow column.
func TestAnOlderTableOfCollectorsKeepsItsRows(t *testing.T) {
	t.Parallel()
	for name, timeType := range map[string]string{"with zone": "timestamptz", "without zone": "timestamp", "milliseconds": "timestamp(3)"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Database(t)
			execute(t, address,
				"CREATE TABLE collectors (id serial PRIMARY KEY, pid integer NOT NULL, timeframe varchar(10) NOT NULL, symbol varchar(20) NOT NULL,"+
					" status varchar(20) NOT NULL DEFAULT 'running', started_at "+timeType+" NOT NULL DEFAULT now(), stopped_at "+timeType+")",
				"CREATE INDEX idx_collectors_status ON collectors (status)",
				"CREATE INDEX idx_collectors_symbol_timeframe ON collectors (symbol, timeframe)",
				"SET timezone = 'UTC'",
				"INSERT INTO collectors (pid, timeframe, symbol, started_at) VALUES (12345, '1m', 'ETHUSDT', '2025-11-04 10:30:00.123')",
				"INSERT INTO collectors (pid, timeframe, symbol, started_at) VALUES (12346, '1m', 'ETHUSDT', '2025-11-04 10:31:00')",
				"INSERT INTO collectors (pid, timeframe, symbol, status, started_at, stopped_at) VALUES (12347, '7m', 'BTCUSDT', 'stopped', '2025-11-04 10:30:00', '2025-11-05 10:30:00')")
			s := migrated(t, address)
			all, err := s.Collectors(t.Context())
			if err != nil || len(all) != 3 {
				t.Fatalf("%+v, %v", all, err)
			}
			want := collector.Record{ID: 1, Spec: collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1},
				Status: collector.Running, Identity: collector.Identity{PID: 12345}, StartedAt: time.Date(2025, 11, 4, 10, 30, 0, 123e6, time.UTC), Revision: 1}
			if all[0] != want {
				t.Errorf("an older row is\n%+v, want\n%+v", all[0], want)
			}
			// A timeframe that never existed does not hide the others.
			if last := all[2]; last.Spec.Timeframe.Valid() || last.Status != collector.Stopped || !last.StoppedAt.Equal(time.Date(2025, 11, 5, 10, 30, 0, 0, time.UTC)) {
				t.Errorf("the odd row is %+v", last)
			}
			r, err := s.CreateCollector(t.Context(), collector.Record{Spec: want.Spec})
			if err != nil || r.ID != 4 {
				t.Errorf("a new collector after the older ones: %+v, %v", r, err)
			}
			// Programs that know the contract's columns alone still write.
			execute(t, address, "INSERT INTO collectors (pid, timeframe, symbol) VALUES (1, '1m', 'ETHUSDT')")
		})
	}
}

func TestSeveralMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for range 5 {
		s := open(t, postgres.Config{URL: address})
		wg.Go(func() {
			list, err := s.Migrate(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			applied += len(list)
		})
	}
	wg.Wait()
	s := open(t, postgres.Config{URL: address})
	all, err := s.Migrations(t.Context())
	if err != nil || applied != len(all) {
		t.Errorf("together they applied %d of %d steps: %v", applied, len(all), err)
	}
}
