package postgres

import (
	"context"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

// TestNothingIsLeftBehindInASession holds what a pooler by transaction, such as pgbouncer, needs: no
// prepared statement, no temporary table, no lock and no setting that a later statement relies on.
func TestNothingIsLeftBehindInASession(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: pgtest.Database(t), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var server int
	if err := s.pool.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&server); err != nil {
		t.Fatal(err)
	}
	series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	many := make([]store.Entry, 3*smallBatch)
	for i := range many {
		many[i] = store.Entry{Series: series, Candle: candle.Candle{OpenTime: candle.Millis(i) * 60_000}}
	}
	for _, entries := range [][]store.Entry{many[:2], many, many} {
		if _, err := s.Write(ctx, entries); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.CreateCollector(ctx, collector.Record{Spec: collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1}})
	if err == nil {
		err = s.UpdateCollector(ctx, r)
	}
	if err == nil {
		_, err = s.DeleteStoppedCollectors(ctx, time.Now())
	}
	if err == nil {
		_, err = s.RegistryVersion(ctx)
	}
	if err == nil {
		err = s.SaveLife(ctx, collector.Life{CollectorID: r.ID, RunID: "r"})
	}
	if err == nil {
		_, err = s.Lives(ctx, r.ID, 10)
	}
	var lease store.Lease
	if err == nil {
		lease, err = s.AcquireLease(ctx, "one", "host", time.Minute)
	}
	if err == nil {
		lease, err = s.RenewLease(ctx, lease, time.Minute)
	}
	if err == nil {
		_, err = s.FenceLease(ctx, "one")
	}
	if err == nil {
		_, err = s.Leases(ctx)
	}
	if err == nil {
		err = s.ReleaseLease(ctx, lease)
	}
	if err == nil {
		_, err = s.Resume(ctx, series, 1000)
	}
	if err == nil {
		err = s.EachCandle(ctx, store.Query{Series: series}, func(candle.Candle) error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	var left, now int
	if err := s.pool.QueryRow(ctx, `SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements)
		+ (SELECT count(*) FROM pg_class WHERE relpersistence = 't') + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
		+ (SELECT count(*) FROM pg_settings WHERE source = 'session')`).Scan(&now, &left); err != nil {
		t.Fatal(err)
	}
	if left != 0 || now != server {
		t.Errorf("%d things are left behind in session %d (it was %d)", left, now, server)
	}
}
