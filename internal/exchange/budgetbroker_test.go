package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The clock of a bubble begins at midnight UTC, so a minute begins with the test.

// inBubble runs a test with a broker that runs, in a bubble of its own.
func inBubble(t *testing.T, config BrokerConfig, test func(t *testing.T, b *Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, stop := runBroker(t, config)
		defer stop()
		test(t, b)
	})
}

// runBroker starts a broker; stop ends it as a stopped server does.
func runBroker(t *testing.T, config BrokerConfig) (b *Broker, stop func()) {
	t.Helper()
	config.Exchange = "binance"
	b = NewBroker(config)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return b, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// fresh lets the broker see the beginning of a window, so that it is not blind.
func fresh(b *Broker) {
	_ = b.Budget("first").Spend(context.Background(), 1)
	b.Observe(1)
	time.Sleep(61 * time.Second)
}

// ledger notes who was granted what, in order.
type ledger struct {
	mu  sync.Mutex
	who []string
}

func (l *ledger) note(who string) func(answer) {
	return func(a answer) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if a.granted {
			l.who = append(l.who, who)
		}
	}
}

func (l *ledger) count(is func(string) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, who := range l.who {
		if is(who) {
			n++
		}
	}
	return n
}

func TestWeightOfAllIsOneWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(1000, time.Minute)
		fresh(b)
		began := time.Now()
		perWindow := make(map[time.Duration]int)
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				budget := b.Budget(fmt.Sprint(i))
				for range 30 {
					if err := budget.Spend(WithClass(t.Context(), ClassLive), 2); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					perWindow[time.Since(began).Truncate(time.Minute)] += 2
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(perWindow) != 3 {
			t.Errorf("2400 of weight, 800 in a window: %v", perWindow)
		}
		for window, weight := range perWindow {
			if weight > 800 {
				t.Errorf("%d in the window at %s", weight, window)
			}
		}
	})
}

func TestCollectorsTakeTurns(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(200, time.Minute) // 130 of history in a window
		fresh(b)
		var l ledger
		for range 60 { // one asks for everything first
			b.ask(request{who: "greedy", class: ClassHistory, amount: 2}, l.note("greedy"))
		}
		b.ask(request{who: "greedy", class: ClassHistory, amount: 26}, l.note("greedy"))
		for i := range 10 {
			who := fmt.Sprint("modest ", i)
			for range 3 {
				b.ask(request{who: who, class: ClassHistory, amount: 2}, l.note(who))
			}
		}
		time.Sleep(70 * time.Second) // one window
		for i := range 10 {
			who := fmt.Sprint("modest ", i)
			if n := l.count(func(is string) bool { return is == who }); n != 3 {
				t.Errorf("%s had %d of 3 turns while the greedy one waited", who, n)
			}
		}
	})
}

func TestLiveComesBeforeHistoryAndFindsRoomInAFullWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(1000, time.Minute)
		fresh(b)
		var l ledger
		for i := range 40 {
			who := fmt.Sprint("history ", i)
			for range 20 {
				b.ask(request{who: who, class: ClassHistory, amount: 2}, l.note("history"))
			}
		}
		synctest.Wait()
		if n := l.count(func(is string) bool { return is == "history" }); n != 325 {
			t.Errorf("%d requests of history were granted, 325 are 65 per cent", n)
		}
		began := time.Now()
		if err := b.Budget("live").Spend(t.Context(), 80); err != nil || time.Since(began) != 0 {
			t.Errorf("a live request waited for %s: %v", time.Since(began), err)
		}
	})
}

func TestHistoryHasItsLeastShareWhileLiveTakesAll(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(1000, time.Minute)
		fresh(b)
		for range 400 { // the window is full
			b.ask(request{who: "a", class: ClassLive, amount: 2}, func(answer) {})
			b.ask(request{who: "b", class: ClassLive, amount: 2}, func(answer) {})
		}
		var l ledger
		for i := range 100 { // more than live windows can hold
			for range 40 {
				b.ask(request{who: fmt.Sprint(i), class: ClassLive, amount: 2}, l.note("live"))
			}
		}
		for i := range 10 {
			for range 40 {
				b.ask(request{who: fmt.Sprint("h", i), class: ClassHistory, amount: 2}, l.note("history"))
			}
		}
		time.Sleep(4 * time.Minute)
		live, history := l.count(func(is string) bool { return is == "live" }), l.count(func(is string) bool { return is == "history" })
		if history < live*8/100 || history > live*12/100 {
			t.Errorf("%d of history beside %d of live", history, live)
		}
	})
}

func TestBanAnswersAllWhoWaitAndAllWhoCome(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(100, time.Minute)
		fresh(b)
		errs := make(chan error, 100)
		for i := range 100 {
			go func() {
				for {
					if err := b.Budget(fmt.Sprint(i)).Spend(t.Context(), 10); err != nil {
						errs <- err
						return
					}
				}
			}()
		}
		synctest.Wait()
		until := time.Now().Add(90 * time.Second)
		b.Ban(BanError{Status: 418, Until: until})
		began := time.Now()
		for range 100 {
			var ban *BanError
			if err := <-errs; !errors.As(err, &ban) || !ban.Until.Equal(until) || ban.Exchange != "binance" {
				t.Errorf("%v", err)
			}
		}
		var ban *BanError
		if err := b.Budget("late").Connect(t.Context()); !errors.As(err, &ban) || time.Since(began) != 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(time.Until(until))
		if err := b.Budget("late").Spend(t.Context(), 1); err != nil || time.Since(began) != 90*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestRequestOfWhoHasDiedHoldsNoPlace(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(100, time.Minute)
		fresh(b)
		if err := b.Budget("a").Spend(t.Context(), 80); err != nil {
			t.Fatal(err)
		}
		told := make(chan answer, 1)
		b.ask(request{who: "dead", class: ClassLive, amount: 2, wait: maxPoll}, func(a answer) { told <- a })
		began := time.Now()
		if a := <-told; a.granted || a.ban != nil || time.Since(began) != maxPoll {
			t.Errorf("%+v after %s", a, time.Since(began))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if n := b.weights.len(); n != 0 || b.seats["dead"].held != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestLineIsBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(100, time.Minute)
		fresh(b)
		if err := b.Budget("a").Spend(t.Context(), 80); err != nil {
			t.Fatal(err)
		}
		refused := 0
		for range maxHeld + 10 {
			b.ask(request{who: "one", class: ClassLive, amount: 2, wait: maxPoll}, func(a answer) {
				if a.after > 0 {
					refused++
				}
			})
		}
		if refused != 10 {
			t.Errorf("%d were told to ask again", refused)
		}
		refused = 0
		for i := range maxSeats + 10 {
			b.ask(request{who: fmt.Sprint("nobody ", i), class: ClassLive, amount: 2, wait: maxPoll}, func(a answer) {
				if a.after > 0 {
					refused++
				}
			})
		}
		b.mu.Lock()
		if refused < 10 || len(b.seats) > maxSeats || b.weights.len() > maxLine {
			t.Errorf("%d were told to ask again, %d are remembered, %d wait", refused, len(b.seats), b.weights.len())
		}
		b.mu.Unlock()
		time.Sleep(seatAge + 2*time.Minute)
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.seats) > 0 {
			t.Errorf("%d are remembered for ever", len(b.seats))
		}
	})
}

func TestNewBrokerAsksForTheCountBeforeItTrustsAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * time.Second)
		b, stop := runBroker(t, BrokerConfig{})
		defer stop()
		b.SetLimit(1000, time.Minute)
		var l ledger
		for i := range 100 {
			b.ask(request{who: fmt.Sprint(i), class: ClassLive, amount: 2}, l.note("one"))
		}
		synctest.Wait()
		if n := l.count(func(string) bool { return true }); n != 1 {
			t.Fatalf("%d were granted before anybody knew what was spent", n)
		}
		b.Observe(790) // by processes before us
		if n := l.count(func(string) bool { return true }); n != 6 {
			t.Errorf("%d were granted beside 790 of 800", n)
		}
		time.Sleep(45 * time.Second)
		if n := l.count(func(string) bool { return true }); n != 100 {
			t.Errorf("%d were granted in the next window", n)
		}
	})
}

func TestLostCountIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * time.Second)
		b, stop := runBroker(t, BrokerConfig{})
		defer stop()
		began := time.Now()
		for range 3 { // requests whose answers never come
			if err := b.Budget("a").Spend(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 2*probePatience {
			t.Errorf("waited for %s", took)
		}
	})
}

func TestWeightThatNoWindowHoldsGoesFirstWhenOneIsEmpty(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		b.SetLimit(20, time.Minute)
		fresh(b)
		var l ledger
		for i := range 50 {
			b.ask(request{who: fmt.Sprint(i), class: ClassLive, amount: 2}, l.note("live"))
		}
		b.ask(request{who: "large", class: ClassAudit, amount: 20}, l.note("large"))
		time.Sleep(70 * time.Second)
		if l.count(func(is string) bool { return is == "large" }) != 1 {
			t.Error("it waits for ever")
		}
	})
}

func TestAttemptsToConnectAreSpreadAndKeepRoomForLiveOnes(t *testing.T) {
	t.Parallel()
	inBubble(t, BrokerConfig{}, func(t *testing.T, b *Broker) {
		var mu sync.Mutex
		var at []time.Time
		for i := range 500 {
			b.ask(request{who: fmt.Sprint(i), class: ClassRepair}, func(a answer) {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
			})
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(at)
		}
		synctest.Wait()
		if n := count(); n != 120 {
			t.Errorf("%d at once", n)
		}
		time.Sleep(2 * time.Minute)
		if n := count(); n != 201 {
			t.Errorf("%d within two minutes", n)
		}
		began := time.Now()
		if err := b.Budget("live").Connect(t.Context()); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("a stream that broke waited for %s: %v", time.Since(began), err)
		}
		time.Sleep(20 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		at = append(at, began)
		slices.SortFunc(at, time.Time.Compare)
		if len(at) != 501 {
			t.Fatalf("%d attempts", len(at))
		}
		for i := 240; i < len(at); i++ {
			if within := at[i].Sub(at[i-240]); within < ConnectWindow {
				t.Fatalf("241 attempts within %s", within)
			}
		}
	})
}

func TestBanAndLimitAndAttemptsOutliveTheBroker(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "budgets", "binance.json")
				first, stop := runBroker(t, BrokerConfig{File: file})
				first.SetLimit(200, 10*time.Second)
				for range 100 {
					if err := first.Budget("a").Connect(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				until := time.Now().Add(time.Minute)
				first.Ban(BanError{Status: 418, Until: until})
				synctest.Wait()
				time.Sleep(2 * saveWithin)
				second := NewBroker(BrokerConfig{Exchange: "binance", File: file})
				if !kill {
					stop()
					second = NewBroker(BrokerConfig{Exchange: "binance", File: file})
				} else {
					defer stop()
				}
				var ban *BanError
				if err := second.Budget("a").Spend(t.Context(), 1); !errors.As(err, &ban) || ban.Status != 418 || ban.Until.Before(until) || ban.Until.After(until.Add(time.Millisecond)) {
					t.Errorf("%v, %+v", err, ban)
				}
				if second.account.limit != 200 || second.account.window != 10*time.Second || len(second.account.attempts) != 100 {
					t.Errorf("%+v", second.account)
				}
				time.Sleep(2 * time.Minute)
				if _, ok := NewBroker(BrokerConfig{Exchange: "binance", File: file}).Banned(); ok {
					t.Error("the ban never ends")
				}
			})
		})
	}
}

func TestBanThatAnOrphanHasPutIntoTheFileIsSeen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "binance.json")
	inBubble(t, BrokerConfig{File: file}, func(t *testing.T, b *Broker) {
		if err := keepBan(file, BanError{Status: 429, Until: time.Now().Add(time.Minute)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if _, ok := b.Banned(); !ok {
			t.Error("it goes on")
		}
		// The broker's own writing keeps it.
		b.SetLimit(300, time.Minute)
		time.Sleep(2 * saveWithin)
		if kept, err := readMemory(file); err != nil || kept.BannedUntil == 0 || kept.Limit != 300 {
			t.Errorf("%+v, %v", kept, err)
		}
	})
}

func TestFileThatCannotBeReadOrWrittenStopsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.json")
	if err := os.WriteFile(damaged, []byte(`{"banned_until":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{damaged, dir, filepath.Join(damaged, "below a file.json")} {
		inBubble(t, BrokerConfig{File: file}, func(t *testing.T, b *Broker) {
			if err := b.Budget("a").Spend(t.Context(), 1); err != nil {
				t.Error(err)
			}
			b.Ban(BanError{Status: 429, Until: time.Now().Add(time.Minute)})
			time.Sleep(3 * time.Second)
			if _, ok := b.Banned(); !ok {
				t.Error("the ban was forgotten")
			}
		})
	}
	if kept, err := readMemory(damaged); err != nil || kept.BannedUntil == 0 {
		t.Errorf("the damaged file was not replaced: %+v, %v", kept, err)
	}
}

func TestStoppedBrokerTellsThoseWhoWaitToAskAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, stop := runBroker(t, BrokerConfig{})
		b.SetLimit(10, time.Minute)
		if err := b.Budget("a").Spend(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		told := make(chan answer, 1)
		b.ask(request{who: "b", class: ClassLive, amount: 2, wait: maxPoll}, func(a answer) { told <- a })
		stop()
		if a := <-told; a.granted || a.after == 0 {
			t.Errorf("%+v", a)
		}
	})
}
