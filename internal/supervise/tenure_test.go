package supervise

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/store"
)

// ledgerOf is that of a database that can be away.
type ledgerOf struct {
	until  map[string]time.Time
	fenced map[string]int
	read   int
	away   bool
}

func (l *ledgerOf) Leases(context.Context) (list []store.Lease, err error) {
	l.read++
	if l.away {
		return nil, errors.New("away")
	}
	for instance, until := range l.until {
		list = append(list, store.Lease{Instance: instance, Remaining: max(0, time.Until(until))})
	}
	return list, nil
}

func (l *ledgerOf) FenceLease(_ context.Context, instance string) (time.Duration, error) {
	if l.away {
		return 0, errors.New("away")
	}
	remaining := max(0, time.Until(l.until[instance]))
	if remaining == 0 {
		l.fenced[instance]++
	}
	return remaining, nil
}

func TestInstallationIsDeadWhenItsLeaseHasLongRunOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &ledgerOf{until: map[string]time.Time{"it": time.Now().Add(15 * time.Second)}, fenced: map[string]int{}}
		tenure := newTenure(db, 0)
		over := func(want bool) {
			t.Helper()
			if got, err := tenure.over(t.Context(), "it"); got != want || err != nil {
				t.Fatalf("over is %t, error %v", got, err)
			}
		}
		for range 14 {
			over(false)
			time.Sleep(time.Second)
		}
		if db.read != 1 {
			t.Errorf("of a lease that runs it was asked %d times", db.read)
		}
		for range 7 { // it has run out, and may be renewed yet
			over(false)
			if len(db.fenced) != 0 {
				t.Fatal("it was fenced")
			}
			time.Sleep(time.Second)
		}
		over(true)
		if db.fenced["it"] != 1 {
			t.Errorf("fenced %v", db.fenced)
		}
		db.until["it"] = time.Now().Add(15 * time.Second) // it is back
		over(false)
	})
}

func TestDatabaseThatWasAwayMakesNobodyDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &ledgerOf{until: map[string]time.Time{"it": time.Now().Add(15 * time.Second)}, fenced: map[string]int{}}
		tenure := newTenure(db, 0)
		if over, err := tenure.over(t.Context(), "it"); over || err != nil {
			t.Fatal(over, err)
		}
		db.away = true
		for range 30 {
			time.Sleep(2 * time.Second)
			if over, err := tenure.over(t.Context(), "it"); over {
				t.Fatal("it is called dead without a database", err)
			}
		}
		db.away = false
		if over, err := tenure.over(t.Context(), "it"); over || err != nil {
			t.Fatal("it had no time to renew its lease:", over, err)
		}
		time.Sleep(4 * time.Second)
		db.until["it"] = time.Now().Add(15 * time.Second)
		time.Sleep(2 * time.Second)
		if over, err := tenure.over(t.Context(), "it"); over || err != nil || len(db.fenced) != 0 {
			t.Fatal("it has renewed its lease:", over, err)
		}
	})
}

func TestLongPauseBetweenTwoLooksProvesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &ledgerOf{until: map[string]time.Time{}, fenced: map[string]int{}}
		tenure := newTenure(db, 0)
		for range 5 {
			if over, err := tenure.over(t.Context(), "it"); over || err != nil {
				t.Fatal(over, err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestLeasesOfOthersTellWhetherOthersLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &ledgerOf{until: map[string]time.Time{"me": time.Now().Add(time.Hour), "dead": {}}}
		if live, err := newTenure(db, 0).othersLive(t.Context(), "me"); live || err != nil {
			t.Error(live, err)
		}
		db.until["other"] = time.Now().Add(time.Second)
		if live, err := newTenure(db, 0).othersLive(t.Context(), "me"); !live || err != nil {
			t.Error(live, err)
		}
		if live, err := newTenure(nil, 0).othersLive(t.Context(), "me"); live || err != nil {
			t.Error(live, err)
		}
	})
}
