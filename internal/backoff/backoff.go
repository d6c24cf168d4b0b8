// Package backoff computes how long to wait before trying again. It only computes: the caller
// waits, on a clock of its own, so that a test need not.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is an exponential back-off with a cap and jitter.
type Policy struct {
	First  time.Duration // before the first retry
	Cap    time.Duration // the longest delay before jitter
	Jitter float64       // 0.2 spreads each delay by ±20 %, so that many who failed together do not return together
}

// Delay gives the wait before retry number attempt (0 is the first). random is in [0, 1); Draw
// supplies it outside of tests.
func (p Policy) Delay(attempt int, random float64) time.Duration {
	delay := p.First
	for range attempt {
		if delay >= p.Cap/2 {
			delay = p.Cap
			break
		}
		delay *= 2
	}
	delay = min(delay, p.Cap)
	return time.Duration(float64(delay) * (1 + p.Jitter*(2*random-1)))
}

// Draw gives Delay with a random draw of its own.
func (p Policy) Draw(attempt int) time.Duration { return p.Delay(attempt, rand.Float64()) }
