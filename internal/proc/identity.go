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
	"strings"
	"sync"
	"time"
)

// Identity names one process beyond doubt (SUPERVISION.md rule 1). PIDs are reused, boot times
// move with NTP, namespace numbers repeat: only all of it together is an identity.
type Identity struct {
	BootID string `json:"boot_id"` // /proc/sys/kernel/random/boot_id
	// Namespace is the PID namespace and its incarnation, such as pid:[4026531836]@24: the kernel uses
	// inode numbers again (3 in 6 starts of a container), so the start ticks of its PID 1 are
	// behind them (SUPERVISION.md rule 2). What velador wrote before it did so has no ticks.
	Namespace  string `json:"namespace"`
	PID        int    `json:"pid"`         // 0: not started yet
	StartTicks uint64 `json:"start_ticks"` // field 22 of /proc/PID/stat: clock ticks since boot, 100 a second
	RunID      string `json:"run_id"`      // token of this run, in the process's environment (EnvRunID) and lock file
}

// sameNamespace tells whether two names are those of one PID namespace. Where one of them, written
// by a former release or where /proc/1 is hidden, has no incarnation, the inodes alone are compared;
// the start ticks and the run's token of the process itself still have to be right.
func sameNamespace(a, b string) bool {
	inodeA, incarnationA, knownA := strings.Cut(a, "@")
	inodeB, incarnationB, knownB := strings.Cut(b, "@")
	return inodeA == inodeB && (incarnationA == incarnationB || !knownA || !knownB)
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
	patience  time.Duration // with a zombie that may be somebody else's, before ReapOrphans takes it

	births  sync.RWMutex // held while a process is begun or found, until it is watched
	mu      sync.Mutex
	watched map[int]int // how many of our processes have the PID, for ReapOrphans
}

// NewHost looks at the machine. log may be nil.
func NewHost(log *slog.Logger) *Host {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Host{
		log: log, bootID: bootID(), namespace: pidNamespace(),
		interval: 200 * time.Millisecond, patience: time.Second, watched: make(map[int]int),
	}
	if err := probePidfd(); err != nil {
		log.Warn("the kernel lends no pidfd: processes are watched by asking for their start time", "every", h.interval, "error", err)
	} else {
		h.pidfd = true
	}
	return h
}

// Self gives the identity of this very process, for a run with this token.
func (h *Host) Self(runID string) Identity {
	id, err := h.identify(selfPID(), runID)
	if err != nil {
		h.log.Debug("the start time of this process cannot be read", "error", err)
	}
	return id
}

// identify gives the identity of a process that cannot vanish meanwhile: this one, or a child that
// has not been waited for. With an error it has no start time.
func (h *Host) identify(pid int, runID string) (Identity, error) {
	id := Identity{BootID: h.bootID, Namespace: h.namespace, PID: pid, RunID: runID}
	st, err := readStat(pid)
	id.StartTicks = st.startTicks
	return id, err
}

// watch and forget keep the list of processes that are ours to reap.
func (h *Host) watch(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watched[pid]++
}

func (h *Host) forget(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watched[pid]--; h.watched[pid] == 0 {
		delete(h.watched, pid)
	}
}

func (h *Host) watches(pid int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watched[pid] > 0
}
