package binance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

func dial(t *testing.T, e *Exchange, symbols ...string) exchange.Conn {
	t.Helper()
	c, err := e.Dial(t.Context(), candle.Minute1, symbols)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// next receives one event or the error that ends the connection.
func next(t *testing.T, c exchange.Conn) (exchange.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return c.Receive(ctx)
}

func TestSubscriptionsGoOutInChunksAndNotTooFast(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	var sizes []int
	v.subscribe = func(p *peer, id int, names []string) {
		sizes = append(sizes, len(names))
		v.acknowledge(p, id, names)
	}
	symbols := []string{testSymbol, testSymbol} // a double is subscribed once
	for i := range 500 {
		symbols = append(symbols, fmt.Sprintf("S%dUSDT", i))
	}
	c := dial(t, v.adapter(nil), symbols...)
	event, err := next(t, c)
	if err != nil || event.Kind != exchange.Subscribed {
		t.Fatalf("%+v, %v", event, err)
	}
	v.locked(func() {
		if fmt.Sprint(sizes) != "[200 200 101]" {
			t.Errorf("chunks of %v", sizes)
		}
		if took := v.messages[2].Sub(v.messages[0]); took < subscribeInterval {
			t.Errorf("three messages within %s", took)
		}
	})
}

func TestRefusedSubscriptionEndsTheConnection(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`,
		`{"error":{"code":4,"msg":"Too many subscriptions"}}`,
		`{"code":2,"msg":"Invalid request"}`,
	} {
		v := newVenue(t).start(false)
		v.subscribe = func(p *peer, _ int, _ []string) { v.send(p, text) }
		if event, err := next(t, dial(t, v.adapter(nil), testSymbol)); problem.CodeOf(err) != problem.CodeExchangeNonsense || !strings.Contains(err.Error(), "refused with code") {
			t.Errorf("%s: %+v, %v", text, event, err)
		}
	}
}

func TestMissingAcknowledgementEndsTheConnection(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	v.subscribe = func(p *peer, id int, _ []string) {
		v.send(p, fmt.Sprintf(`{"result":null,"id":%d}`, id+1)) // of no request of ours
		v.send(p, `{"result":null,"id":null}`)
	}
	e := v.adapter(func(c *Config) { c.AckTimeout = 150 * time.Millisecond })
	if event, err := next(t, dial(t, e, testSymbol)); problem.CodeOf(err) != problem.CodeExchangeUnavailable || !strings.Contains(err.Error(), "acknowledge") {
		t.Errorf("%+v, %v", event, err)
	}
}

func TestPingsKeepAQuietConnection(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(func(c *Config) { c.Silence = 3 * time.Second })
	c := dial(t, e, testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
	defer cancel()
	if event, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", event, err)
	}
}

func TestOneFrameThatMakesNoSenseIsDroppedAndManyEndTheConnection(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	c := dial(t, v.adapter(nil), testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	good := klineFrame(testSymbol, testCandle(7), true, testStart)
	bad := strings.Replace(good, `"t":`, `"t":x`, 1)
	other := strings.Replace(good, `"i":"1m"`, `"i":"5m"`, 1)
	v.say(bad, other, `{"e":"fresh","E":1}`, bad, good)
	if event, err := next(t, c); err != nil || event.Candle != testCandle(7) || !event.Closed || event.At != testStart {
		t.Fatalf("%+v, %v", event, err)
	}
	for range maxBadFrames {
		v.say(bad)
	}
	if event, err := next(t, c); problem.CodeOf(err) != problem.CodeExchangeNonsense {
		t.Errorf("%+v, %v", event, err)
	}
}

func TestFrameThatIsTooLongEndsTheConnection(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	c := dial(t, v.adapter(nil), testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	long := `{"a":"` + strings.Repeat("x", maxFrame/2) + `"}`
	v.say(long, `{"e":"serverShutdown","E":5}`) // within the bound, and raw
	if event, err := next(t, c); err != nil || event.Kind != exchange.Shutdown || event.At != 5 {
		t.Fatalf("%+v, %v", event, err)
	}
	v.say(strings.Repeat(" ", maxFrame) + "{}")
	if event, err := next(t, c); problem.KindOf(err) != problem.Unavailable || !errors.Is(err, websocket.ErrMessageTooBig) {
		t.Errorf("%+v, %v", event, err)
	}
}

func TestEventTimesMoveTheClockAndOddOnesDoNot(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	c := dial(t, e, testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	end := testCandle(7).CloseTime
	for _, step := range []struct{ at, known candle.Millis }{
		{end + 13, end + 13},
		{end - 5000, end + 13},
		{end.Add(24 * time.Hour), end + 13},
		{end + 30000, end + 30000},
	} {
		v.say(klineFrame(testSymbol, testCandle(7), true, step.at))
		if event, err := next(t, c); err != nil || event.At != step.at {
			t.Fatalf("%+v, %v", event, err)
		}
		if known := e.clock.known(); known != step.known {
			t.Errorf("after %s the clock is %s, want %s", step.at, known, step.known)
		}
	}
}

func TestRefusedHandshakeHasItsMeaning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault http.HandlerFunc
		kind  problem.Kind
		code  problem.Code
	}{
		{answer(403, "text/html", htmlPage), problem.Unavailable, problem.CodeExchangeUnavailable},
		{answer(429, "text/plain", ""), problem.Banned, problem.CodeExchangeBanned},
		{answer(451, jsonType, `{"code":0,"msg":"restricted"}`), problem.Unavailable, problem.CodeExchangeUnavailable},
		{answer(503, "text/html", htmlPage), problem.Unavailable, problem.CodeExchangeUnavailable},
		{answer(200, jsonType, "{}"), problem.Unavailable, problem.CodeExchangeNonsense},
	} {
		v := newVenue(t).start(false)
		v.fault = c.fault
		if _, err := v.adapter(nil).Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.KindOf(err) != c.kind || problem.CodeOf(err) != c.code {
			t.Errorf("%v (%s, %s), want %s, %s", err, problem.KindOf(err), problem.CodeOf(err), c.kind, c.code)
		}
	}
}

func TestSlowHandshakeIsGivenUp(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	slow, release := hang(t)
	defer release()
	v.fault = slow
	e := v.adapter(func(c *Config) { c.DialTimeout = 150 * time.Millisecond })
	if _, err := e.Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.CodeOf(err) != problem.CodeExchangeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestSymbolsThatNoStreamCanCarryAreRefusedBeforeDialling(t *testing.T) {
	t.Parallel()
	for _, symbol := range []string{"ethusdt", "ETH/USDT", "", "A B"} {
		if _, err := New(Config{WSURL: "ws://127.0.0.1:1"}).Dial(t.Context(), candle.Minute1, []string{symbol}); problem.KindOf(err) != problem.Invalid || problem.CodeOf(err) != problem.CodeUnknownSymbol {
			t.Errorf("%q: %v", symbol, err)
		}
	}
	names, err := streamNames(candle.Month1, []string{"币安人生USDT"})
	if err != nil || names[0] != "币安人生usdt@kline_1M" {
		t.Errorf("%v, %v", names, err)
	}
}

func TestCloseByTheVenueIsAnError(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	v.subscribe = func(p *peer, id int, names []string) {
		v.acknowledge(p, id, names)
		_ = p.ws.Close(websocket.StatusPolicyViolation, "Too many requests")
	}
	c := dial(t, v.adapter(nil), testSymbol)
	for {
		_, err := next(t, c)
		if err == nil {
			continue // the acknowledgement
		}
		if problem.KindOf(err) != problem.Unavailable || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "Too many requests") {
			t.Errorf("%v", err)
		}
		return
	}
}
