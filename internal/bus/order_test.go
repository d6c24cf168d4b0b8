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

// A fetch that ends by its own clock, while the server's answer is on its way, loses what was delivered to it.
func TestWhatWasDeliveredToAFetchThatHadEndedComesBeforeWhatIsNewer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	consumer := newTestConsumer(t, c)
	if err := errors.Join(p.Candle(ctx, testSeries, testCandle(1)), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	// To the server this is a fetch of the writer whose answer nobody reads.
	same, err := c.js.Consumer(ctx, streamCandles, writerName)
	if err != nil {
		t.Fatal(err)
	}
	lost, err := same.FetchNoWait(1)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range lost.Messages() {
		t.Logf("%s is delivered to nobody", msg.Subject())
	}
	corrected := testCandle(1)
	corrected.Close = candle.MustDecimal("2000.60")
	if err := errors.Join(p.Candle(ctx, testSeries, corrected), p.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(ctx, 10)
	if err != nil || len(batch) != 2 || batch[0].Candle != testCandle(1) || batch[1].Candle != corrected {
		t.Errorf("came %+v, %v", batch, err)
	}
	if err := consumer.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	awaitBacklog(t, c, 0)
}
