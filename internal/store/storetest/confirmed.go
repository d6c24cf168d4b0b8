package storetest

import (
	"slices"
	"sync"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

// otherwise gives the same candles with another digit: what the stream said, and history does not.
func otherwise(entries []store.Entry) []store.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Candle.Close = candle.MustDecimal("1.25")
	}
	return entries
}

// verified gives the same candles as a verification brings them.
func verified(entries []store.Entry) []store.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Verified = true
	}
	return entries
}

var confirmedTests = []test{
	{name: "WhatIsConfirmedIsKeptFromOlderForms", run: func(t *testing.T, s store.Store) {
		series, other := eth(candle.Minute1), eth(candle.Minute3)
		for _, n := range []int{60, 1200} { // a small batch, and a large one
			series.Symbol += "X"
			other.Symbol = series.Symbol
			entries := bars(series, base, n+10)
			last := entries[n-1].Candle.OpenTime
			hole := entries[7]
			entries = slices.Delete(entries, 7, 8) // was absent when the audit was made
			write(t, s, store.Written{New: n + 9, Confirmed: 1}, append(slices.Clone(entries), auditOf(series, base, last, n-1))...)
			// An old backlog: the forms that differ are kept out where history has had its say, and there alone.
			backlog := slices.Concat(entries[:2], otherwise(entries[2:5]), []store.Entry{hole}, entries[5:n-2], otherwise(entries[n-2:]), otherwise(bars(other, base, n)))
			got, err := s.Write(t.Context(), backlog)
			want := store.Written{New: 1 + n, Same: n - 5, Changed: 10, Kept: 4}
			for i, at := range []int{2, 3, 4, n - 2} {
				keep := store.Change{Series: series, Old: entries[at].Candle, New: otherwise(entries[at : at+1])[0].Candle}
				if err != nil || len(got.Keeps) != 4 || got.Keeps[i] != keep {
					t.Fatalf("Write tells that it kept\n%+v (%v), want\n%+v", got.Keeps, err, keep)
				}
			}
			if got.Changes, got.Keeps = nil, nil; got.New != want.New || got.Same != want.Same || got.Changed != want.Changed || got.Kept != want.Kept {
				t.Errorf("Write counts %+v, want %+v", got, want)
			}
			kept := slices.Concat(entries[:7], []store.Entry{hole}, entries[7:n-1], otherwise(entries[n-1:]))
			same(t, read(t, s, store.Query{Series: series}), candlesOf(kept))
			// Once more.
			write(t, s, store.Written{Same: 2*n + 6, Kept: 4}, backlog...)
			same(t, read(t, s, store.Query{Series: series}), candlesOf(kept))
			// A verification has read history just now.
			write(t, s, store.Written{Same: n + 10 - 4, Changed: 4}, verified(slices.Concat(entries[:2], otherwise(entries[2:5]), []store.Entry{hole}, entries[5:n-2], otherwise(entries[n-2:])))...)
			write(t, s, store.Written{Kept: 4, Same: n + 6}, kept...)
		}
	}},
	{name: "AnAuditDoesNotKeepTheCandlesItFollowsFromBeingCorrected", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		for _, n := range []int{60, 1200} {
			series.Symbol += "X"
			history := bars(series, base, n)
			stream := otherwise(history)
			last := history[n-1].Candle.OpenTime
			write(t, s, store.Written{New: n}, stream...)
			batch := append(slices.Clone(history), auditOf(series, base, last, n))
			write(t, s, store.Written{Changed: n, Confirmed: 1}, batch...)
			// Whatever part of it is delivered again, in whatever batches.
			write(t, s, store.Written{Same: n}, batch...)
			write(t, s, store.Written{Same: n}, slices.Concat(stream, batch)...)
			write(t, s, store.Written{Kept: n}, stream...)
			write(t, s, store.Written{Same: n}, batch...)
			same(t, read(t, s, store.Query{Series: series}), candlesOf(history))
		}
	}},
	{name: "EntriesOfABatchCountInTheirOrder", run: func(t *testing.T, s store.Store) {
		series := eth(candle.Minute1)
		for _, n := range []int{60, 1200} {
			series.Symbol += "X"
			history := bars(series, base, 2*n)
			audit := func(from, to, rows int) store.Entry {
				return auditOf(series, history[from].Candle.OpenTime, history[to].Candle.OpenTime+minute-1, rows)
			}
			// Candles behind the audit that covers them are old; those that follow it in time are not.
			batch := slices.Concat(history[:n], []store.Entry{audit(0, n-1, n)}, otherwise(history[n-5:n+5]), history[n:], []store.Entry{audit(n, 2*n-1, n)})
			write(t, s, store.Written{New: n + n, Kept: 5, Confirmed: 2}, batch...)
			same(t, read(t, s, store.Query{Series: series}), candlesOf(history))
			write(t, s, store.Written{Same: 2 * n, Kept: 5 + 5}, slices.Concat(batch, otherwise(history[2*n-5:]))...)
			same(t, read(t, s, store.Query{Series: series}), candlesOf(history))
			// An audit that confirms nothing keeps nothing.
			apart := bars(series, history[2*n-1].Candle.OpenTime+10*minute, n)
			late := auditOf(series, apart[0].Candle.OpenTime, apart[n-1].Candle.OpenTime, n)
			write(t, s, store.Written{New: n, Changed: 5, Unconfirmed: []candle.Series{series}}, slices.Concat(apart, []store.Entry{late}, otherwise(apart[:5]))...)
			// A verification beside others of the same batch.
			write(t, s, store.Written{Kept: 1, Changed: 1}, slices.Concat(otherwise(history[:1]), verified(otherwise(history[1:2])))...)
		}
	}},
	{name: "AnAuditAndAnOlderWriterAtOnceLeaveWhatHistorySays", beside: func(t *testing.T, d Database) {
		stores := []store.Store{d.Store, d.Open(t)}
		for _, n := range []int{20, 600} {
			for round := range 10 {
				series := eth(candle.Minute1)
				series.Symbol += string(rune('A'+round)) + string(rune('A'+n%26))
				history := bars(series, base, n)
				write(t, d.Store, store.Written{New: n}, otherwise(history)...)
				var wg sync.WaitGroup
				for i, entries := range [][]store.Entry{append(slices.Clone(history), auditOf(series, base, history[n-1].Candle.OpenTime, n)), otherwise(history)} {
					wg.Go(func() {
						if _, err := stores[i].Write(within(t), entries); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				same(t, read(t, d.Store, store.Query{Series: series}), candlesOf(history))
			}
		}
	}},
}
