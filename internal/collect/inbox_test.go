package collect

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"velador/internal/candle"
	"velador/internal/exchange"
)

func TestInboxHoldsSoManyClosedCandlesAndTheNewestFormingOnes(t *testing.T) {
	t.Parallel()
	wake := make(chan struct{}, 1)
	i := newInbox(wake)
	i.widen(2)
	frame := func(symbol string, open int, closed bool) event {
		return event{kind: exchange.Update, symbol: symbol, candle: candle.Candle{OpenTime: candle.Millis(open)}, closed: closed}
	}
	for n := range inboxBase + 4 {
		if !i.put(frame("A", n, true)) || !i.put(frame("A", n+1, false)) || !i.put(frame("B", n, false)) {
			t.Fatalf("no room after %d candles", n)
		}
	}
	if i.put(frame("A", 100, true)) || i.put(event{kind: exchange.Subscribed}) {
		t.Error("there is room without end")
	}
	if !i.put(frame("B", 777, false)) || !i.put(frame("B", 7, false)) { // a repetition is no news
		t.Error("a forming candle found no room")
	}
	<-wake
	var took []string
	i.take(func(e event) {
		took = append(took, fmt.Sprint(e.symbol, e.candle.OpenTime.Time().UnixMilli(), e.closed))
	})
	for n := range inboxBase + 4 {
		if want := fmt.Sprint("A", n, true); took[n] != want {
			t.Errorf("%s came instead of %s", took[n], want)
		}
	}
	newest := func(symbol string, open int) string { return fmt.Sprint(symbol, open, false) }
	if rest := strings.Join(took[inboxBase+4:], " "); rest != newest("A", inboxBase+4)+" "+newest("B", 777) && rest != newest("B", 777)+" "+newest("A", inboxBase+4) {
		t.Errorf("then came %s", rest)
	}
	if !i.put(frame("A", 100, true)) {
		t.Error("no room after everything was taken")
	}
	i.take(func(event) { took = nil })
	i.take(func(e event) { t.Errorf("%v came twice", e) })
}

func TestFullInboxIsWaitedForUntilTheLoopHasTakenIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newInbox(make(chan struct{}, 1))
		i.take(func(event) {}) // of no avail for what comes later
		for i.put(event{kind: exchange.Update, closed: true}) {
		}
		waited := false
		go func() { i.awaitTaken(t.Context()); waited = true }()
		synctest.Wait()
		if waited {
			t.Error("it was not waited for")
		}
		i.take(func(event) {})
		synctest.Wait()
		if !waited {
			t.Error("it is waited for although there is room")
		}
	})
}
