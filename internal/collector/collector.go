// Package collector says what a collector is: its specification, its states with their legal
// transitions, and its record in the registry. It is pure vocabulary: it starts no process and
// knows no database.
package collector

import (
	"fmt"
	"time"

	"velador/internal/candle"
)

// Spec is what a collector is asked to do. Two collectors with the same Exchange, Selector and
// Timeframe would write the same series, so at most one of them runs.
type Spec struct {
	Exchange  string           `json:"exchange"`
	Selector  string           `json:"selector"` // as candle.ParseSelector reads it
	Timeframe candle.Timeframe `json:"timeframe"`
	// Since is where the first back-fill of a series without stored candles begins, by open time;
	// 0 begins with the candle that was forming when the collector was first wanted.
	Since candle.Millis `json:"since,omitempty"`
}

// Key identifies what the spec collects, whatever its Since.
func (s Spec) Key() string { return s.Exchange + ":" + s.Selector + ":" + s.Timeframe.String() }

// Status is the contract's word for a collector's condition (DESIGN section 7).
type Status string

// The statuses of the contract.
const (
	Running Status = "running" // its process is alive, or is being started
	Failed  Status = "error"   // it keeps failing and is tried again
	Stopped Status = "stopped" // it ended, on request or because its process died unwatched
)

// transitions lists what may follow what. A stopped collector that is still wanted (velador itself
// was stopped, or nobody watched) is resumed under the same record; see Record.MayBecome.
var transitions = map[Status][]Status{
	Running: {Failed, Stopped},
	Failed:  {Running, Stopped},
	Stopped: {Running, Failed},
}

// MayBecome tells whether a record may go from s to next; staying is always legal.
func (s Status) MayBecome(next Status) bool {
	if s == next {
		return true
	}
	for _, legal := range transitions[s] {
		if legal == next {
			return true
		}
	}
	return false
}

// ParseStatus reads a status's name.
func ParseStatus(name string) (Status, error) {
	if _, ok := transitions[Status(name)]; !ok {
		return "", fmt.Errorf("%q is no status of a collector: running, error or stopped is expected", name)
	}
	return Status(name), nil
}

// Identity names one process beyond doubt. A PID alone is reused by the kernel; together with the
// boot, the PID namespace and the start time in the kernel's ticks it is not (SUPERVISION.md rule 1).
type Identity struct {
	Instance   string // the velador installation that looks after it; judged by its lease
	BootID     string // /proc/sys/kernel/random/boot_id
	Namespace  string // PID namespace and the start ticks of its first process: pid:[4026531836]@7
	PID        int    // 0 while the process has not been started
	StartTicks uint64 // field 22 of /proc/PID/stat, in clock ticks since boot
	RunID      string // random token of this run, in the process's environment
}

// Record is a collector's row in the registry: one wish, and the newest life of the process that
// fulfils it. What was desired and what was seen are kept apart, so that a crash never turns "died"
// into "not wanted".
type Record struct {
	ID   int64
	Spec Spec
	// Wanted is the desired state: true from start until stop is asked for.
	Wanted bool
	Status Status
	Identity
	Host      string
	StartedAt time.Time // when this life began, to the millisecond, UTC
	StoppedAt time.Time // zero while it has not ended
	Restarts  int       // lives before this one under the same wish
	LastError string    // why it failed, in words; "" when it did not
	// LastExit is how the life before this one ended; of a stopped record, this one.
	LastExit Exit
	// NextAttempt is when the next life is due while there is no process; else zero.
	NextAttempt time.Time
	// Revision counts the changes of the row. The registry takes a change only for the revision that
	// it was made from.
	Revision int64
}

// Over tells that the record is history: nobody wants it, and nothing runs. It stays so; a later
// start makes a new record.
func (r Record) Over() bool { return !r.Wanted && r.Status == Stopped }

// MayBecome tells whether the record may go to a status.
func (r Record) MayBecome(next Status) bool {
	return r.Status.MayBecome(next) && (!r.Over() || next == Stopped)
}
