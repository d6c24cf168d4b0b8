package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// subscribed dials and receives until the subscriptions are confirmed.
func subscribed(t *testing.T, v Venue) exchange.Conn {
	t.Helper()
	c, err := v.Exchange.Dial(bounded(t), v.Timeframe, []string{v.Symbol})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for {
		event, err := c.Receive(bounded(t))
		if err != nil {
			t.Fatalf("before the subscription was confirmed: %v", err)
		}
		if event.Kind == exchange.Subscribed {
			return c
		}
	}
}

// closing receives until a candle closes and gives it. What comes before must be of the symbol and
// of no later candle.
func closing(t *testing.T, v Venue, c exchange.Conn) candle.Candle {
	t.Helper()
	var latest candle.Millis
	for {
		event, err := c.Receive(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind != exchange.Update {
			t.Fatalf("an event of kind %d", event.Kind)
		}
		if event.Symbol != v.Symbol || event.At <= 0 || event.Candle.OpenTime < latest || event.Candle.Validate() != nil {
			t.Fatalf("%+v", event)
		}
		if latest = event.Candle.OpenTime; event.Closed {
			return event.Candle
		}
	}
}

func streamBringsCandles(t *testing.T, v Venue) {
	c := subscribed(t, v)
	for range 3 {
		want := v.CloseNext()
		if got := closing(t, v, c); got != want {
			t.Fatalf("came %s, want %s", got.AppendCSV(nil), want.AppendCSV(nil))
		}
	}
	// What the stream has told of the clock is enough to call older rows closed.
	last := v.Closed[len(v.Closed)-1]
	before := v.Requests()
	page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: last.OpenTime, To: last.OpenTime})
	if err != nil {
		t.Fatal(err)
	}
	same(t, page.Candles, []candle.Candle{last})
	if asked := v.Requests() - before; asked != 1 {
		t.Errorf("%d requests were needed", asked)
	}
}

func severalConnections(t *testing.T, v Venue) {
	a, b := subscribed(t, v), subscribed(t, v)
	want := v.CloseNext()
	for _, c := range []exchange.Conn{a, b} {
		if got := closing(t, v, c); got != want {
			t.Errorf("came %s, want %s", got.AppendCSV(nil), want.AppendCSV(nil))
		}
	}
}

func shutdown(t *testing.T, v Venue) {
	c := subscribed(t, v)
	v.AnnounceShutdown()
	for {
		event, err := c.Receive(bounded(t))
		if err != nil {
			t.Fatalf("the connection ended before the announcement: %v", err)
		}
		if event.Kind == exchange.Shutdown {
			break
		}
	}
	// A new connection is possible while the old one still stands.
	fresh := subscribed(t, v)
	want := v.CloseNext()
	if got := closing(t, v, fresh); got != want {
		t.Errorf("came %s, want %s", got.AppendCSV(nil), want.AppendCSV(nil))
	}
}

// receiving starts to receive until an error comes.
func receiving(ctx context.Context, c exchange.Conn) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := c.Receive(ctx); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// end gives the error that ended a receiving.
func end(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-bounded(t).Done():
		t.Fatal("Receive did not return")
		return nil
	}
}

// ofNoUse tells that a connection that has ended gives errors at once, and may be closed again.
func ofNoUse(t *testing.T, c exchange.Conn) {
	t.Helper()
	if event, err := c.Receive(bounded(t)); err == nil {
		t.Errorf("a connection that had ended gave %+v", event)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func closeWhileReceiving(t *testing.T, v Venue) {
	c := subscribed(t, v)
	ended := receiving(t.Context(), c)
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := end(t, ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive ended with %v, want one that is net.ErrClosed", err)
	}
	ofNoUse(t, c)

	// At once after the dial, too, while subscriptions are on their way.
	early, err := v.Exchange.Dial(bounded(t), v.Timeframe, []string{v.Symbol})
	if err != nil {
		t.Fatal(err)
	}
	if err := early.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	ofNoUse(t, early)
}

func contextEndsReceive(t *testing.T, v Venue) {
	c := subscribed(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	ended := receiving(ctx, c)
	cancel()
	if err := end(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ofNoUse(t, c)
}

func silence(t *testing.T, v Venue) {
	c := subscribed(t, v)
	v.GoSilent()
	if err := end(t, receiving(t.Context(), c)); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("%v", err)
	}
	ofNoUse(t, c)
}

func cut(t *testing.T, v Venue) {
	c := subscribed(t, v)
	v.Cut()
	if err := end(t, receiving(t.Context(), c)); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("%v", err)
	}
	ofNoUse(t, c)
}

func streamBounds(t *testing.T, v Venue) {
	if v.Exchange.MaxStreams() < 1 || v.Exchange.MaxAge() <= 0 {
		t.Errorf("%d streams for %s", v.Exchange.MaxStreams(), v.Exchange.MaxAge())
	}
	many := make([]string, v.Exchange.MaxStreams()+1)
	for i := range many {
		many[i] = fmt.Sprintf("SYM%dUSDT", i)
	}
	for _, symbols := range [][]string{nil, many, {"no such symbol"}} {
		if c, err := v.Exchange.Dial(bounded(t), v.Timeframe, symbols); err == nil {
			t.Errorf("%d symbols: accepted", len(symbols))
			_ = c.Close()
		}
	}
}
