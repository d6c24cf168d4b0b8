package exchange

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errGone = errors.New("nobody is there")

// wire is a Line to a broker that may be away, or be there and say nothing.
type wire struct {
	mu     sync.Mutex
	broker *Broker
	silent bool
	asked  int
}

func (w *wire) to(b *Broker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broker = b
}

func (w *wire) Ask(ctx context.Context, payload []byte) ([]byte, error) {
	w.mu.Lock()
	b, silent := w.broker, w.silent
	w.asked++
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if b == nil {
		return nil, errGone
	}
	answers := make(chan []byte, 1)
	b.Handle(payload, func(a []byte) { answers <- a })
	select {
	case a := <-answers:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wire) Tell(payload []byte) error {
	w.mu.Lock()
	b := w.broker
	w.mu.Unlock()
	if b == nil {
		return errGone
	}
	b.Handle(payload, nil)
	return nil
}

func shared(line Line, who, file string) *SharedBudget {
	return NewSharedBudget(SharedConfig{Exchange: "binance", Who: who, Line: line, File: file})
}

func TestManyProcessesTogetherKeepTheLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(1000, time.Minute)
		fresh(b)
		line := &wire{broker: b}
		began := time.Now()
		var mu sync.Mutex
		perWindow := make(map[time.Duration]int)
		var all sync.WaitGroup
		for i := range 500 { // that start together: 1000 for the clock, 10000 for the catalogue
			all.Go(func() {
				budget := shared(line, fmt.Sprint(i), "")
				for _, weight := range []int{2, 20} {
					if err := budget.Spend(t.Context(), weight); err != nil {
						t.Error(err)
					}
					mu.Lock()
					perWindow[time.Since(began).Truncate(time.Minute)] += weight
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for window, weight := range perWindow {
			if weight > 800 {
				t.Errorf("%d in the window at %s", weight, window)
			}
		}
		if took := time.Since(began); took > 16*time.Minute {
			t.Errorf("11000 of weight, 750 in a window, took %s", took)
		}
	})
}

func TestBanToldToOneIsKnownToAll(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		line := &wire{broker: b}
		one, other := shared(line, "one", ""), shared(line, "other", "")
		for _, budget := range []*SharedBudget{one, other} {
			if err := budget.Spend(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			budget.Observe(2)
		}
		until := time.Now().Add(time.Minute)
		one.Ban(BanError{Status: 418, Until: until})
		began := time.Now()
		var ban *BanError
		if err := other.Spend(t.Context(), 2); !errors.As(err, &ban) || ban.Status != 418 || !ban.Until.Equal(until) || time.Since(began) != 0 {
			t.Errorf("%v", err)
		}
		asked := line.asked
		if err := other.Connect(t.Context()); !errors.As(err, &ban) || line.asked != asked {
			t.Errorf("%v; who knows of the ban asks nobody: %d questions", err, line.asked-asked)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if err := other.Spend(t.Context(), 2); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoExchangesHaveNothingInCommon(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		another := NewBroker(BrokerConfig{Exchange: "another"})
		one, two := shared(&wire{broker: b}, "one", ""), NewSharedBudget(SharedConfig{Exchange: "another", Who: "one", Line: &wire{broker: another}})
		one.Ban(BanError{Status: 429, Until: time.Now().Add(time.Hour)})
		if err := two.Spend(t.Context(), 2); err != nil {
			t.Error(err)
		}
		if _, ok := two.Banned(); ok {
			t.Error("the ban of one is the other's too")
		}
	})
}

func TestWithoutABrokerASmallPartIsSpentAndNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := shared(&wire{}, "orphan", "")
		budget.SetLimit(1000, time.Minute)
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		spent := 0
		for budget.Spend(ctx, 2) == nil {
			spent += 2
			budget.Observe(spent)
		}
		if spent != 100 {
			t.Errorf("%d of 1000 were spent", spent)
		}
		time.Sleep(10 * time.Second)
		budget.Observe(499) // by its siblings
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := budget.Spend(ctx, 2); err == nil {
			t.Error("the venue's count was not believed")
		}
	})
}

func TestOrphanAsksOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := shared(&wire{}, "orphan", "")
		time.Sleep(2 * time.Second)
		granted := make(chan struct{}, 8)
		for range 4 {
			go func() {
				if err := budget.Spend(t.Context(), 2); err == nil {
					granted <- struct{}{}
				}
			}()
		}
		synctest.Wait()
		for n := 1; n <= 4; n++ {
			if len(granted) != n {
				t.Fatalf("%d under way after %d counts", len(granted), n-1)
			}
			budget.Observe(2 * n)
			synctest.Wait()
		}
	})
}

func TestProcessGoesBackToTheBrokerWhenItIsThere(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(1000, time.Minute)
		fresh(b)
		line := &wire{}
		budget := shared(line, "orphan", "")
		budget.SetLimit(1000, time.Minute)
		for spent := 2; spent <= 100; spent += 2 {
			if err := budget.Spend(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			budget.Observe(spent)
		}
		time.AfterFunc(5*time.Second, func() { line.to(b) })
		began := time.Now()
		if err := budget.Spend(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("it was back after %s", took)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.account.blind {
			t.Error("the broker does not know that somebody has spent without it")
		}
	})
}

func TestBrokerThatSaysNothingHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := &wire{silent: true}
		budget := shared(line, "one", "")
		began := time.Now()
		if err := budget.Spend(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > maxPoll+replyMargin {
			t.Errorf("waited for %s", took)
		}
		budget.Observe(2)
		began = time.Now()
		if err := budget.Spend(t.Context(), 2); err != nil || time.Since(began) != 0 {
			t.Errorf("the next one waited for %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(awayForLong)
		if err := budget.Spend(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestBrokerThatIsKilledMidwayIsReplacedByTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "binance.json")
		first, stopFirst := runBroker(t, BrokerConfig{File: file})
		first.SetLimit(100, time.Minute)
		line := &wire{broker: first}
		var all sync.WaitGroup
		var mu sync.Mutex
		began, perWindow := time.Now(), make(map[time.Duration]int)
		window := func() time.Duration { return time.Since(began).Truncate(time.Minute) }
		for i := range 20 {
			all.Go(func() {
				budget := shared(line, fmt.Sprint(i), file)
				for range 20 {
					if err := budget.Spend(t.Context(), 2); err != nil {
						t.Error(err)
					}
					mu.Lock()
					perWindow[window()] += 2
					spent := perWindow[window()]
					mu.Unlock()
					time.Sleep(10 * time.Millisecond) // the answer is under way
					budget.Observe(spent)
				}
			})
		}
		time.Sleep(80 * time.Second)
		line.to(nil)
		stopFirst()
		time.Sleep(70 * time.Second)
		second, stopSecond := runBroker(t, BrokerConfig{File: file})
		defer stopSecond()
		line.to(second)
		all.Wait()
		for window, weight := range perWindow {
			if weight > 100 {
				t.Errorf("%d of 100 in the window at %s", weight, window)
			}
		}
	})
}

func TestBanOutlivesAllProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "budgets", "binance.json")
		until := time.Now().Add(time.Minute)
		first := shared(&wire{}, "first", file)
		second := shared(&wire{}, "second", file) // alone too
		first.Ban(BanError{Status: 418, Until: until})
		var ban *BanError
		for name, budget := range map[string]Budget{
			"one that was there": second,
			"one that starts":    shared(&wire{}, "third", file),
			"a server":           NewBroker(BrokerConfig{Exchange: "binance", File: file}).Budget("server"),
		} {
			if err := budget.Spend(t.Context(), 1); !errors.As(err, &ban) || ban.Status != 418 {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A shorter one does not shorten it.
		second.Ban(BanError{Status: 429, Until: until.Add(-30 * time.Second)})
		if kept, err := readMemory(file); err != nil || kept.Status != 418 {
			t.Errorf("%+v, %v", kept, err)
		}
		time.Sleep(2 * time.Minute)
		if err := shared(&wire{}, "fourth", file).Spend(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestOrphansDoNotAllConnectAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all sync.WaitGroup
		first := 0
		began := time.Now()
		for i := range 500 {
			all.Go(func() {
				budget := shared(&wire{}, fmt.Sprint(i), "")
				budget.alone.together(500, true)
				if err := budget.Connect(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if time.Since(began) < ConnectWindow {
					first++
				}
			})
		}
		all.Wait()
		if first > DefaultConnects || time.Since(began) > 11*time.Minute {
			t.Errorf("%d within %s, all within %s", first, ConnectWindow, time.Since(began))
		}
	})
}

func TestWaitingForAShareEndsWithTheContext(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(10, time.Minute)
		fresh(b)
		for _, budget := range []Budget{b.Budget("server"), shared(&wire{broker: b}, "one", ""), shared(&wire{}, "orphan", "")} {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			for budget.Spend(ctx, 10) == nil {
				budget.Observe(10)
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Error("it ended early")
			}
			cancel()
			if err := budget.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
	})
}
