package simulate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
)

const noon candle.Millis = 1679659200000 // 2023-03-24T12:00:00Z

func newTestClock(t *testing.T, speed float64, end candle.Millis) *Clock {
	t.Helper()
	c, err := NewClock(noon, speed, end)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheClockRunsAtItsFactorOfWallTime(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{0.5, 1, 60, 1000, MaxSpeed} {
		synctest.Test(t, func(t *testing.T) {
			c := newTestClock(t, speed, Forever)
			time.Sleep(10 * time.Second)
			if got, want := c.Now(), noon+candle.Millis(10_000*speed); got != want {
				t.Errorf("after 10 s at ×%v the clock shows %s, not %s", speed, got, want)
			}
		})
	}
}

func TestSleepWakesAtTheRightWallMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClock(t, 600, Forever)
		begun := time.Now()
		if err := c.Sleep(t.Context(), noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 6*time.Second || took > 6*time.Second+time.Millisecond {
			t.Errorf("an hour at ×600 took %s of wall time, not 6 s", took)
		}
		if now := c.Now(); now < noon.Add(time.Hour) {
			t.Errorf("Sleep woke at %s, before its instant", now)
		}
	})
}

func TestSleepFollowsEveryChangeOfPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClock(t, 1, Forever)
		woke := make(chan candle.Millis, 1)
		go func() {
			if c.Sleep(context.Background(), noon.Add(time.Hour)) == nil {
				woke <- c.Now()
			}
		}()
		asleep := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case now := <-woke:
				t.Fatalf("the sleeper woke %s, at %s", when, now)
			default:
			}
		}
		time.Sleep(10 * time.Minute) // 12:10
		c.Pause()
		time.Sleep(24 * time.Hour)
		asleep("while the clock was paused")
		if err := c.Step(20 * time.Minute); err != nil { // 12:30
			t.Fatal(err)
		}
		asleep("at a step that did not reach it")
		c.Resume()
		if err := c.SetSpeed(60); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second) // 12:59
		asleep("a minute early")
		begun := time.Now()
		if now := <-woke; now < noon.Add(time.Hour) || time.Since(begun) > 1001*time.Millisecond {
			t.Errorf("the sleeper woke at %s after %s", now, time.Since(begun))
		}
	})
}

func TestAStepWakesSleepersOfAPausedClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClock(t, 1, Forever)
		c.Pause()
		woke := make(chan error)
		go func() { woke <- c.Sleep(context.Background(), noon.Add(time.Minute)) }()
		synctest.Wait()
		if err := c.Step(time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := <-woke; err != nil {
			t.Error(err)
		}
		if now := c.Now(); now != noon.Add(time.Minute) {
			t.Errorf("the paused clock was stepped to %s", now)
		}
	})
}

func TestSleepReturnsTheContextsErrorOnEveryWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClock(t, 1, noon.Add(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Sleep(ctx, noon.Add(time.Minute)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a running clock's sleeper got %v", err)
		}
		if err := c.Sleep(ctx, noon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sleeper with an ended context got %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Sleep(ctx, noon.Add(2*time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sleeper beyond the clock's end got %v", err)
		}
	})
}

func TestTheClockStopsExactlyAtItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := noon.Add(time.Hour)
		c := newTestClock(t, MaxSpeed, end)
		if err := c.Sleep(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * 365 * 24 * time.Hour) // 64 bits of nanoseconds would overflow
		if s := c.State(); s.Now != end || !s.Stopped || s.End != end {
			t.Errorf("the clock shows %+v", s)
		}
		if err := c.Step(time.Hour); err != nil {
			t.Fatal(err)
		}
		if now := c.Now(); now != end {
			t.Errorf("a step led beyond the end, to %s", now)
		}
	})
}

func TestTheClockNeverGoesBackwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClock(t, 1, Forever)
		last := c.Now()
		for i := range 2000 {
			time.Sleep(time.Duration(i%7) * time.Microsecond * 333)
			switch i % 5 {
			case 0:
				c.Pause()
			case 1:
				c.Resume()
			case 2:
				if err := c.SetSpeed(MinSpeed + float64(i%100)*100); err != nil {
					t.Fatal(err)
				}
			}
			if now := c.Now(); now < last {
				t.Fatalf("from %s the clock went back to %s", last, now)
			} else {
				last = now
			}
		}
	})
}

func TestAClockRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{0, -1, MaxSpeed + 1, MinSpeed / 2} {
		if _, err := NewClock(noon, speed, Forever); err == nil {
			t.Errorf("a speed of %v was taken", speed)
		}
	}
	if _, err := NewClock(noon, 1, noon-1); err == nil {
		t.Error("an end before the start was taken")
	}
	c := newTestClock(t, 1, Forever)
	if c.Step(-time.Second) == nil {
		t.Error("a step backwards was taken")
	}
}
