package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

var concurrencyTests = []test{
	{name: "ReadersSeeOnlyWholeBatches", run: func(t *testing.T, s store.Store) {
		const batches, perBatch = 20, 200
		series := eth(candle.Minute1)
		entries := bars(series, base, batches*perBatch)
		ctx, written := context.WithCancel(within(t))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for last := int64(0); ctx.Err() == nil; {
					c, err := s.Coverage(within(t), series, candle.Range{})
					if err != nil || c.Present%perBatch != 0 || c.Present < last {
						t.Errorf("a reader sees %d candles after %d: %v", c.Present, last, err)
						return
					}
					last = c.Present
				}
			})
		}
		for i := range batches {
			write(t, s, store.Written{New: perBatch}, entries[i*perBatch:(i+1)*perBatch]...)
		}
		written()
		wg.Wait()
		same(t, read(t, s, store.Query{Series: series}), candlesOf(entries))
	}},
	{name: "WritersOfTheSameCandlesDoNotHinderEachOther", run: func(t *testing.T, s store.Store) {
		for _, n := range []int{50, 2000} {
			const writers = 6
			var wg sync.WaitGroup
			var mu sync.Mutex
			var total store.Written
			from := base + candle.Millis(n)*1440*minute
			for w := range writers {
				wg.Go(func() {
					entries := bars(eth(candle.Minute1), from, n)
					if w%2 == 1 { // in another order
						for i, k := 0, n-1; i < k; i, k = i+1, k-1 {
							entries[i], entries[k] = entries[k], entries[i]
						}
					}
					done, err := s.Write(within(t), entries)
					if err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
					mu.Lock()
					defer mu.Unlock()
					total.New, total.Same, total.Changed = total.New+done.New, total.Same+done.Same, total.Changed+done.Changed
				})
			}
			wg.Wait()
			if want := (store.Written{New: n, Same: (writers - 1) * n}); !reflect.DeepEqual(total, want) {
				t.Errorf("together they wrote %+v, want %+v", total, want)
			}
		}
	}},
	{name: "CloseWaitsForCallsUnderWayAndRefusesLater", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		write(t, s, store.Written{New: 10}, bars(series, base, 10)...)
		var wg sync.WaitGroup
		inside, leave := make(chan struct{}), make(chan struct{})
		closed := make(chan struct{})
		wg.Go(func() {
			n := 0
			err := s.EachCandle(t.Context(), store.Query{Series: series}, func(candle.Candle) error {
				if n++; n == 1 {
					close(inside)
					<-leave
				}
				return nil
			})
			select {
			case <-closed:
				t.Error("Close returned while a call was under way")
			default:
			}
			if n != 10 || err != nil {
				t.Errorf("the reader under way saw %d candles: %v", n, err)
			}
		})
		<-inside
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			close(closed)
		})
		for !errors.Is(s.Ping(within(t)), store.ErrClosed) { // until Close has shut the door
		}
		close(leave)
		wg.Wait()
		_, err := s.Write(t.Context(), bars(series, base, 1))
		if !errors.Is(err, store.ErrClosed) || problem.KindOf(err) != problem.Unavailable {
			t.Errorf("Write after Close: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	}},
	{name: "AnEndedContextIsRespected", run: func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, writeErr := s.Write(ctx, bars(eth(1), base, 1))
		_, resumeErr := s.Resume(ctx, eth(1), 1)
		_, listErr := s.Collectors(ctx)
		_, versionErr := s.RegistryVersion(ctx)
		lifeErr := s.SaveLife(ctx, collector.Life{CollectorID: 1, RunID: "r"})
		_, leaseErr := s.AcquireLease(ctx, "one", "host", time.Minute)
		_, fenceErr := s.FenceLease(ctx, "one")
		readErr := s.EachCandle(ctx, store.Query{Series: eth(1)}, func(candle.Candle) error { return nil })
		for _, err := range []error{writeErr, resumeErr, listErr, readErr, versionErr, lifeErr, leaseErr, fenceErr, s.Ping(ctx)} {
			if !errors.Is(err, context.Canceled) || problem.KindOf(err) == problem.Unavailable {
				t.Errorf("with a cancelled context: %v", err)
			}
		}
	}},
}
