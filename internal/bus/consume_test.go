package bus

import (
	"errors"
	"testing"
)

func TestPoisonIsDeliveredAsSuchAndCanBeRejected(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	good := subjectOf(familyCandle, testSeries)
	poison := []struct{ subject, payload string }{
		{good, "no candle"},
		{good, "1,2,3,2.5,2,0,59999,0,0,0,0"}, // a low above its open
		{"candles.binance", "1"},
		{"candles.binance.ETHUSDT.7m", "1"},
		{"gaps.binance.ETHUSDT.1m", "{}"},
		{"gaps.binance.ETH%55SDT.1m", `{"from":1,"to":2,"state":"open"}`}, // a U that is escaped without need
	}
	for _, m := range poison {
		if _, err := c.js.Publish(ctx, m.subject, []byte(m.payload)); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := newTestConsumer(t, c).Fetch(ctx, 100)
	if err != nil || len(batch) != len(poison) {
		t.Fatalf("fetched %d messages: %v", len(batch), err)
	}
	for _, d := range batch {
		if d.Err == nil {
			t.Errorf("%s was taken for good", d.Subject)
		}
		if err := d.Reject("a test"); err != nil {
			t.Fatal(err)
		}
	}
	awaitBacklog(t, c, 0)
}

func TestAMessageGivenBackComesAgain(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := p.Candle(ctx, testSeries, testCandle(1)); err != nil {
		t.Fatal(err)
	}
	consumer := newTestConsumer(t, c)
	for attempt := uint64(1); attempt <= 2; attempt++ {
		batch, err := consumer.Fetch(ctx, 1)
		if err != nil || len(batch) != 1 || batch[0].Attempt != attempt {
			t.Fatalf("attempt %d: %+v, %v", attempt, batch, err)
		}
		if attempt == 1 {
			err = errors.Join(consumer.InProgress(batch), batch[0].Retry(0))
		} else {
			err = batch[0].Ack()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitBacklog(t, c, 0)
}

func TestAConsumerThatTheServerLostIsMadeAgain(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, c := newTestBus(t)
	consumer := newTestConsumer(t, c)
	if err := c.js.DeleteConsumer(ctx, streamCandles, writerName); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{})
	if err := p.Candle(ctx, testSeries, testCandle(1)); err != nil {
		t.Fatal(err)
	}
	fetchCandles(t, consumer, 1)
}

// awaitBacklog waits until n messages are in the stream.
func awaitBacklog(t *testing.T, c *Conn, n uint64) {
	t.Helper()
	ctx := testContext(t)
	for {
		left, err := c.Backlog(ctx)
		if err != nil {
			t.Fatalf("%d messages are in the stream, not %d: %v", left, n, err)
		}
		if left == n {
			return
		}
	}
}
