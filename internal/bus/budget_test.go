package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// askBudget asks until somebody is there to answer.
func askBudget(ctx context.Context, c *Conn, agent, exchange, request string) (string, error) {
	for {
		answer, err := c.AskBudget(ctx, agent, exchange, []byte(request))
		if !errors.Is(err, ErrNoBroker) {
			return string(answer), err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
}

func TestBudgetRequestsAreAnsweredInWhateverOrder(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	const agent, exchange, n = "a host.0", "ex.change", 200
	if _, err := c.AskBudget(ctx, agent, exchange, nil); !errors.Is(err, ErrNoBroker) {
		t.Errorf("nobody is there: %v", err)
	}
	var mu sync.Mutex
	var waiting []func()
	stop := serveInBackground(t, func(ctx context.Context) error {
		return c.ServeBudget(ctx, agent, func(of string, payload []byte, reply func([]byte)) {
			if of != exchange || reply == nil {
				t.Errorf("%q about %q", payload, of)
				return
			}
			if string(payload) == "ready" {
				reply(nil)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			waiting = append(waiting, func() { reply(append([]byte("to "), payload...)) })
			if len(waiting) == n { // the first ones wait for the last, and are answered after them
				for i := range waiting {
					waiting[n-1-i]()
				}
			}
		})
	})
	asker := connectTest(t, ClientConfig{File: s.File()})
	if _, err := askBudget(ctx, asker, agent, exchange, "ready"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if answer, err := askBudget(ctx, asker, agent, exchange, fmt.Sprint(i)); err != nil || answer != fmt.Sprint("to ", i) {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
	all.Wait()
	stop()
	if _, err := asker.AskBudget(ctx, agent, exchange, nil); !errors.Is(err, ErrNoBroker) {
		t.Errorf("after it has left: %v", err)
	}
}

func TestBudgetHearsWhatAwaitsNoAnswer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, c := newTestBus(t)
	heard := make(chan string, 8)
	serveInBackground(t, func(ctx context.Context) error {
		return c.ServeBudget(ctx, "one", func(exchange string, payload []byte, reply func([]byte)) {
			if reply != nil {
				reply(nil)
				return
			}
			heard <- exchange + " " + string(payload)
		})
	})
	other := connectTest(t, ClientConfig{File: s.File()})
	if _, err := askBudget(ctx, other, "one", "binance", ""); err != nil { // it listens
		t.Fatal(err)
	}
	if err := other.TellBudget("another one", "binance", []byte("not for us")); err != nil {
		t.Error(err)
	}
	if err := other.TellBudget("one", "binance", []byte("used 7")); err != nil {
		t.Error(err)
	}
	if got := <-heard; got != "binance used 7" {
		t.Errorf("heard %q", got)
	}
}

func TestBudgetIsNotWaitedForWhenTheBusBreaks(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	s := startTestServer(t, dir)
	c := connectTest(t, ClientConfig{File: s.File()})
	asked := make(chan struct{}, 1)
	serveInBackground(t, func(ctx context.Context) error {
		return c.ServeBudget(ctx, "one", func(_ string, payload []byte, reply func([]byte)) {
			if string(payload) == "wait" {
				asked <- struct{}{} // and no answer
				return
			}
			reply([]byte("here"))
		})
	})
	asker := connectTest(t, ClientConfig{File: s.File()})
	if _, err := askBudget(ctx, asker, "one", "binance", ""); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := asker.AskBudget(ctx, "one", "binance", []byte("wait"))
		ended <- err
	}()
	<-asked
	s.Shutdown()
	if err := <-ended; err == nil || ctx.Err() != nil {
		t.Errorf("asked while the bus ends: %v", err)
	}
	if _, err := asker.AskBudget(ctx, "one", "binance", nil); err == nil {
		t.Error("an answer without a bus")
	}
	if err := asker.TellBudget("one", "binance", nil); err != nil {
		t.Error(err)
	}
	startTestServer(t, dir)
	for {
		answer, err := askBudget(ctx, asker, "one", "binance", "")
		if err == nil {
			if answer != "here" {
				t.Errorf("%q", answer)
			}
			return
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosedConnectionEndsTheBudget(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s, _ := newTestBus(t)
	c := connectTest(t, ClientConfig{File: s.File()})
	ended := make(chan error, 1)
	go func() {
		ended <- c.ServeBudget(ctx, "one", func(_ string, _ []byte, reply func([]byte)) { reply(nil) })
	}()
	if _, err := askBudget(ctx, c, "one", "binance", ""); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := c.AskBudget(ctx, "one", "binance", nil); err == nil {
		t.Error("an answer on a closed connection")
	}
}
