package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// race calls do n times at once.
func race(n int, do func(i int)) {
	var wg sync.WaitGroup
	gun := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gun
			do(i)
		})
	}
	close(gun)
	wg.Wait()
}

var revisionTests = []test{
	{name: "AChangeOfWhatHasChangedSinceItWasReadIsAConflict", run: func(t *testing.T, s store.Store) {
		seen := create(t, s, "ETHUSDT")
		current := seen
		current.LastError = "the first to write"
		current = update(t, s, current)
		for _, revision := range []int64{0, seen.Revision, current.Revision + 1, -1} {
			late := seen
			late.Revision, late.LastError = revision, "too late"
			if err := s.UpdateCollector(t.Context(), late); !errors.Is(err, store.ErrConflict) {
				t.Errorf("revision %d of %d: %v", revision, current.Revision, err)
			}
		}
		if got, err := s.CollectorByID(t.Context(), seen.ID); err != nil || got != current {
			t.Errorf("after the conflicts:\n%+v (%v), want\n%+v", got, err, current)
		}
		current = stop(t, s, current, started)
		if _, err := s.DeleteStoppedCollectors(t.Context(), started.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := s.UpdateCollector(t.Context(), current); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			t.Errorf("a change of a row that is gone: %v", err)
		}
	}},
	{name: "OfRacingChangesOfOneRevisionExactlyOneWins", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		row := create(t, d.Store, "ETHUSDT")
		for range 5 {
			const racers = 16
			errs := make([]error, racers)
			race(racers, func(i int) {
				mine := row
				mine.Restarts = i
				errs[i] = stores[i%len(stores)].UpdateCollector(within(t), mine)
			})
			winner := slices.IndexFunc(errs, func(err error) bool { return err == nil })
			for i, err := range errs {
				if i != winner && !errors.Is(err, store.ErrConflict) {
					t.Errorf("racer %d beside the winner %d: %v", i, winner, err)
				}
			}
			got, err := d.Store.CollectorByID(t.Context(), row.ID)
			if err != nil || got.Restarts != winner || got.Revision != row.Revision+1 {
				t.Fatalf("racer %d won, and the row is %+v: %v", winner, got, err)
			}
			row = got
		}
	}},
	{name: "ChangesThatReadAgainAfterAConflictAreAllKept", beside: func(t *testing.T, d Database) {
		const workers, each = 6, 8
		stores := []store.Store{d.Store, d.Open(t)}
		row := create(t, d.Store, "ETHUSDT")
		var mu sync.Mutex
		var won []int64 // the revisions from which a change was made
		race(workers, func(i int) {
			s, ctx := stores[i%len(stores)], within(t)
			for n := 0; n < each; {
				mine, err := s.CollectorByID(ctx, row.ID)
				if err != nil {
					t.Error(err)
					return
				}
				mine.Restarts++
				switch err := s.UpdateCollector(ctx, mine); {
				case err == nil:
					n++
					mu.Lock()
					won = append(won, mine.Revision)
					mu.Unlock()
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
		slices.Sort(won)
		if n := len(slices.Compact(slices.Clone(won))); n != len(won) || n != workers*each {
			t.Errorf("%d changes were made from %d revisions: %v", len(won), n, won)
		}
		if got, err := d.Store.CollectorByID(t.Context(), row.ID); err != nil || got.Restarts != workers*each || got.Revision != row.Revision+workers*each {
			t.Errorf("after %d changes: %+v, %v", workers*each, got, err)
		}
	}},
	{name: "AChangeByHandIsANewRevision", beside: func(t *testing.T, d Database) {
		s := d.Store
		a, b := create(t, s, "AAA"), create(t, s, "BBB")
		d.Execute(t, "UPDATE collectors SET status = 'error', last_error = 'by hand'")
		for _, r := range []collector.Record{a, b} {
			if err := s.UpdateCollector(t.Context(), r); !errors.Is(err, store.ErrConflict) {
				t.Errorf("a change that has not seen the one by hand: %v", err)
			}
			got, err := s.CollectorByID(t.Context(), r.ID)
			if err != nil || got.Revision != r.Revision+1 || got.LastError != "by hand" {
				t.Errorf("after the change by hand: %+v, %v", got, err)
			}
			update(t, s, got)
		}
		// A program that knows the contract's columns alone.
		d.Execute(t, "INSERT INTO collectors (pid, timeframe, symbol) VALUES (4711, '1m', 'CCC')")
		foreign, err := s.CollectorsByPID(t.Context(), 4711)
		if err != nil || len(foreign) != 1 || foreign[0].Revision == 0 || foreign[0].Wanted || foreign[0].LastExit != (collector.Exit{}) {
			t.Fatalf("a row of another program: %+v, %v", foreign, err)
		}
		stop(t, s, foreign[0], started)
	}},
}
