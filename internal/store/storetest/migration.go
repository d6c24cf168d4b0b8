package storetest

import (
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

var migrationTests = []test{
	{name: "MigrateAppliesEachStepOnce", empty: true, run: func(t *testing.T, s store.Store) {
		pending, err := s.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(pending) == 0 {
			t.Fatal("there are no migrations")
		}
		for _, m := range pending {
			if !m.Applied.IsZero() || m.Name == "" || m.Version == 0 {
				t.Errorf("%+v in an empty database", m)
			}
		}
		before := time.Now().Add(-time.Minute)
		applied, err := s.Migrate(t.Context())
		if err != nil || len(applied) != len(pending) {
			t.Fatalf("Migrate applied %v of %v: %v", applied, pending, err)
		}
		done, err := s.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range done {
			if m.Version != pending[i].Version || m.Name != applied[i].Name || m.Applied.Before(before) || m.Applied.After(time.Now().Add(time.Minute)) {
				t.Errorf("after Migrate: %+v", m)
			}
		}
		if again, err := s.Migrate(t.Context()); err != nil || len(again) != 0 {
			t.Errorf("a second Migrate applied %v: %v", again, err)
		}
	}},
	{name: "WithoutTablesEverythingIsUnavailable", empty: true, run: func(t *testing.T, s store.Store) {
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping needs no tables: %v", err)
		}
		_, err := s.Write(t.Context(), bars(eth(1), 0, 1))
		_, listErr := s.Collectors(t.Context())
		_, seriesErr := s.Series(t.Context())
		_, versionErr := s.RegistryVersion(t.Context())
		lifeErr := s.SaveLife(t.Context(), collector.Life{CollectorID: 1, RunID: "r"})
		_, leaseErr := s.AcquireLease(t.Context(), "one", "host", time.Minute)
		_, fenceErr := s.FenceLease(t.Context(), "one")
		for _, err := range []error{err, listErr, seriesErr, versionErr, lifeErr, leaseErr, fenceErr} {
			if problem.KindOf(err) != problem.Unavailable || problem.CodeOf(err) != problem.CodeDatabaseUnavailable {
				t.Errorf("without tables: %v", err)
			}
		}
	}},
}
