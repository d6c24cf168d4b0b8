package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/store"
)

func version(t *testing.T, s store.Store) int64 {
	t.Helper()
	n, err := s.RegistryVersion(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var versionTests = []test{
	{name: "TheVersionGrowsWithEveryChangeAndWithNothingElse", run: func(t *testing.T, s store.Store) {
		var r collector.Record
		var old int64
		changes := []struct {
			name string
			do   func()
		}{
			{"a start", func() { r = create(t, s, "ETHUSDT") }},
			{"an update", func() { r.LastError = "it fell"; r = update(t, s, r) }},
			{"an update that changes nothing but the revision", func() { r = update(t, s, r) }},
			{"a stop", func() { r = stop(t, s, r, started) }},
			{"the clean-up", func() {
				if n, err := s.DeleteStoppedCollectors(t.Context(), started.Add(time.Second)); err != nil || n != 1 {
					t.Errorf("%d were removed: %v", n, err)
				}
			}},
		}
		old = version(t, s)
		for _, c := range changes {
			c.do()
			if now := version(t, s); now <= old {
				t.Errorf("after %s the version is %d, before it %d", c.name, now, old)
			}
			old = version(t, s)
		}
		r = create(t, s, "ETHUSDT")
		old = version(t, s)
		ctx := t.Context()
		_, existsErr := s.CreateCollector(ctx, collector.Record{Spec: r.Spec})
		stale := r
		stale.Revision--
		conflict := s.UpdateCollector(ctx, stale)
		if existsErr == nil || conflict == nil {
			t.Errorf("%v, %v", existsErr, conflict)
		}
		_, listErr := s.Collectors(ctx)
		_, cleanErr := s.DeleteStoppedCollectors(ctx, started)
		lease, leaseErr := s.AcquireLease(ctx, "one", "host", time.Minute)
		_, renewErr := s.RenewLease(ctx, lease, time.Minute)
		lifeErr := s.SaveLife(ctx, collector.Life{CollectorID: r.ID, RunID: "r"})
		write(t, s, store.Written{New: 10}, bars(eth(candle.Minute1), base, 10)...)
		for _, err := range []error{listErr, cleanErr, leaseErr, renewErr, lifeErr} {
			if err != nil {
				t.Error(err)
			}
		}
		if now := version(t, s); now != old {
			t.Errorf("nothing changed, and the version went from %d to %d", old, now)
		}
	}},
	{name: "TheVersionGrowsWithChangesOfOthersAndByHand", beside: func(t *testing.T, d Database) {
		other := d.Open(t)
		old := version(t, d.Store)
		grown := func(what string) {
			t.Helper()
			now := version(t, d.Store)
			if now <= old || version(t, other) != now {
				t.Errorf("after %s the version is %d, before it %d; another process reads %d", what, now, old, version(t, other))
			}
			old = now
		}
		r := create(t, other, "ETHUSDT")
		grown("a start by another process")
		stop(t, other, r, started)
		grown("a stop by another process")
		d.Execute(t, "INSERT INTO collectors (pid, timeframe, symbol) VALUES (1, '1m', 'CCC'), (2, '1m', 'DDD')")
		grown("an INSERT by hand")
		d.Execute(t, "UPDATE collectors SET status = 'stopped' WHERE symbol = 'CCC'")
		grown("an UPDATE by hand")
		d.Execute(t, "DELETE FROM collectors WHERE symbol = 'DDD'")
		grown("a DELETE by hand")
		if n, err := other.DeleteStoppedCollectors(t.Context(), started.Add(time.Second)); err != nil || n != 1 {
			t.Errorf("%d were removed: %v", n, err)
		}
		grown("a clean-up by another process")
	}},
	{name: "RowsThatWereReadAfterAVersionAreTrueWhileItStands", beside: func(t *testing.T, d Database) {
		const changes = 60
		writer := d.Open(t)
		rows := []collector.Record{create(t, writer, "AAA"), create(t, writer, "BBB")}
		ctx, written := context.WithCancel(within(t))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				s := d.Store
				cached, cachedAt := []collector.Record(nil), int64(-1)
				for ctx.Err() == nil {
					before, err := s.RegistryVersion(within(t))
					if err != nil || before < cachedAt {
						t.Errorf("version %d after %d: %v", before, cachedAt, err)
						return
					}
					now, err := s.Collectors(within(t))
					if err != nil {
						t.Error(err)
						return
					}
					after, err := s.RegistryVersion(within(t))
					if err != nil {
						t.Error(err)
						return
					}
					// The version stood from the caching until after the second reading.
					if after == cachedAt && !slices.Equal(now, cached) {
						t.Errorf("of version %d there are two truths:\n%+v\n%+v", after, cached, now)
						return
					}
					cached, cachedAt = now, before
				}
			})
		}
		for i := range changes {
			r := &rows[i%len(rows)]
			r.Restarts++
			*r = update(t, writer, *r)
		}
		written()
		wg.Wait()
	}},
}
