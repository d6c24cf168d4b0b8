package supervise

import (
	"fmt"
	"time"

	"velador/internal/collector"
)

// When a process that lives is taken for one that does not work. Our own time counts beside the
// exchange's, since a simulator's clock may run a thousand times as fast.
const (
	staleSteps  = 5              // of its timeframe without a candle, by the exchange's clock
	mostPatient = 24 * time.Hour // what restarts that did not help may double the patience up to
)

// staleFor is for how long of our own time no candle must have come: 90 s where a silence may last a
// minute.
func staleFor(silence time.Duration) time.Duration { return silence * 3 / 2 }

// standstill is after how long an exchange's clock that does not move tells that it cannot be reached.
func standstill(silence time.Duration) time.Duration { return silence / 2 }

// vigil remembers what a process has said, as far as it tells a working one from one that is started
// anew. It decides and touches nothing. Times are ours, monotonic; fruitless outlives the process.
type vigil struct {
	heard     time.Time // when the newest beat came; before the first, when the process was taken up
	barren    time.Time // since when it brings no candle without an excuse; zero while it does, or has one
	moved     time.Time // when the exchange's clock moved in what it said
	beat      collector.Beat
	fruitless int // how many processes in a row were ended for this and brought no candle
}

// begin is for a new process.
func (v *vigil) begin(now time.Time) { *v = vigil{heard: now, fruitless: v.fruitless} }

// hear takes a beat.
func (v *vigil) hear(b collector.Beat, step, silence time.Duration, now time.Time) {
	progress := b.Candles > v.beat.Candles || b.LastOpen > v.beat.LastOpen && v.beat.RunID != ""
	if progress {
		v.fruitless = 0
	}
	// The clock of an exchange that cannot be reached stands still, and leaps when it can be again: from
	// then on the process has its time.
	back := b.Clock != v.beat.Clock && now.Sub(v.moved) >= standstill(silence)
	if b.Clock != v.beat.Clock || v.moved.IsZero() {
		v.moved = now
	}
	silent := b.Silent() >= staleSteps*step && !b.Quiet && !b.BannedUntil.After(now)
	switch {
	case !silent:
		v.barren = time.Time{}
	case progress || back || v.barren.IsZero():
		v.barren = now
	}
	v.heard, v.beat = now, b
}

// barrenFor is how long it has brought no candle without an excuse.
func (v *vigil) barrenFor(now time.Time, silence time.Duration) time.Duration {
	if v.barren.IsZero() || now.Sub(v.moved) >= standstill(silence) {
		return 0
	}
	return now.Sub(v.barren)
}

// isStale tells whether it lives and does not work, be it for too short a time to be ended for it.
// listening is since when the agent could hear beats without an interruption.
func (v *vigil) isStale(now, listening time.Time, silence time.Duration) bool {
	return silence > 0 && (v.barrenFor(now, silence) >= staleFor(silence) || v.quietFor(now, listening) >= silence)
}

// verdict says why the process is to be started anew; "" when it is not.
func (v *vigil) verdict(now, listening time.Time, silence, step time.Duration) string {
	if silence <= 0 {
		return "" // no beats are expected
	}
	if quiet := v.quietFor(now, listening); quiet >= v.patience(silence) {
		return fmt.Sprintf("it had said nothing for %s", quiet.Round(time.Second))
	}
	if v.barrenFor(now, silence) >= v.patience(staleFor(silence)) {
		return fmt.Sprintf("it had brought no candle for %s by the exchange's clock, where one is due every %s", v.beat.Silent().Round(time.Second), step)
	}
	return ""
}

// quietFor is how long it has said nothing although it could have been heard.
func (v *vigil) quietFor(now, listening time.Time) time.Duration {
	if listening.After(v.heard) {
		return now.Sub(listening)
	}
	return now.Sub(v.heard)
}

// patience doubles with every process that was ended in vain: the cause is elsewhere then.
func (v *vigil) patience(first time.Duration) time.Duration {
	patience := first
	for range v.fruitless {
		if patience >= mostPatient/2 {
			return max(first, mostPatient)
		}
		patience *= 2
	}
	return patience
}
