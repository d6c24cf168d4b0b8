package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"velador/internal/store"
)

var leaseRaceTests = []test{
	{name: "OfAFenceAndARenewalExactlyOneSucceeds", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		const rounds, racers = 40, 6
		fencedRounds := 0
		for round := range rounds {
			// It has run out, and nobody has noticed.
			l := acquire(t, d.Store, "one", 0)
			var left [racers]time.Duration
			var errs [racers]error
			race(racers, func(i int) {
				if s := stores[i%2]; i < racers/2 {
					left[i], errs[i] = s.FenceLease(within(t), "one")
				} else {
					_, errs[i] = s.RenewLease(within(t), l, ttl)
				}
			})
			fenced, renewed := false, false
			for i, err := range errs {
				switch {
				case i < racers/2:
					fenced = fenced || left[i] == 0
					if err != nil {
						t.Errorf("round %d: FenceLease: %v", round, err)
					}
				case err == nil:
					renewed = true
				case !errors.Is(err, store.ErrLeaseLost):
					t.Errorf("round %d: RenewLease: %v", round, err)
				}
			}
			if fenced == renewed {
				t.Fatalf("round %d: fenced %v, renewed %v: %v %v", round, fenced, renewed, left, errs)
			}
			if fenced {
				fencedRounds++
				wantLost(t, d.Store, l)
			} else {
				renew(t, d.Store, l)
			}
		}
		t.Logf("%d of %d rounds were fenced", fencedRounds, rounds)
	}},
	{name: "WhatIsAcquiredBesideAFenceHolds", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		for range 20 {
			old := acquire(t, d.Store, "one", 0)
			var got store.Lease
			race(4, func(i int) {
				var err error
				if s := stores[i%2]; i == 0 {
					got, err = s.AcquireLease(within(t), "one", "host", ttl)
				} else {
					_, err = s.FenceLease(within(t), "one")
				}
				if err != nil {
					t.Error(err)
				}
			})
			if got.Epoch <= old.Epoch {
				t.Errorf("epoch %d follows %d", got.Epoch, old.Epoch)
			}
			renew(t, d.Store, got)
			wantLost(t, d.Store, old)
		}
	}},
	{name: "OfRacingAcquisitionsOneHolds", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		const racers = 12
		var leases [racers]store.Lease
		race(racers, func(i int) {
			var err error
			if leases[i], err = stores[i%2].AcquireLease(within(t), "one", "host", ttl); err != nil {
				t.Error(err)
			}
		})
		held := 0
		for i, l := range leases {
			for _, other := range leases[:i] {
				if l.Epoch == other.Epoch {
					t.Errorf("epoch %d was given twice", l.Epoch)
				}
			}
			if _, err := d.Store.RenewLease(within(t), l, ttl); err == nil {
				held++
			} else if !errors.Is(err, store.ErrLeaseLost) {
				t.Error(err)
			}
		}
		if held != 1 {
			t.Errorf("%d of %d hold", held, racers)
		}
	}},
	{name: "InstallationsThatAreForgottenAndComeBackDoNotHinderEachOther", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		const racers = 12
		for range 4 {
			// Each removes the others, whose leases ran out long ago, and takes its own.
			race(racers, func(i int) {
				if _, err := stores[i%2].AcquireLease(within(t), fmt.Sprint(i), "host", -2*store.LeaseMemory); err != nil {
					t.Error(err)
				}
			})
		}
		renew(t, d.Store, acquire(t, d.Store, "one", ttl))
	}},
}
