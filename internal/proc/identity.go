// Package proc starts, finds, watches and ends the processes of one machine. It knows what a
// process is, beyond doubt, and nothing of what it does.
//
// A PID is a number that the kernel uses again. So a process is named by an Identity; a Process
// holds a pidfd, which was opened before the identity was checked, and every signal goes through
// it. Where the kernel offers no pidfd (gVisor, some seccomp profiles, other systems than Linux) the
// start time is read again before each signal, and the end of a process is found by asking often.
package proc

import (
	"errors"
	"log/slog"
	"time"
)

// Identity names one process beyond doubt (SUPERVISION.md rule 1). PIDs are reused, boot times
// move with NTP, namespace numbers repeat: only all of it together is an identity.
type Identity struct {
	BootID     string `json:"boot_id"`     // /proc/sys/kernel/random/boot_id
	Namespace  string `json:"namespace"`   // PID namespace, such as pid:[4026531836]
	PID        int    `json:"pid"`         // 0: not started yet
	StartTicks uint64 `json:"start_ticks"` // field 22 of /proc/PID/stat: clock ticks since boot, 100 a second
	RunID      string `json:"run_id"`      // token of this run, in the process's environment (EnvRunID) and lock file
}

// Verdict says what became of the process that an identity names.
type Verdict uint8

// The verdicts of Host.Open.
const (
	Gone Verdict = iota // it does not run any more; its PID may be a stranger's now; a zombie is gone
	Same                // it runs, and this is it
	// Unverifiable says that something may run under the PID, and whether it is the process cannot be
	// told from here: it must not be signalled, and no copy may be started while its lock is held.
	Unverifiable
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Gone:
		return "gone"
	case Same:
		return "same"
	}
	return "unverifiable"
}

// Errors of this package, to be told with errors.Is.
var (
	// ErrLocked: another process holds the lock file; a *LockedError says which.
	ErrLocked = errors.New("another process holds the lock")
	// ErrGone: the process has ended.
	ErrGone = errors.New("the process has ended")
	// ErrUnverifiable: whether the process is the one that was meant cannot be told.
	ErrUnverifiable = errors.New("the process cannot be verified")
)

// Host is the machine, as far as this process can see it.
type Host struct {
	log       *slog.Logger
	bootID    string
	namespace string
	pidfd     bool // the kernel lends pidfds
	census    census
	interval  time.Duration // between two looks at a process without a pidfd
}

// NewHost looks at the machine. log may be nil.
func NewHost(log *slog.Logger) *Host {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Host{log: log, bootID: bootID(), namespace: pidNamespace(), interval: 200 * time.Millisecond}
	if err := probePidfd(); err != nil {
		log.Warn("the kernel lends no pidfd: processes are watched by asking for their start time", "every", h.interval, "error", err)
	} else {
		h.pidfd = true
	}
	return h
}

// Self gives the identity of this very process, for a run with this token.
func (h *Host) Self(runID string) Identity { return h.identify(selfPID(), runID) }

// identify gives the identity of a process that cannot vanish meanwhile: this one, or a child that
// has not been waited for.
func (h *Host) identify(pid int, runID string) Identity {
	id := Identity{BootID: h.bootID, Namespace: h.namespace, PID: pid, RunID: runID}
	if st, err := readStat(pid); err == nil {
		id.StartTicks = st.startTicks
	}
	return id
}
