package supervise

import (
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// telling is a vigil that hears a beat every two seconds.
type telling struct {
	vigil
	now   time.Time
	begun time.Time
}

func newTelling() *telling {
	t := &telling{now: time.Now()}
	t.begun = t.now
	t.begin(t.now)
	return t
}

// hears takes beats for a while; change makes each of them.
func (t *telling) hears(lasting time.Duration, change func(at time.Duration, b *collector.Beat)) {
	for end := t.now.Add(lasting); t.now.Before(end); {
		t.now = t.now.Add(2 * time.Second)
		b := t.beat
		b.RunID = "run"
		change(t.now.Sub(t.begun), &b)
		t.hear(b, time.Minute, time.Minute, t.now)
	}
}

func (t *telling) says() string { return t.verdict(t.now, t.begun, time.Minute, time.Minute) }

// live is a collector that brings a candle a minute.
func live(at time.Duration, b *collector.Beat) {
	b.Clock = candle.Millis(at.Milliseconds())
	if minute := candle.Millis(at.Truncate(time.Minute).Milliseconds()); minute > b.LastOpen {
		b.LastOpen, b.Progress, b.Candles = minute, b.Clock, b.Candles+1
	}
}

// barren brings none any more.
func barren(at time.Duration, b *collector.Beat) { b.Clock = candle.Millis(at.Milliseconds()) }

func TestCollectorThatBringsNoCandleForSeveralStepsIsStale(t *testing.T) {
	t.Parallel()
	c := newTelling()
	c.hears(time.Hour, live)
	if why := c.says(); why != "" || c.isStale(c.now, c.begun, time.Minute) {
		t.Fatalf("a live one: %q", why)
	}
	c.hears(6*time.Minute, barren)
	if why := c.says(); why != "" {
		t.Errorf("before its time: %q", why)
	}
	c.hears(time.Minute, barren)
	if why := c.says(); !strings.Contains(why, "brought no candle for 7m") || !c.isStale(c.now, c.begun, time.Minute) {
		t.Errorf("after seven minutes: %q", why)
	}
	c.hears(2*time.Second, live)
	if why := c.says(); why != "" || c.isStale(c.now, c.begun, time.Minute) {
		t.Errorf("after a candle: %q", why)
	}
}

func TestWhatIsNotTheCollectorsFaultDoesNotMakeItStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(at time.Duration, b *collector.Beat){
		"a market without trades": func(at time.Duration, b *collector.Beat) { barren(at, b); b.Quiet = true },
		"a ban": func(at time.Duration, b *collector.Beat) {
			barren(at, b)
			b.BannedUntil = time.Now().Add(24 * time.Hour)
		},
		"an exchange that cannot be reached": func(time.Duration, *collector.Beat) {},
		"a back-fill": func(at time.Duration, b *collector.Beat) {
			barren(at, b)
			b.Candles, b.Progress = b.Candles+1000, b.Clock
		},
	} {
		c := newTelling()
		c.hears(time.Minute+30*time.Second, live)
		c.hears(2*time.Hour, change)
		if why := c.says(); why != "" || c.isStale(c.now, c.begun, time.Minute) {
			t.Errorf("%s: %q", name, why)
		}
	}
	// The exchange is back, and its clock is hours ahead: the collector has its time.
	c := newTelling()
	c.hears(time.Minute+30*time.Second, live)
	c.hears(time.Hour, func(time.Duration, *collector.Beat) {})
	c.hears(time.Minute, barren)
	if why := c.says(); why != "" {
		t.Errorf("a minute after an outage: %q", why)
	}
	c.hears(time.Minute, barren)
	if why := c.says(); why == "" {
		t.Error("two minutes after an outage it has brought nothing, and is left alone")
	}
}

func TestFastClockOfASimulatorAloneMakesNothingStale(t *testing.T) {
	t.Parallel()
	c := newTelling()
	fast := func(at time.Duration, b *collector.Beat) { b.Clock = candle.Millis((1000 * at).Milliseconds()) }
	c.hears(80*time.Second, fast)
	if why := c.says(); why != "" {
		t.Error(why)
	}
	c.hears(20*time.Second, fast)
	if why := c.says(); why == "" {
		t.Error("it is never stale")
	}
}

func TestEachRestartInVainDoublesThePatience(t *testing.T) {
	t.Parallel()
	v := vigil{}
	for n, want := range []time.Duration{90 * time.Second, 3 * time.Minute, 6 * time.Minute, 12 * time.Minute} {
		if got := v.patience(90 * time.Second); got != want {
			t.Errorf("after %d: %s", n, got)
		}
		v.fruitless++
	}
	v.fruitless = 1000
	if got := v.patience(time.Minute); got != 24*time.Hour {
		t.Errorf("at last: %s", got)
	}
	if got := v.patience(100 * time.Hour); got != 100*time.Hour {
		t.Errorf("a patience that is longer than that: %s", got)
	}
	c := newTelling()
	c.fruitless = 3
	c.begin(c.now)
	if c.fruitless != 3 {
		t.Error("a new process forgets it")
	}
	c.hears(2*time.Minute, live)
	if c.fruitless != 0 {
		t.Error("a candle does not wipe it out")
	}
}

func TestSilentCollectorIsStartedAnewUnlessItCouldNotBeHeard(t *testing.T) {
	t.Parallel()
	c := newTelling()
	c.now = c.now.Add(59 * time.Second)
	if why := c.says(); why != "" {
		t.Error(why)
	}
	c.now = c.now.Add(time.Second)
	if why := c.says(); !strings.Contains(why, "said nothing for 1m0s") {
		t.Errorf("one that never spoke: %q", why)
	}
	if why := c.verdict(c.now, c.now.Add(-30*time.Second), time.Minute, time.Minute); why != "" {
		t.Errorf("it could be heard for half a minute only: %q", why)
	}
	if why := c.verdict(c.now, c.begun, -1, time.Minute); why != "" {
		t.Errorf("nothing is expected of it: %q", why)
	}
}
