package ingest

import (
	"slices"
	"sync"
	"time"

	"velador/internal/bus"
	"velador/internal/candle"
)

// lagBounds are never changed.
var lagBounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// LagBounds gives the upper ends of the buckets of a Lag, in seconds.
func LagBounds() []float64 { return lagBounds[:] }

// Lag is how long something has taken, over all that the writer has committed.
type Lag struct {
	Counts []uint64 // by bucket, each by itself; the last one is above all bounds
	Sum    time.Duration
	// Of the newest lagSample; 0 before the first.
	P50, P99, Max time.Duration
}

const (
	// lagSample is how many of the newest lags the percentiles are of.
	lagSample = 1024
	// freshCandle is how old a candle may be for its lag to count: what is older was fetched from history,
	// or is a simulator's.
	freshCandle = 5 * time.Minute
)

// lag gathers a Lag. It is safe for use by several goroutines.
type lag struct {
	mu     sync.Mutex
	counts [len(lagBounds) + 1]uint64
	sum    time.Duration
	newest [lagSample]time.Duration // a ring
	seen   int                      // in all
}

func (l *lag) add(d time.Duration) {
	d = max(0, d)
	at, _ := slices.BinarySearch(lagBounds[:], d.Seconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[at]++
	l.sum += d
	l.newest[l.seen%lagSample] = d
	l.seen++
}

// look gives what was gathered.
func (l *lag) look() Lag {
	l.mu.Lock()
	found := Lag{Counts: slices.Clone(l.counts[:]), Sum: l.sum}
	newest := slices.Clone(l.newest[:min(l.seen, lagSample)])
	l.mu.Unlock()
	if n := len(newest); n > 0 {
		slices.Sort(newest)
		found.P50, found.P99, found.Max = newest[n/2], newest[n*99/100], newest[n-1]
	}
	return found
}

// clock notes when the messages of a batch were committed. Of a series with several candles in it the
// stream did not bring the newest as it closed: they are history, fetched after a pause.
func (w *Writer) clock(batch []bus.Delivery, committed time.Time) {
	if w.ofSeries == nil {
		w.ofSeries = make(map[candle.Series]int)
	}
	clear(w.ofSeries)
	for i := range batch {
		if d := &batch[i]; d.Gap == nil && d.Audit == nil {
			w.ofSeries[d.Series]++
		}
	}
	now := candle.MillisOf(committed)
	for i := range batch {
		d := &batch[i]
		w.waits.add(committed.Sub(d.Arrived))
		if d.Gap != nil || d.Audit != nil || w.ofSeries[d.Series] > 1 {
			continue
		}
		if age := now.Sub(d.Candle.CloseTime); age >= 0 && age < freshCandle {
			w.fresh.add(age)
		}
	}
}
