package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

var started = time.Date(2025, 11, 4, 10, 30, 0, 123_000_000, time.UTC)

func spec(selector string) collector.Spec {
	return collector.Spec{Exchange: "binance", Selector: selector, Timeframe: candle.Minute1, Since: 1_700_000_000_000}
}

func create(t *testing.T, s store.Store, selector string) collector.Record {
	t.Helper()
	r, err := s.CreateCollector(t.Context(), collector.Record{Spec: spec(selector), StartedAt: started, Host: "one"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// update gives the record as it is stored then.
func update(t *testing.T, s store.Store, r collector.Record) collector.Record {
	t.Helper()
	if err := s.UpdateCollector(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Revision++
	return r
}

// stop makes history of a record.
func stop(t *testing.T, s store.Store, r collector.Record, when time.Time) collector.Record {
	t.Helper()
	r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, when
	return update(t, s, r)
}

func idsOf(records []collector.Record) []int64 {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	return ids
}

func wantIDs(t *testing.T, what string, records []collector.Record, err error, want ...int64) {
	t.Helper()
	if err != nil || !slices.Equal(idsOf(records), want) {
		t.Errorf("%s: %v, %v; want %v", what, idsOf(records), err, want)
	}
}

var registryTests = []test{
	{name: "ANewCollectorIsWantedAndRunsWithoutAProcess", run: func(t *testing.T, s store.Store) {
		made, err := s.CreateCollector(t.Context(), collector.Record{
			ID: 77, Spec: spec("ETHUSDT"), Status: collector.Stopped, Host: "one",
			Identity:  collector.Identity{PID: 99, Instance: "one:/data"},
			StartedAt: started.Add(456 * time.Microsecond).In(time.FixedZone("east", 7200)), Restarts: 2,
			NextAttempt: started, Revision: 40, LastExit: collector.Exit{At: started.Add(789 * time.Microsecond), Known: true, Signal: 9, Reason: "killed"},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := collector.Record{ID: made.ID, Spec: spec("ETHUSDT"), Wanted: true, Status: collector.Running, Host: "one",
			Identity: collector.Identity{Instance: "one:/data"}, StartedAt: started, Restarts: 2,
			LastExit: collector.Exit{At: started, Known: true, Signal: 9, Reason: "killed"}, Revision: made.Revision}
		if made.Revision == 0 || made.ID == 77 {
			t.Errorf("CreateCollector gives ID %d, revision %d", made.ID, made.Revision)
		}
		if made != want {
			t.Errorf("CreateCollector gives\n%+v, want\n%+v", made, want)
		}
		if got, err := s.CollectorByID(t.Context(), made.ID); err != nil || got != want {
			t.Errorf("CollectorByID gives\n%+v (%v), want\n%+v", got, err, want)
		}
	}},
	{name: "UpdateStoresEverythingButIDAndSpec", run: func(t *testing.T, s store.Store) {
		r := create(t, s, "ETHUSDT")
		r.Wanted, r.Status, r.Host, r.Restarts, r.LastError = false, collector.Failed, "two", 7, "señal rota 🕯"
		r.Identity = collector.Identity{Instance: "two:/data", BootID: "b", Namespace: "pid:[4026531836]", PID: 4194303, StartTicks: 1<<62 + 1, RunID: "r"}
		r.StartedAt, r.StoppedAt, r.NextAttempt = started.Add(time.Hour), started.Add(2*time.Hour), started.Add(3*time.Hour)
		r.LastExit = collector.Exit{At: started.Add(time.Minute), Known: true, Code: 78, Signal: 15, Reason: "configuración inválida"}
		changed := r
		changed.Spec = spec("OTHER")
		r.Revision = update(t, s, changed).Revision
		if got, err := s.CollectorByID(t.Context(), r.ID); err != nil || got != r {
			t.Errorf("after the update:\n%+v (%v), want\n%+v", got, err, r)
		}
		r.StartedAt, r.StoppedAt, r.NextAttempt, r.LastExit = time.Time{}, time.Time{}, time.Time{}, collector.Exit{}
		r = update(t, s, r)
		if got, err := s.CollectorByID(t.Context(), r.ID); err != nil || got != r {
			t.Errorf("with zero times:\n%+v (%v), want\n%+v", got, err, r)
		}
	}},
	{name: "AnUnknownCollectorIsNotFound", run: func(t *testing.T, s store.Store) {
		if _, err := s.CollectorByID(t.Context(), 12345); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("CollectorByID: %v", err)
		}
		if err := s.UpdateCollector(t.Context(), collector.Record{ID: 12345, Status: collector.Running}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("UpdateCollector: %v", err)
		}
		if list, err := s.CollectorsByPID(t.Context(), 12345); err != nil || len(list) != 0 {
			t.Errorf("CollectorsByPID: %v, %v", list, err)
		}
	}},
	{name: "OneCollectorOfAKeyIsWantedAtATime", run: func(t *testing.T, s store.Store) {
		first := create(t, s, "ETHUSDT")
		_, err := s.CreateCollector(t.Context(), collector.Record{Spec: spec("ETHUSDT")})
		var exists *store.ExistsError
		if !errors.As(err, &exists) || exists.Record != first {
			t.Fatalf("the second start: %v", err)
		}
		other := spec("ETHUSDT")
		other.Timeframe = candle.Month1
		if _, err := s.CreateCollector(t.Context(), collector.Record{Spec: other}); err != nil {
			t.Errorf("1M beside 1m: %v", err)
		}
		first = stop(t, s, first, started.Add(time.Hour))
		second := create(t, s, "ETHUSDT")
		if second.ID <= first.ID {
			t.Errorf("ID %d follows %d", second.ID, first.ID)
		}
		first.Wanted = true
		if err := s.UpdateCollector(t.Context(), first); !errors.As(err, &exists) || exists.Record.ID != second.ID {
			t.Errorf("wanting the first again beside the second: %v", err)
		}
	}},
	{name: "OfAHundredRacingStartsExactlyOneWins", run: func(t *testing.T, s store.Store) {
		const racers = 100
		var wg sync.WaitGroup
		made, errs := make([]collector.Record, racers), make([]error, racers)
		gun := make(chan struct{})
		for i := range racers {
			wg.Go(func() {
				<-gun
				made[i], errs[i] = s.CreateCollector(t.Context(), collector.Record{Spec: spec("ETHUSDT"), StartedAt: started, Restarts: i})
			})
		}
		close(gun)
		wg.Wait()
		winner := slices.IndexFunc(errs, func(err error) bool { return err == nil })
		if winner < 0 {
			t.Fatalf("nobody won: %v", errs[0])
		}
		for i, err := range errs {
			var exists *store.ExistsError
			if i != winner && (!errors.As(err, &exists) || exists.Record != made[winner]) {
				t.Errorf("racer %d beside the winner %+v: %v", i, made[winner], err)
			}
		}
		if all, err := s.Collectors(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("the registry holds %v: %v", all, err)
		}
	}},
	{name: "ASelectorOfAThousandSymbolsIsAKeyLikeAnyOther", run: func(t *testing.T, s store.Store) {
		var parts []string
		for i := range candle.MaxSelectorParts {
			parts = append(parts, "S"+strings.Repeat(string(rune('A'+i%26)), 3)+strings.ToUpper(time.Unix(int64(i*7919), 0).UTC().Format("150405")))
		}
		long := strings.Join(parts, ",")
		r := create(t, s, long)
		if got, err := s.CollectorByID(t.Context(), r.ID); err != nil || got.Spec.Selector != long {
			t.Errorf("the selector of %d bytes came back with %d: %v", len(long), len(got.Spec.Selector), err)
		}
		var exists *store.ExistsError
		if _, err := s.CreateCollector(t.Context(), collector.Record{Spec: spec(long)}); !errors.As(err, &exists) {
			t.Errorf("a second one: %v", err)
		}
		create(t, s, long+",Z")
	}},
	{name: "ListsAreByStatusAndPIDInOrder", run: func(t *testing.T, s store.Store) {
		a, b, c := create(t, s, "AAA"), create(t, s, "BBB"), create(t, s, "CCC")
		a.PID, b.PID, c.PID = 500, 500, 500
		b.Status, b.LastError = collector.Failed, "it fell"
		c.Status, c.Wanted, c.StoppedAt = collector.Stopped, false, started
		for _, r := range []collector.Record{a, b, c} {
			update(t, s, r)
		}
		d := create(t, s, "DDD")
		ctx := t.Context()
		all, err := s.Collectors(ctx)
		wantIDs(t, "all", all, err, a.ID, b.ID, c.ID, d.ID)
		live, err := s.Collectors(ctx, collector.Running, collector.Failed)
		wantIDs(t, "running and failed", live, err, a.ID, b.ID, d.ID)
		stopped, err := s.Collectors(ctx, collector.Stopped)
		wantIDs(t, "stopped", stopped, err, c.ID)
		byPID, err := s.CollectorsByPID(ctx, 500)
		wantIDs(t, "PID 500", byPID, err, b.ID, a.ID)
	}},
	{name: "OldStoppedCollectorsAreRemoved", run: func(t *testing.T, s store.Store) {
		stop(t, s, create(t, s, "OLD"), started)
		edge := stop(t, s, create(t, s, "EDGE"), started.Add(time.Hour))
		wished := create(t, s, "WISHED")
		wished.Status, wished.StoppedAt = collector.Stopped, started
		update(t, s, wished)
		running := create(t, s, "RUNNING")
		n, err := s.DeleteStoppedCollectors(t.Context(), started.Add(time.Hour))
		if err != nil || n != 1 {
			t.Errorf("%d were removed: %v", n, err)
		}
		left, err := s.Collectors(t.Context())
		wantIDs(t, "what is left", left, err, edge.ID, wished.ID, running.ID)
	}},
}
