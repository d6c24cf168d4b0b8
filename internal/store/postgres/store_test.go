package postgres_test

import (
	"testing"

	"go.uber.org/goleak"

	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
	"velador/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(pgtest.Exit)) }

func open(t *testing.T, config postgres.Config) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		address := pgtest.Database(t)
		return storetest.Database{
			Store:   open(t, postgres.Config{URL: address}),
			Open:    func(t *testing.T) store.Store { return open(t, postgres.Config{URL: address}) },
			Execute: func(t *testing.T, statements ...string) { execute(t, address, statements...) },
		}
	})
}
