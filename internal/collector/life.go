package collector

import (
	"fmt"
	"syscall"
	"time"
)

// Exit is how a life of a collector's process ended. The zero value means that none has ended yet.
type Exit struct {
	At     time.Time // when it was noticed, to the millisecond, UTC
	Known  bool      // false: it is gone, and nobody could see how
	Code   int       // exit code, where no signal ended it
	Signal int       // number of the signal that ended it; 0 for none
	Reason string    // in words: what the process said at last, or why it was ended; may be empty
}

// String says it in words, without the reason.
func (e Exit) String() string {
	switch {
	case e.At.IsZero():
		return "has not ended"
	case !e.Known:
		return "ended unseen"
	case e.Signal != 0:
		return fmt.Sprintf("ended by signal %d (%s)", e.Signal, syscall.Signal(e.Signal))
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Life is one life of a collector's process that has ended; its record holds the newest one. They are
// told apart by RunID.
type Life struct {
	CollectorID int64
	RunID       string
	PID         int
	Host        string
	StartedAt   time.Time // to the millisecond, UTC
	Exit        Exit
}
