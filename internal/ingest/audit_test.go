package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/store"
)

// auditOf gives the audit of the candles from the n-th to the m-th.
func auditOf(n, m, rows int) candle.Audit {
	return candle.Audit{
		Series: testSeries, Range: candle.Range{From: testCandle(n).OpenTime, To: testCandle(m).OpenTime},
		Rows: rows, At: testCandle(m).CloseTime + 300_000,
	}
}

func (b *testBus) audit(t *testing.T, a candle.Audit) {
	t.Helper()
	ctx := testContext(t)
	if err := errors.Join(b.publisher.Audit(ctx, a), b.publisher.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
}

// told gives the lines of the log that hold a text, with their attributes.
func (l *lines) told(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.full {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func TestAuditIsWrittenBehindItsCandlesAndCounted(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	var mu sync.Mutex
	seen, early := make(map[candle.Millis]bool), 0
	w := &Writer{Sink: sink, Batch: 7, Committed: func(entries []store.Entry) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range entries {
			if e.Audit == nil {
				seen[e.Candle.OpenTime] = true
				continue
			}
			for n := range 60 {
				if open := testCandle(n).OpenTime; e.Audit.Range.Contains(open) && !seen[open] {
					early++
				}
			}
		}
	}}
	stop := b.start(t, w)
	b.publish(t, 0, 60)
	b.publish(t, 0, 60) // once more, as an audit does
	b.audit(t, auditOf(0, 59, 60))
	drained(t, w)
	stop()
	if early > 0 {
		t.Errorf("an audit came before %d of its candles", early)
	}
	if got := w.Stats(); got.New != 60 || got.Same != 60 || got.Changed != 0 || got.Audits != 1 || got.Vanished != 0 || got.Unconfirmed != 0 {
		t.Errorf("counted %+v", got)
	}
	if want := auditOf(0, 59, 60).Range; sink.audited != want {
		t.Errorf("confirmed %s, want %s", sink.audited, want)
	}
	if n := b.log.count("stored candles") + b.log.count("history no longer has") + b.log.count("does not fit"); n != 0 {
		t.Errorf("the log complains of a good audit: %q", b.log.full)
	}
}

func TestCorrectionsAreToldOnceABatchWithOldAndNewValues(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	w := &Writer{Sink: sink}
	b.publish(t, 0, 60)
	stop := b.start(t, w)
	drained(t, w)
	stop()
	ctx := testContext(t)
	var corrected []candle.Candle
	for n := range 10 {
		c := testCandle(n)
		c.QuoteVolume = candle.MustDecimal("42.5")
		corrected = append(corrected, c)
		if err := b.publisher.Candle(ctx, testSeries, c); err != nil {
			t.Fatal(err)
		}
	}
	b.audit(t, auditOf(0, 59, 60))
	next := &Writer{Sink: sink}
	b.start(t, next)
	drained(t, next)
	if got := next.Stats(); got.Changed != 10 || got.New != 0 || got.Audits != 1 {
		t.Errorf("counted %+v", got)
	}
	said := b.log.told("stored candles were not what the exchange's history says")
	if len(said) == 0 || len(said) > int(next.Stats().Batches) {
		t.Fatalf("told %d times of %d batches: %q", len(said), next.Stats().Batches, said)
	}
	for _, part := range []string{testSeries.String(), string(testCandle(0).AppendCSV(nil)), string(corrected[0].AppendCSV(nil))} {
		if !strings.Contains(said[0], part) {
			t.Errorf("the log says %q, without %q", said[0], part)
		}
	}
	for i := range corrected {
		if got := sink.rows[testSeries][corrected[i].OpenTime]; got != corrected[i] {
			t.Errorf("stored is %+v", got)
		}
	}
}

func TestWhatIsConfirmedStaysAndIsTold(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	w := &Writer{Sink: sink}
	b.start(t, w)
	b.publish(t, 0, 60)
	b.audit(t, auditOf(0, 59, 60))
	ctx := testContext(t)
	old := testCandle(3)
	old.QuoteVolume = candle.MustDecimal("42.5")
	if err := errors.Join(b.publisher.Candle(ctx, testSeries, old), b.publisher.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	drained(t, w)
	if got := w.Stats(); got.New != 60 || got.Changed != 0 || got.Kept != 1 {
		t.Errorf("counted %+v", got)
	}
	said := b.log.told("what is stored stays")
	if len(said) != 1 {
		t.Fatalf("told %d times: %q", len(said), said)
	}
	for _, part := range []string{testSeries.String(), string(testCandle(3).AppendCSV(nil)), string(old.AppendCSV(nil))} {
		if !strings.Contains(said[0], part) {
			t.Errorf("the log says %q, without %q", said[0], part)
		}
	}
}

func TestAnAuditThatKnowsFewerOrMoreCandlesThanAreStoredIsTold(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := newMemory()
	lacking := make(chan candle.Series, 10)
	w := &Writer{Sink: sink, Lacks: func(series []candle.Series) {
		for _, one := range series {
			lacking <- one
		}
	}}
	b.start(t, w)
	b.publish(t, 0, 60)
	b.audit(t, auditOf(0, 59, 57))
	b.audit(t, auditOf(60, 119, 3))
	drained(t, w)
	if len(lacking) != 1 || <-lacking != testSeries {
		t.Error("it is not told of which series something is missing")
	}
	if got := w.Stats(); got.Audits != 1 || got.Vanished != 3 || got.Unconfirmed != 1 || sink.count() != 60 {
		t.Errorf("counted %+v, %d are stored", got, sink.count())
	}
	for _, text := range []string{"history no longer has candles that are stored", "does not fit what is stored"} {
		if n := b.log.count(text); n != 1 {
			t.Errorf("%q was told %d times", text, n)
		}
	}
}

// dying is a sink whose writer is killed after the commit of its first batch and before the
// acknowledgement.
type dying struct {
	*memory
	committed chan struct{}
}

func (d *dying) Write(ctx context.Context, entries []store.Entry) (store.Written, error) {
	written, err := d.memory.Write(ctx, entries)
	if err != nil {
		return written, err
	}
	close(d.committed)
	<-ctx.Done()
	return store.Written{}, ctx.Err()
}

func TestAWriterThatIsKilledBetweenCommitAndAcknowledgementDoublesNothing(t *testing.T) {
	t.Parallel()
	b := newTestBus(t)
	sink := &dying{memory: newMemory(), committed: make(chan struct{})}
	b.publish(t, 0, 60)
	b.audit(t, auditOf(0, 59, 60))
	stop := b.start(t, &Writer{Sink: sink, Grace: time.Millisecond})
	<-sink.committed
	stop()
	if n, err := b.conn.Backlog(testContext(t)); n != 61 || err != nil {
		t.Fatalf("%d messages are in the stream: %v", n, err)
	}
	next := &Writer{Sink: sink.memory}
	b.start(t, next)
	drained(t, next)
	got := next.Stats()
	if got.New+got.Same != 60 || got.Changed != 0 || got.Vanished != 0 || got.Unconfirmed != 0 {
		t.Errorf("the next one counted %+v", got)
	}
	if want := auditOf(0, 59, 60).Range; sink.audited != want || sink.count() != 60 {
		t.Errorf("%d candles are stored and %s confirmed, want %s", sink.count(), sink.audited, want)
	}
}
