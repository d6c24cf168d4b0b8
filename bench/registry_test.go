package bench

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

// registryRows is how many collectors the registry's benchmarks hold.
const registryRows = 500

// eachRegistry runs a benchmark on both databases, durable as in production, with registryRows rows.
func eachRegistry(b *testing.B, run func(b *testing.B, s store.Store)) {
	for name, open := range map[string]func(b *testing.B) store.Store{
		"sqlite":   sqliteStore,
		"postgres": func(b *testing.B) store.Store { return migrated(b, pgtest.Start(b, pgtest.Config{Durable: true})) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			defer s.Close()
			for i := range registryRows {
				_, err := s.CreateCollector(b.Context(), collector.Record{StartedAt: time.Now(),
					Spec: collector.Spec{Exchange: "binance", Selector: "S" + strconv.Itoa(i), Timeframe: candle.Minute1}})
				if err != nil {
					b.Fatal(err)
				}
			}
			run(b, s)
		})
	}
}

// BenchmarkRegistryVersion is what a status call asks of the database while nothing changes.
func BenchmarkRegistryVersion(b *testing.B) {
	eachRegistry(b, func(b *testing.B, s store.Store) {
		for b.Loop() {
			if _, err := s.RegistryVersion(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRegistryRead reads all rows, as a status call does when something has changed.
func BenchmarkRegistryRead(b *testing.B) {
	eachRegistry(b, func(b *testing.B, s store.Store) {
		for b.Loop() {
			if rows, err := s.Collectors(b.Context()); err != nil || len(rows) != registryRows {
				b.Fatalf("%d rows: %v", len(rows), err)
			}
		}
	})
}

// BenchmarkRegistryUpdateAll changes every row once, all at the same time, as a stop of everything
// does. Each change is durable when it returns.
func BenchmarkRegistryUpdateAll(b *testing.B) {
	eachRegistry(b, func(b *testing.B, s store.Store) {
		rows, err := s.Collectors(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			var wg sync.WaitGroup
			for i := range rows {
				wg.Go(func() {
					if err := s.UpdateCollector(b.Context(), rows[i]); err != nil {
						b.Error(err)
					}
					rows[i].Revision++
				})
			}
			wg.Wait()
		}
	})
}

// BenchmarkLeaseRenew is what an installation costs the database every few seconds.
func BenchmarkLeaseRenew(b *testing.B) {
	eachRegistry(b, func(b *testing.B, s store.Store) {
		lease, err := s.AcquireLease(b.Context(), "one", "host", time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if lease, err = s.RenewLease(b.Context(), lease, time.Minute); err != nil {
				b.Fatal(err)
			}
		}
	})
}
