package bus

import (
	"testing"

	"velador/internal/candle"
)

func TestFormingCandlesAreShownToWhoListens(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	viewer := connectTest(t, ClientConfig{File: s.File()})
	type shown struct {
		c  candle.Candle
		at candle.Millis
	}
	got := make(chan shown, 1)
	stop, err := viewer.SubscribeForming(testSeries, func(c candle.Candle, at candle.Millis) { got <- shown{c, at} })
	if err != nil {
		t.Fatal(err)
	}
	if err := viewer.nats.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, c, PublisherConfig{})
	other := testSeries
	other.Symbol = "BTCUSDT"
	p.Forming(other, testCandle(1), 41)
	p.Forming(testSeries, testCandle(2), 42)
	select {
	case is := <-got:
		if is.c != testCandle(2) || is.at != 42 {
			t.Errorf("got %+v", is)
		}
	case <-ctx.Done():
		t.Fatal("nothing was shown")
	}
	stop()
	p.Forming(testSeries, testCandle(3), 43) // nobody listens
	if _, err := viewer.SubscribeForming(candle.Series{}, nil); err == nil {
		t.Error("a series that is none can be followed")
	}
}
