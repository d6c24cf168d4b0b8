package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

func life(id int64, run string, exit collector.Exit) collector.Life {
	return collector.Life{CollectorID: id, RunID: run, PID: 4194303, Host: "one", StartedAt: started, Exit: exit}
}

func save(t *testing.T, s store.Store, lives ...collector.Life) {
	t.Helper()
	for _, l := range lives {
		if err := s.SaveLife(t.Context(), l); err != nil {
			t.Fatalf("SaveLife %+v: %v", l, err)
		}
	}
}

func wantLives(t *testing.T, s store.Store, id int64, limit int, want ...collector.Life) {
	t.Helper()
	if got, err := s.Lives(t.Context(), id, limit); err != nil || !slices.Equal(got, want) {
		t.Errorf("the newest %d lives of %d are\n%+v (%v), want\n%+v", limit, id, got, err, want)
	}
}

var lifeTests = []test{
	{name: "LivesComeBackNewestFirstWhateverTheClockDid", run: func(t *testing.T, s store.Store) {
		r, other := create(t, s, "ETHUSDT"), create(t, s, "OTHER")
		first := life(r.ID, "a", collector.Exit{At: started.Add(time.Hour), Known: true, Code: 78, Reason: "configuración inválida"})
		second := life(r.ID, "b", collector.Exit{At: started.Add(-time.Hour), Known: true, Signal: 9})
		second.StartedAt = started.Add(-2 * time.Hour) // the clock was set back
		third := collector.Life{CollectorID: r.ID, RunID: "c"}
		others := life(other.ID, "a", collector.Exit{At: started})
		save(t, s, first, others, second, third)
		wantLives(t, s, r.ID, 10, third, second, first)
		wantLives(t, s, r.ID, 2, third, second)
		wantLives(t, s, r.ID, 0)
		wantLives(t, s, r.ID, -1)
		wantLives(t, s, other.ID, 10, others)
		wantLives(t, s, 12345, 10)
	}},
	{name: "TimesOfALifeAreKeptToTheMillisecondInUTC", run: func(t *testing.T, s store.Store) {
		l := life(create(t, s, "ETHUSDT").ID, "a", collector.Exit{At: started, Known: true})
		given := l
		given.StartedAt = started.Add(456 * time.Microsecond).In(time.FixedZone("east", 7200))
		given.Exit.At = started.Add(999 * time.Microsecond).In(time.FixedZone("west", -3600))
		save(t, s, given)
		wantLives(t, s, l.CollectorID, 1, l)
	}},
	{name: "ALifeThatIsSavedAgainStaysAsItWas", beside: func(t *testing.T, d Database) {
		s := d.Store
		r := create(t, s, "ETHUSDT")
		seen := life(r.ID, "a", collector.Exit{At: started, Known: true, Code: 3, Reason: "seen"})
		later := life(r.ID, "b", collector.Exit{At: started, Known: true})
		save(t, s, seen, later, seen)
		// Whoever did not see how it ended does not overwrite who did.
		save(t, s, life(r.ID, "a", collector.Exit{At: started.Add(time.Hour)}))
		wantLives(t, s, r.ID, 10, later, seen)
		stores := []store.Store{s, d.Open(t)}
		race(8, func(i int) {
			if err := stores[i%2].SaveLife(within(t), life(r.ID, "raced", collector.Exit{At: started})); err != nil {
				t.Error(err)
			}
		})
		wantLives(t, s, r.ID, 10, life(r.ID, "raced", collector.Exit{At: started}), later, seen)
	}},
	{name: "LastWordsMayBeAnything", run: func(t *testing.T, s store.Store) {
		r := create(t, s, "ETHUSDT")
		save(t, s, life(r.ID, "a", collector.Exit{At: started, Reason: "panic: \x00\xff\xfe 🕯 " + strings.Repeat("x", 10_000)}))
		got, err := s.Lives(t.Context(), r.ID, 1)
		if err != nil || len(got) != 1 || !strings.Contains(got[0].Exit.Reason, "🕯 xxx") {
			t.Errorf("%d lives: %v", len(got), err)
		}
		r.LastError, r.LastExit.Reason = "a\x00b", "\xff"
		update(t, s, r)
	}},
	{name: "OfALoopOfCrashesTheNewestLivesAreKept", run: func(t *testing.T, s store.Store) {
		r, other := create(t, s, "ETHUSDT"), create(t, s, "OTHER")
		save(t, s, life(other.ID, "old", collector.Exit{At: started}))
		var last collector.Life
		for i := range store.MaxLives + 3 {
			last = life(r.ID, fmt.Sprint(i), collector.Exit{At: started, Known: true, Code: 1})
			save(t, s, last)
		}
		got, err := s.Lives(t.Context(), r.ID, 2*store.MaxLives)
		if err != nil || len(got) != store.MaxLives || got[0] != last || got[len(got)-1].RunID != "3" {
			t.Errorf("%d lives are kept: %v", len(got), err)
		}
		wantLives(t, s, other.ID, 10, life(other.ID, "old", collector.Exit{At: started}))
	}},
	{name: "TheCleanUpTakesLivesWithTheirRecordAndNeverACandle", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 50}, append(bars(series, base, 50), gapEntries(gap(series, base+100*minute, base+110*minute, candle.GapOpen))...)...)
		all := candle.Range{From: base, To: base + 1000*minute}
		before, err := s.Coverage(t.Context(), series, all)
		if err != nil || before.Present != 50 || len(before.Gaps) != 1 {
			t.Fatalf("%+v, %v", before, err)
		}
		old, kept := create(t, s, "ETHUSDT"), create(t, s, "KEPT")
		left := life(kept.ID, "a", collector.Exit{At: started})
		save(t, s, life(old.ID, "a", collector.Exit{At: started}), life(old.ID, "b", collector.Exit{At: started}), left)
		stop(t, s, old, started)
		if n, err := s.DeleteStoppedCollectors(t.Context(), started.Add(time.Second)); err != nil || n != 1 {
			t.Errorf("%d were removed: %v", n, err)
		}
		wantLives(t, s, old.ID, 10)
		wantLives(t, s, kept.ID, 10, left)
		after, err := s.Coverage(t.Context(), series, all)
		if err != nil || after.Present != 50 || !slices.Equal(after.Gaps, before.Gaps) {
			t.Errorf("after the clean-up: %+v, %v", after, err)
		}
		same(t, read(t, s, store.Query{Series: series}), candlesOf(bars(series, base, 50)))
		// Its process may be buried later still.
		save(t, s, life(old.ID, "late", collector.Exit{At: started}))
		wantLives(t, s, old.ID, 10)
	}},
	{name: "ALifeThatRacesWithTheCleanUpLeavesNothing", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		for round := range 20 {
			r := stop(t, d.Store, create(t, d.Store, "ETHUSDT"), started)
			race(4, func(i int) {
				s := stores[i%2]
				if i == 0 {
					if _, err := s.DeleteStoppedCollectors(within(t), started.Add(time.Second)); err != nil {
						t.Error(err)
					}
				} else if err := s.SaveLife(within(t), life(r.ID, fmt.Sprint(i), collector.Exit{At: started})); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
			wantLives(t, d.Store, r.ID, 10)
		}
	}},
}
