package simulate

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// MinSpeed and MaxSpeed bound the speed factor (SIM-T1). Below 1 the clock runs slower than the wall.
const (
	MinSpeed = 0.01
	MaxSpeed = 10_000
)

// Forever is an instant that no clock passes: 2200-01-01. Virtual nanoseconds must fit 64 bits.
const Forever candle.Millis = 7258118400000

// Clock is the one virtual clock that drives a simulated exchange (SIM-T1). It runs at a factor of
// wall time, may be paused, stepped and set to another speed while it runs, never goes backwards,
// and stops by itself at its end. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	base    int64     // virtual nanoseconds since the epoch at wall
	wall    time.Time // carries Go's monotonic reading, so that a changed wall clock does not matter
	speed   float64
	paused  bool
	end     candle.Millis
	changed chan struct{} // closed and replaced at every change of pace
}

var _ klineapi.Clock = (*Clock)(nil)

// NewClock makes a clock that shows start and runs from now on. It stops at end (Forever: never).
func NewClock(start candle.Millis, speed float64, end candle.Millis) (*Clock, error) {
	if err := checkSpeed(speed); err != nil {
		return nil, err
	}
	if start < 0 || end > Forever {
		return nil, fmt.Errorf("a clock from %s to %s leaves the years 1970 to 2200", start, end)
	}
	if end < start {
		return nil, fmt.Errorf("the clock would end at %s, before its start at %s", end, start)
	}
	return &Clock{base: int64(start) * 1e6, wall: time.Now(), speed: speed, end: end, changed: make(chan struct{})}, nil
}

func checkSpeed(speed float64) error {
	if math.IsNaN(speed) || speed < MinSpeed || speed > MaxSpeed {
		return fmt.Errorf("a speed of %v is out of bounds: give a factor from %v to %v", speed, MinSpeed, MaxSpeed)
	}
	return nil
}

// Now gives the virtual instant.
func (c *Clock) Now() candle.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return candle.Millis(c.now() / 1e6)
}

// now gives virtual nanoseconds; the caller holds mu.
func (c *Clock) now() int64 {
	end := int64(c.end) * 1e6
	if c.paused {
		return min(c.base, end)
	}
	passed := float64(time.Since(c.wall)) * c.speed
	if passed >= float64(end-c.base) { // compared before it is added: it may exceed 64 bits
		return end
	}
	return c.base + int64(passed)
}

// Sleep waits until the clock has reached t, whatever happens to its pace meanwhile, or returns
// ctx's error. Beyond the clock's end, and while it is paused, that takes until ctx ends or
// somebody moves the clock.
func (c *Clock) Sleep(ctx context.Context, t candle.Millis) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.mu.Lock()
		left := int64(t)*1e6 - c.now()
		if left <= 0 {
			c.mu.Unlock()
			return nil
		}
		changed, speed, stands := c.changed, c.speed, c.paused || t > c.end
		c.mu.Unlock()
		if stands {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		// One nanosecond more than the quotient: rounding must not wake it a moment early to spin.
		timer := time.NewTimer(time.Duration(min(float64(left)/speed+1, float64(math.MaxInt64/2))))
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// ClockState is what a clock shows.
type ClockState struct {
	Now     candle.Millis `json:"now"`  // epoch milliseconds
	Time    string        `json:"time"` // the same in RFC 3339
	Speed   float64       `json:"speed"`
	Paused  bool          `json:"paused"`
	Stopped bool          `json:"stopped"`       // it has reached its end
	End     candle.Millis `json:"end,omitempty"` // 0: it never ends
}

// State gives all the clock shows at one instant.
func (c *Clock) State() ClockState {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := candle.Millis(c.now() / 1e6)
	state := ClockState{Now: now, Time: now.String(), Speed: c.speed, Paused: c.paused, Stopped: now >= c.end, End: c.end}
	if c.end == Forever {
		state.End = 0
	}
	return state
}

// change applies f with the clock brought up to date and wakes all sleepers.
func (c *Clock) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.wall = c.now(), time.Now()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Pause stops the clock where it stands.
func (c *Clock) Pause() { c.change(func() { c.paused = true }) }

// Resume lets a paused clock run on from where it stands.
func (c *Clock) Resume() { c.change(func() { c.paused = false }) }

// SetSpeed changes the factor of wall time.
func (c *Clock) SetSpeed(speed float64) error {
	if err := checkSpeed(speed); err != nil {
		return err
	}
	c.change(func() { c.speed = speed })
	return nil
}

// Step moves the clock forward by d at once, not beyond its end; a paused clock stays paused.
func (c *Clock) Step(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("a step of %s would turn the clock back", d)
	}
	c.change(func() { c.base += min(int64(d), int64(c.end)*1e6-c.base) })
	return nil
}
