package exchange

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// spent tells how long Spend took, by the bubble's clock.
func spent(t *testing.T, b *LocalBudget, weight int) time.Duration {
	t.Helper()
	began := time.Now()
	if err := b.Spend(t.Context(), weight); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// The clock of a bubble begins at midnight UTC, so a minute begins with the test.

func TestSpendingStopsAtFourFifthsOfTheLimitUntilTheNextMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		time.Sleep(10 * time.Second)
		for range 2400 {
			if took := spent(t, b, 2); took != 0 {
				t.Fatalf("waited for %s", took)
			}
		}
		if took := spent(t, b, 1); took != 50*time.Second+windowGuard {
			t.Errorf("the first beyond 4800 waited for %s", took)
		}
		if took := spent(t, b, 4799); took != 0 {
			t.Errorf("a fresh minute made wait for %s", took)
		}
	})
}

func TestVenuesOwnCountMakesEveryoneWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		time.Sleep(30 * time.Second)
		spent(t, b, 2)
		b.Observe(4700) // others behind the same address
		b.Observe(10)   // an answer that was overtaken
		if took := spent(t, b, 100); took != 0 {
			t.Errorf("within the share: waited for %s", took)
		}
		b.Observe(4800)
		if took := spent(t, b, 1); took != 30*time.Second+windowGuard {
			t.Errorf("beyond the share: waited for %s", took)
		}
	})
}

func TestLimitIsTheVenuesOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		time.Sleep(2 * time.Second)
		b.SetLimit(20, 10*time.Second)
		b.SetLimit(0, time.Minute)
		b.SetLimit(5, -1)
		spent(t, b, 16)
		if took := spent(t, b, 2); took != 9*time.Second {
			t.Errorf("waited for %s", took)
		}
		// More than a window's share is let through when it comes first, or it would never be.
		time.Sleep(20 * time.Second)
		if took := spent(t, b, 18); took != 0 {
			t.Errorf("waited for %s", took)
		}
		// A larger limit frees those who wait.
		freed := make(chan time.Duration)
		go func() { freed <- spent(t, b, 100) }()
		synctest.Wait()
		b.SetLimit(6000, 10*time.Second)
		if took := <-freed; took != 0 {
			t.Errorf("waited for %s", took)
		}
	})
}

func TestBanRefusesAtOnceAndWakesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		spent(t, b, 4800)
		waiting := make(chan error)
		go func() { waiting <- b.Spend(t.Context(), 2) }()
		synctest.Wait()
		until := time.Now().Add(2 * time.Minute)
		b.Ban(BanError{Exchange: "binance", Status: 418, Until: until})
		b.Ban(BanError{Exchange: "binance", Status: 429, Until: until.Add(-time.Minute)}) // shortens nothing
		var ban *BanError
		if err := <-waiting; !errors.As(err, &ban) || !ban.Until.Equal(until) || ban.Status != 418 {
			t.Errorf("%v", err)
		}
		if err := b.Connect(t.Context()); !errors.As(err, &ban) {
			t.Errorf("connect: %v", err)
		}
		if told, ok := b.Banned(); !ok || !told.Until.Equal(until) {
			t.Errorf("%+v, %t", told, ok)
		}
		time.Sleep(2 * time.Minute)
		if took := spent(t, b, 2); took != 0 {
			t.Errorf("after the ban: waited for %s", took)
		}
		if _, ok := b.Banned(); ok {
			t.Error("still banned")
		}
		b.Ban(BanError{Until: time.Now().Add(1000 * time.Hour)})
		if told, _ := b.Banned(); time.Until(told.Until) != maxRetryAfter {
			t.Errorf("banned until %s", told.Until)
		}
	})
}

func TestConnectionAttemptsAreSpreadOverFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		var attempts []time.Time
		for range 700 {
			time.Sleep(100 * time.Millisecond)
			if err := b.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			attempts = append(attempts, time.Now())
			if n := len(attempts); n > (DefaultConnects * sharePercent / 100) {
				if within := attempts[n-1].Sub(attempts[n-1-(DefaultConnects*sharePercent/100)]); within < ConnectWindow {
					t.Fatalf("attempt %d: %d attempts within %s", n, (DefaultConnects*sharePercent/100)+1, within)
				}
			}
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(nil)
		time.Sleep(10 * time.Second)
		spent(t, b, 4800)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Spend(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := b.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// handClock is moved by the test; a timer that is set moves it as far as it asks.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.now = c.now.Add(d)
	fired := make(chan time.Time, 1)
	fired <- c.now
	return fired, func() {}
}

func TestBudgetWaitsOnTheClockItIsGiven(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 23, 10, 0, 10, 0, time.UTC)
	clock := &handClock{now: began}
	b := NewLocalBudget(clock)
	for range 3 {
		if err := b.Spend(t.Context(), 4000); err != nil {
			t.Fatal(err)
		}
	}
	if waited := clock.now.Sub(began); waited != 111*time.Second {
		t.Errorf("waited for %s", waited)
	}
}
