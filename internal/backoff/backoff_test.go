package backoff

import (
	"testing"
	"time"
)

func TestDelayDoublesUpToItsCapWithinItsJitter(t *testing.T) {
	t.Parallel()
	p := Policy{First: 500 * time.Millisecond, Cap: time.Minute, Jitter: 0.2}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute}
	for attempt, middle := range want {
		if got := p.Delay(attempt, 0.5); got != middle {
			t.Errorf("attempt %d: %s, want %s", attempt, got, middle)
		}
		low, high := p.Delay(attempt, 0), p.Delay(attempt, 0.999999)
		if low != middle*8/10 || high <= middle || high > middle*12/10 {
			t.Errorf("attempt %d: from %s to %s around %s", attempt, low, high, middle)
		}
	}
	if got := p.Delay(1<<30, 0.5); got != time.Minute {
		t.Errorf("a long series of attempts waits %s", got)
	}
}
