package supervise

import (
	"fmt"
	"time"

	"velador/internal/backoff"
	"velador/internal/proc"
)

// exitConfig is the exit code of a collector whose configuration is wrong (EX_CONFIG of sysexits.h):
// to start it again would change nothing.
const exitConfig = 78

// life is how a process ended.
type life struct {
	exit   proc.Exit
	lasted time.Duration // by the kernel's clocks
	words  string        // the last line of its log; may be empty
}

// String says it in a sentence for people.
func (l life) String() string {
	text := fmt.Sprintf("%s after %s", l.exit, l.lasted.Round(100*time.Millisecond))
	if l.words != "" {
		text += ": " + l.words
	}
	return text
}

// restart is what to do after the end of a process that nobody asked for.
type restart struct {
	never    bool          // do not start it again
	after    time.Duration // before the next start
	failures int           // how many there were in a row, this one included
}

// nextRestart decides. failures is how many ends, or starts that failed, went before in a row; a
// life of at least healthy wipes them out. It never gives up, except when the collector itself says
// that there is no use.
func nextRestart(failures int, ended life, healthy time.Duration, policy backoff.Policy, random float64) restart {
	if ended.exit.Known && ended.exit.Signal == 0 && ended.exit.Code == exitConfig {
		return restart{never: true, failures: failures + 1}
	}
	if ended.lasted >= healthy {
		failures = 0
	}
	return restart{after: policy.Delay(failures, random), failures: failures + 1}
}
