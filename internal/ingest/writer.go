// Package ingest brings candles from the bus into the store. A message is acknowledged after the
// transaction that holds it is committed, so at-least-once delivery and an idempotent store make
// exactly-once rows.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"velador/internal/backoff"
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

// Defaults of a Writer.
const (
	DefaultBatch = 5000
	DefaultGrace = 10 * time.Second
)

// keepEvery is how often messages in hand are kept from being delivered again (bus.Consumer.InProgress
// asks for less than 30 s).
const keepEvery = 10 * time.Second

// slowAfter is how long a write may take before it is told: a database that hangs says nothing itself.
const slowAfter = 10 * time.Second

// databaseAgain is how the writer tries again while the database is away.
var databaseAgain = backoff.Policy{First: 200 * time.Millisecond, Cap: 10 * time.Second, Jitter: 0.3}

// Sink is where candles are written: store.Candles, of which the writer needs no more.
type Sink interface {
	// Write stores a batch in one transaction; see store.Candles.
	Write(ctx context.Context, entries []store.Entry) (store.Written, error)
}

// Writer moves candles, gaps and audits from the bus to a sink. Set the exported fields, then Run it; once
// Run has returned it may be called again.
type Writer struct {
	Bus    *bus.Conn
	Sink   Sink
	Logger *slog.Logger // nil: slog.Default()
	// Batch is how many messages one transaction takes at most; 0 is DefaultBatch.
	Batch int
	// Grace is how long the batch under way may take after the end of Run's ctx; 0 is DefaultGrace.
	Grace time.Duration
	// Committed is told of what has been committed, in order, when it is not nil. It must return soon,
	// and not keep the slice.
	Committed func([]store.Entry)
	// Lacks is told of series whose audits did not fit what is stored, when it is not nil: something that
	// their collectors had handed over is not there. It must return soon.
	Lacks func([]candle.Series)

	consumer *bus.Consumer
	hand     atomic.Pointer[[]bus.Delivery] // what is worked on, and kept from being delivered again
	entries  []store.Entry                  // memory used again from batch to batch
	away     bool                           // the trouble with the database is in the log
	pause    time.Duration                  // poisonPause, less in tests
	patience time.Duration                  // slowAfter, less in tests
	counters counters
	waits    lag                   // from a message's arrival to its commit
	fresh    lag                   // from a candle's close to its commit
	ofSeries map[candle.Series]int // memory used again from batch to batch
}

// Stats counts what a writer has done since it was made.
type Stats struct {
	Batches  int64 // committed transactions
	New      int64 // candles that were not stored before
	Same     int64 // candles that were stored with the same values
	Changed  int64 // candles that replaced others
	Kept     int64 // candles that differed from confirmed ones, which stayed
	Gaps     int64 // gaps written to the ledger: open, absent or repaired
	Rejected int64 // messages taken out of the stream because nobody can store them
	Failures int64 // attempts to write that failed
	Lag      int64 // messages that waited behind the newest batch

	GapsOpen, GapsAbsent, GapsRepaired int64 // of Gaps, by what they say

	Audits      int64 // audits that confirmed candles
	Vanished    int64 // candles that an audit says the exchange no longer has; they stay
	Unconfirmed int64 // audits that did not fit what is stored, and confirmed nothing

	// Failing says why the database takes nothing at this moment; "" while it does.
	Failing string

	// Waits is how long messages were on their way from their arrival on the bus to the commit.
	Waits Lag
	// Fresh is how long after their close candles were committed, by this machine's clock, of those that
	// had closed in the last five minutes and came alone: it means something as long as the exchange's
	// clock and ours agree, which a simulator's does not.
	Fresh Lag
}

type counters struct {
	batches, new, same, changed, kept, gaps, rejected, failures, lag atomic.Int64
	open, absent, repaired                                           atomic.Int64
	audits, vanished, unconfirmed                                    atomic.Int64
	failing                                                          atomic.Pointer[string]
}

// Stats gives the counts at this moment. It is safe to call while Run runs.
func (w *Writer) Stats() Stats {
	c := &w.counters
	failing := ""
	if reason := c.failing.Load(); reason != nil {
		failing = *reason
	}
	return Stats{
		Batches: c.batches.Load(), New: c.new.Load(), Same: c.same.Load(), Changed: c.changed.Load(), Kept: c.kept.Load(),
		Gaps: c.gaps.Load(), Rejected: c.rejected.Load(), Failures: c.failures.Load(), Lag: c.lag.Load(),
		GapsOpen: c.open.Load(), GapsAbsent: c.absent.Load(), GapsRepaired: c.repaired.Load(),
		Audits: c.audits.Load(), Vanished: c.vanished.Load(), Unconfirmed: c.unconfirmed.Load(),
		Failing: failing, Waits: w.waits.look(), Fresh: w.fresh.look(),
	}
}

// Run writes until ctx ends, then finishes the batch under way within Grace. What it could not write
// stays in the stream. The error is nil after the end of ctx.
func (w *Writer) Run(ctx context.Context) error {
	if w.Logger == nil {
		w.Logger = slog.Default()
	}
	if w.Batch <= 0 {
		w.Batch = DefaultBatch
	}
	if w.Grace <= 0 {
		w.Grace = DefaultGrace
	}
	consumer, err := w.Bus.Consume(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	w.consumer = consumer
	if w.pause == 0 {
		w.pause = poisonPause
	}
	if w.patience == 0 {
		w.patience = slowAfter
	}
	defer w.keep()()
	for {
		batch, err := consumer.Fetch(ctx, w.Batch)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		w.take(ctx, batch)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// take writes a batch and acknowledges what was committed.
func (w *Writer) take(ctx context.Context, batch []bus.Delivery) {
	// The batch outlives ctx by Grace: a commit must not be torn up because of a stop.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(w.Grace, cancel) })()
	w.counters.lag.Store(int64(batch[len(batch)-1].Pending))
	rest := w.writeAll(ctx, work, w.sift(batch))
	w.hand.Store(nil)
	w.giveBack(rest)
}

// keep holds the messages in hand until the returned function is called.
func (w *Writer) keep() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(keepEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if batch := w.hand.Load(); batch != nil {
				// A lost connection is the connection's to tell; messages that come again are the same rows.
				if err := w.consumer.InProgress(*batch); err != nil {
					w.Logger.Debug("messages in hand may be delivered again", "error", err)
				}
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// Drained waits until everything in the stream is committed, and the stream empty.
func (w *Writer) Drained(ctx context.Context) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		waiting, err := w.Bus.Backlog(ctx)
		if err != nil {
			return err
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d messages are not in the database yet: %w", waiting, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// commit writes deliveries in one transaction, then acknowledges them. The error is the sink's.
func (w *Writer) commit(ctx context.Context, batch []bus.Delivery) error {
	entries := w.entries[:0]
	for i := range batch {
		entries = append(entries, store.Entry{Series: batch[i].Series, Candle: batch[i].Candle, Gap: batch[i].Gap, Audit: batch[i].Audit})
	}
	w.entries = entries
	inTime := w.tellWhenSlow()
	written, err := w.Sink.Write(ctx, entries)
	inTime()
	if err != nil {
		w.counters.failures.Add(1)
		return fmt.Errorf("write %d messages: %w", len(batch), err)
	}
	if w.away {
		w.away = false
		w.Logger.Info("the database takes candles again")
	}
	w.counters.failing.Store(nil)
	w.clock(batch, time.Now())
	w.count(batch, written)
	if err := w.consumer.Commit(ctx, batch); err != nil {
		w.Logger.Debug("committed candles will be delivered again", "error", err)
	}
	if w.Committed != nil {
		w.Committed(entries)
	}
	return nil
}

// reject takes a message out of the stream that nobody can store.
func (w *Writer) reject(d *bus.Delivery, reason error) {
	w.counters.rejected.Add(1)
	w.Logger.Error("a message that cannot be stored is taken out of the stream", "subject", d.Subject, "sequence", d.Sequence, "error", reason)
	if err := d.Reject(reason.Error()); err != nil {
		w.Logger.Debug("the message will come again", "sequence", d.Sequence, "error", err)
	}
}

// giveBack returns messages to the stream, so that the next writer gets them at once.
func (w *Writer) giveBack(batch []bus.Delivery) {
	for i := range batch {
		if err := batch[i].Retry(0); err != nil {
			w.Logger.Debug("messages come again when their time is over", "error", err)
			return
		}
	}
}

// isPermanent tells that a batch was refused for what it holds, and not because of the database's
// state.
func isPermanent(err error) bool {
	return problem.KindOf(err) == problem.Invalid
}

// isAway tells that the database cannot be reached.
func isAway(err error) bool {
	return problem.KindOf(err) == problem.Unavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
