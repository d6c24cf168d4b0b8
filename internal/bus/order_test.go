package bus

import (
	"errors"
	"testing"

	"velador/internal/candle"
)

// A writer that died between its commit and the acknowledgement leaves messages behind that come again
// only when their time is over. What was said later of the same candles must not come before them.
func TestWhatAWriterLeftUnacknowledgedComesBeforeWhatIsNewer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	if err := c.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if batch, err := newTestConsumer(t, c).Fetch(ctx, 10); err != nil || len(batch) != 1 {
		t.Fatalf("fetched %d messages: %v", len(batch), err)
	}
	s.Shutdown()
	startTestServer(t, dir)
	corrected := testCandle(1)
	corrected.Close = candle.MustDecimal("2000.60")
	if err := errors.Join(p.Candle(ctx, testSeries, corrected), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	next := newTestConsumer(t, c)
	var last candle.Candle
	for n := 0; n < 2; {
		batch, err := next.Fetch(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			last = d.Candle
			n++
		}
	}
	if last != corrected {
		t.Errorf("the last word is %+v", last)
	}
}

// A connection that breaks takes with it what the server has sent and the writer never read, and what
// the writer has read and not acknowledged.
func TestWhatWasOnItsWayWhenTheConnectionBrokeComesBeforeWhatIsNewer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	writer := connectTest(t, ClientConfig{File: s.File()})
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	consumer := newTestConsumer(t, writer)
	if batch, err := consumer.Fetch(ctx, 10); err != nil || len(batch) != 1 {
		t.Fatalf("fetched %d messages: %v", len(batch), err)
	}
	changed := writer.watch()
	if err := writer.nats.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	<-changed
	corrected := testCandle(1)
	corrected.Close = candle.MustDecimal("2000.60")
	audit := candle.Audit{Series: testSeries, Range: candle.Range{From: corrected.OpenTime, To: corrected.OpenTime}, Rows: 1}
	if err := errors.Join(p.Candle(ctx, testSeries, corrected), p.Audit(ctx, audit), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	var came []Delivery
	for len(came) < 3 {
		batch, err := consumer.Fetch(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		came = append(came, batch...)
	}
	if came[0].Candle != testCandle(1) || came[1].Candle != corrected || came[2].Audit == nil {
		t.Errorf("came %+v", came)
	}
}
