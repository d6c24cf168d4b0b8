package supervise

import (
	"fmt"
	"time"

	"velador/internal/backoff"
	"velador/internal/proc"
)

// Exit codes of a collector that mean something (sysexits.h).
const (
	exitTempFail = 75 // EX_TEMPFAIL: not before the time that its last words name
	exitConfig   = 78 // EX_CONFIG: to start it again would change nothing
)

// longestWait bounds what a collector may ask for before its next life: the exchange's bans last up to
// three days.
const longestWait = 72 * time.Hour

// life is how a process ended.
type life struct {
	exit   proc.Exit
	lasted time.Duration // by the kernel's clocks
	words  string        // why, as it said itself; may be empty
	ended  string        // why the agent ended it; "" when it ended by itself
	// fruitless tells that it was to bring candles and brought none.
	fruitless bool
	// wait is for how long there is no use in another one, by the exchange's word.
	wait time.Duration
}

// String says it in a sentence for people.
func (l life) String() string {
	if l.ended != "" {
		return fmt.Sprintf("it was started anew after %s: %s", l.lasted.Round(100*time.Millisecond), l.ended)
	}
	text := fmt.Sprintf("%s after %s", l.exit, l.lasted.Round(100*time.Millisecond))
	if l.words != "" {
		text += ": " + l.words
	}
	return text
}

// reason is why it ended, without how.
func (l life) reason() string {
	if l.ended != "" {
		return l.ended
	}
	return l.words
}

// restart is what to do after the end of a process that nobody asked for.
type restart struct {
	never    bool          // do not start it again
	after    time.Duration // before the next start
	failures int           // how many there were in a row, this one included
}

// nextRestart decides. failures is how many ends, or starts that failed, went before in a row; a
// life of at least healthy that brought candles wipes them out. It never gives up, except when the
// collector itself says that there is no use.
func nextRestart(failures int, ended life, healthy time.Duration, policy backoff.Policy, random float64) restart {
	if ended.exit.Known && ended.exit.Signal == 0 && ended.exit.Code == exitConfig {
		return restart{never: true, failures: failures + 1}
	}
	if ended.lasted >= healthy && !ended.fruitless {
		failures = 0
	}
	after := policy.Delay(failures, random)
	return restart{after: max(after, min(ended.wait, longestWait)), failures: failures + 1}
}

// waitOf is how long is left until the latest of the times that a collector, or the exchange through
// it, has named; 0 when they are over.
func waitOf(now time.Time, until ...time.Time) time.Duration {
	var wait time.Duration
	for _, one := range until {
		wait = max(wait, one.Sub(now))
	}
	return wait
}
