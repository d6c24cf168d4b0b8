package storetest

import (
	"errors"
	"testing"
	"time"

	"velador/internal/store"
)

// ttl is long enough for a lease to run as long as any test.
const ttl = time.Hour

func acquire(t *testing.T, s store.Store, instance string, ttl time.Duration) store.Lease {
	t.Helper()
	l, err := s.AcquireLease(within(t), instance, "host of "+instance, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func renew(t *testing.T, s store.Store, l store.Lease) store.Lease {
	t.Helper()
	renewed, err := s.RenewLease(within(t), l, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return renewed
}

func wantLost(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	if renewed, err := s.RenewLease(within(t), l, ttl); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("epoch %d of %s was renewed: %+v, %v", l.Epoch, l.Instance, renewed, err)
	}
}

func fence(t *testing.T, s store.Store, instance string) time.Duration {
	t.Helper()
	remaining, err := s.FenceLease(within(t), instance)
	if err != nil {
		t.Fatal(err)
	}
	return remaining
}

// runs tells whether what is left of a lease is at most ttl, and something.
func runs(remaining time.Duration) bool { return remaining > 0 && remaining <= ttl }

var leaseTests = []test{
	{name: "ALeaseRunsFromItsAcquisitionAndIsRenewed", run: func(t *testing.T, s store.Store) {
		l := acquire(t, s, "one", ttl)
		if l.Instance != "one" || l.Host != "host of one" || l.Epoch == 0 || !runs(l.Remaining) {
			t.Errorf("acquired: %+v", l)
		}
		again := renew(t, s, l)
		if again.Epoch != l.Epoch || again.Instance != l.Instance || again.Host != l.Host || !runs(again.Remaining) {
			t.Errorf("renewed: %+v, acquired: %+v", again, l)
		}
		short, err := s.RenewLease(t.Context(), l, time.Minute) // a shorter time is a shorter time
		if err != nil || short.Remaining > time.Minute || short.Remaining <= 0 {
			t.Errorf("renewed for a minute: %+v, %v", short, err)
		}
	}},
	{name: "AnAcquisitionEndsTheEpochBefore", beside: func(t *testing.T, d Database) {
		other := d.Open(t)
		first := acquire(t, d.Store, "one", ttl)
		second := acquire(t, other, "one", ttl)
		if second.Epoch <= first.Epoch {
			t.Errorf("epoch %d follows %d", second.Epoch, first.Epoch)
		}
		wantLost(t, d.Store, first)
		renew(t, other, second)
		if err := d.Store.ReleaseLease(t.Context(), first); err != nil {
			t.Error(err)
		}
		renew(t, other, second) // whose epoch is over releases nothing
	}},
	{name: "ALeaseThatRunsIsNotFenced", beside: func(t *testing.T, d Database) {
		l := acquire(t, d.Store, "one", ttl)
		if left := fence(t, d.Open(t), "one"); !runs(left) {
			t.Errorf("%s are left", left)
		}
		if again := renew(t, d.Store, l); again.Epoch != l.Epoch {
			t.Errorf("epoch %d became %d", l.Epoch, again.Epoch)
		}
	}},
	{name: "ALeaseThatHasRunOutMayBeRenewedUntilItIsFenced", beside: func(t *testing.T, d Database) {
		other := d.Open(t)
		l := acquire(t, d.Store, "one", 0)
		if l.Remaining != 0 {
			t.Errorf("acquired for no time: %+v", l)
		}
		l = renew(t, d.Store, l)
		if left := fence(t, other, "one"); !runs(left) {
			t.Errorf("%s are left of a lease that was renewed", left)
		}
		l, err := d.Store.RenewLease(t.Context(), l, 0)
		if err != nil {
			t.Fatal(err)
		}
		if left := fence(t, other, "one"); left != 0 {
			t.Errorf("%s are left of a lease that has run out", left)
		}
		wantLost(t, d.Store, l)
		if left := fence(t, other, "one"); left != 0 {
			t.Errorf("%s are left of a lease that was fenced", left)
		}
		if next := acquire(t, d.Store, "one", ttl); next.Epoch <= l.Epoch+1 {
			t.Errorf("epoch %d, fenced, then %d", l.Epoch, next.Epoch)
		}
	}},
	{name: "AReleasedLeaseIsOverAtOnce", run: func(t *testing.T, s store.Store) {
		l := acquire(t, s, "one", ttl)
		for range 2 {
			if err := s.ReleaseLease(t.Context(), l); err != nil {
				t.Error(err)
			}
		}
		if left := fence(t, s, "one"); left != 0 {
			t.Errorf("%s are left", left)
		}
		wantLost(t, s, l)
		all, err := s.Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Remaining != 0 {
				t.Errorf("%+v is listed as running", one)
			}
		}
		renew(t, s, acquire(t, s, "one", ttl))
	}},
	{name: "AnInstanceWithoutALeaseIsFencedAlready", run: func(t *testing.T, s store.Store) {
		if left := fence(t, s, "nobody"); left != 0 {
			t.Errorf("%s are left", left)
		}
		wantLost(t, s, store.Lease{Instance: "nobody", Epoch: 1})
		if err := s.ReleaseLease(t.Context(), store.Lease{Instance: "nobody", Epoch: 1}); err != nil {
			t.Error(err)
		}
		if all, err := s.Leases(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	}},
	{name: "LeasesAreListedByInstanceAndForgottenAfterADay", run: func(t *testing.T, s store.Store) {
		forgotten := acquire(t, s, "forgotten", -store.LeaseMemory-time.Hour)
		out := acquire(t, s, "b", -store.LeaseMemory+time.Hour)
		acquire(t, s, "B", ttl)
		acquire(t, s, "a", ttl)
		all, err := s.Leases(t.Context())
		if err != nil || len(all) != 3 {
			t.Fatalf("%+v, %v", all, err)
		}
		for i, name := range []string{"B", "a", "b"} {
			l := all[i]
			if l.Instance != name || l.Host != "host of "+name || l.Epoch == 0 || runs(l.Remaining) != (name != "b") || l.Remaining < 0 {
				t.Errorf("lease %d is %+v", i, l)
			}
		}
		renew(t, s, out)
		wantLost(t, s, forgotten)
	}},
	{name: "AnEpochIsNeverGivenTwice", beside: func(t *testing.T, d Database) {
		s := d.Store
		var last store.Lease
		for range 5 {
			l := acquire(t, s, "one", ttl)
			if l.Epoch <= last.Epoch {
				t.Errorf("epoch %d follows %d", l.Epoch, last.Epoch)
			}
			last = l
			d.Execute(t, "DELETE FROM leases")
			wantLost(t, s, last)
		}
		other := acquire(t, s, "other", ttl)
		acquire(t, s, "one", ttl)
		wantLost(t, s, store.Lease{Instance: "one", Epoch: other.Epoch})
	}},
}
