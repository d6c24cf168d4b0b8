package postgres

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/store"
	"velador/internal/store/postgres/pgtest"
)

// TestLeasesGoByTheClockOfTheDatabase acquires a lease in a process whose clock says the year 2000:
// what it gets is judged by the database's clock alone.
func TestLeasesGoByTheClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	s, err := Open(t.Context(), Config{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fenceable := func(instance string) bool {
		t.Helper()
		left, err := s.FenceLease(t.Context(), instance)
		if err != nil {
			t.Fatal(err)
		}
		return left == 0
	}
	var lease store.Lease
	synctest.Test(t, func(t *testing.T) {
		if time.Now().Year() != 2000 {
			t.Fatalf("the clock says %s", time.Now())
		}
		ctx := context.Background()
		old, err := Open(ctx, Config{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if lease, err = old.AcquireLease(ctx, "one", "host", time.Hour); err != nil || lease.Remaining <= 0 || lease.Remaining > time.Hour {
			t.Errorf("acquired: %+v, %v", lease, err)
		}
		if _, err := old.AcquireLease(ctx, "two", "host", 0); err != nil {
			t.Error(err)
		}
		if left, err := old.FenceLease(ctx, "one"); err != nil || left <= 0 || left > time.Hour {
			t.Errorf("%s are left: %v", left, err)
		}
	})
	if fenceable("one") || !fenceable("two") {
		t.Error("a lease of a process whose clock is wrong is taken for another age than it has")
	}
	if _, err := s.RenewLease(t.Context(), lease, time.Hour); err != nil {
		t.Error(err)
	}
}
