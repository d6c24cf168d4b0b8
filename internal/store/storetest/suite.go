// Package storetest is what every store.Store must pass.
package storetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/store"
)

// Database is an empty database with a store on it. The suite migrates it and closes the store.
type Database struct {
	Store store.Store
	// Open gives a further store on the same database, as another process has one; it is closed when
	// the test ends.
	Open func(t *testing.T) store.Store
	// Execute runs SQL on a connection of its own, as another program or a person does.
	Execute func(t *testing.T, statements ...string)
}

// Run runs the suite; open gives a database of its own to each test.
func Run(t *testing.T, open func(t *testing.T) Database) {
	for _, group := range [][]test{
		migrationTests, registryTests, revisionTests, versionTests, lifeTests, leaseTests, leaseRaceTests,
		candleTests, gapTests, dayTests, resumeTests, auditTests, confirmedTests, browseTests, stockTests, concurrencyTests,
	} {
		for _, one := range group {
			t.Run(one.name, func(t *testing.T) {
				t.Parallel()
				d := open(t)
				s := d.Store
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
				if !one.empty {
					if _, err := s.Migrate(t.Context()); err != nil {
						t.Fatalf("Migrate: %v", err)
					}
				}
				if one.beside != nil {
					one.beside(t, d)
					return
				}
				one.run(t, s)
			})
		}
	}
}

type test struct {
	name   string
	empty  bool // on a database that has not been migrated
	run    func(t *testing.T, s store.Store)
	beside func(t *testing.T, d Database) // instead of run, for a test that needs more than the store
}

// eth is the series of most tests.
func eth(tf candle.Timeframe) candle.Series {
	return candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: tf}
}

// at gives an instant.
func at(text string) candle.Millis {
	m, err := candle.ParseMillis(text)
	if err != nil {
		panic(err)
	}
	return m
}

// bar makes a plausible candle; n makes its values differ from other candles'.
func bar(tf candle.Timeframe, open candle.Millis, n int) candle.Candle {
	d := func(format string, args ...any) candle.Decimal {
		return candle.MustDecimal(fmt.Sprintf(format, args...))
	}
	return candle.Candle{
		OpenTime: open, CloseTime: tf.Next(open) - 1,
		Open: d("%d.10000000", 3000+n), High: d("%d.90000000", 3000+n), Low: d("%d.01000000", 3000+n), Close: d("%d.50000000", 3000+n),
		Volume: d("12.3450%04d", n%10000), QuoteVolume: d("37035.0000%04d", n%10000), Trades: int64(100 + n),
		TakerBuyVolume: d("6.1000%04d", n%10000), TakerBuyQuoteVolume: d("18300.%08d", n),
	}
}

// bars makes n candles in a row, as entries of series.
func bars(series candle.Series, open candle.Millis, n int) []store.Entry {
	entries := make([]store.Entry, n)
	for i := range entries {
		entries[i] = store.Entry{Series: series, Candle: bar(series.Timeframe, open, i)}
		open = series.Timeframe.Next(open)
	}
	return entries
}

// opens makes candles at given open times.
func opens(series candle.Series, times ...candle.Millis) []store.Entry {
	entries := make([]store.Entry, len(times))
	for i, open := range times {
		entries[i] = store.Entry{Series: series, Candle: bar(series.Timeframe, open, i)}
	}
	return entries
}

func write(t *testing.T, s store.Store, want store.Written, entries ...store.Entry) {
	t.Helper()
	got, err := s.Write(t.Context(), entries)
	if err != nil {
		t.Fatalf("Write: %v", err)
	}
	if got.Changes, got.Keeps = nil, nil; !reflect.DeepEqual(got, want) {
		t.Fatalf("Write counts %+v, want %+v", got, want)
	}
}

func read(t *testing.T, s store.Store, q store.Query) []candle.Candle {
	t.Helper()
	var all []candle.Candle
	if err := s.EachCandle(t.Context(), q, func(c candle.Candle) error {
		all = append(all, c)
		return nil
	}); err != nil {
		t.Fatalf("EachCandle: %v", err)
	}
	return all
}

// same compares digit for digit: Candle is comparable, and a Decimal's == is its text's.
func same(t *testing.T, got, want []candle.Candle) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d candles came back, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("candle %d came back as\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

func candlesOf(entries []store.Entry) []candle.Candle {
	all := make([]candle.Candle, len(entries))
	for i, e := range entries {
		all[i] = e.Candle
	}
	return all
}

// within bounds a wait for something that must happen.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
