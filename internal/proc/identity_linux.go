package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of times in /proc/PID/stat: USER_HZ, 100 on all that Go runs on.
const ticksPerSecond = 100

// bootID names the time between two starts of the kernel; "" where it cannot be read.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// pidNamespace names the PID namespace that /proc shows, with the start ticks of its PID 1 where they
// can be read; "" when that is not ours, so that nothing in it can be trusted.
func pidNamespace() string {
	self, err := os.Readlink("/proc/self")
	if err != nil || self != strconv.Itoa(os.Getpid()) {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	if first, err := readStat(1); err == nil {
		namespace += "@" + strconv.FormatUint(first.startTicks, 10)
	}
	return namespace
}

// Open looks for the process of an identity. Only with Same there is a Process. The error tells why
// something is Unverifiable, and is nil otherwise.
//
// The pidfd comes first and the start time after it: if the time is right, the process had the PID
// before the pidfd was opened and has it still. The other order has a hole (SUPERVISION.md 3).
func (h *Host) Open(id Identity) (*Process, Verdict, error) {
	unverifiable := func(why string, cause error) (*Process, Verdict, error) {
		if cause != nil {
			why += ": " + cause.Error()
		}
		return nil, Unverifiable, fmt.Errorf("%w: PID %d: %s", ErrUnverifiable, id.PID, why)
	}
	switch {
	case id.PID <= 0:
		return nil, Gone, nil
	case h.bootID == "" || h.namespace == "":
		return unverifiable("/proc is missing or not of our PID namespace", nil)
	case id.BootID == "" || id.Namespace == "" || id.StartTicks == 0:
		return unverifiable("its identity is incomplete", nil)
	case id.BootID != h.bootID:
		return nil, Gone, nil
	case !sameNamespace(id.Namespace, h.namespace):
		// Also when only the incarnation is another one, which ended with all in it: a clock of our
		// own (time_namespaces(7)) would show the same one differently.
		return unverifiable("it lives in the PID namespace "+id.Namespace, nil)
	}
	h.births.RLock()
	defer h.births.RUnlock()
	p := h.newProcess(id, false)
	if h.pidfd {
		switch err := p.handle.open(id.PID); {
		case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil, Gone, nil // nobody, or a thread of somebody
		case err != nil:
			return unverifiable("no pidfd", explain(err))
		}
	}
	st, err := readStat(id.PID)
	missing := errors.Is(err, errNoProcess)
	switch {
	case missing && p.handle.runs():
		p.handle.close()
		return unverifiable("/proc hides it", nil)
	case !missing && err != nil:
		p.handle.close()
		return unverifiable("its start time", explain(err))
	case missing, st.startTicks != id.StartTicks, p.handle.file == nil && st.dead(), p.handle.file != nil && !p.handle.runs():
		p.handle.close()
		return nil, Gone, nil
	}
	// Within one tick of 10 ms a PID could come back. The token in the environment cannot.
	switch t, err := awaitToken(id.PID, id.RunID); {
	case err != nil:
		p.handle.close()
		return unverifiable("the token of its run", explain(err))
	case t == tokenOther:
		p.handle.close()
		return nil, Gone, nil
	}
	p.child = st.parent == os.Getpid()
	p.start()
	return p, Same, nil
}

// Age is how long the process has existed, by the kernel's clocks: no change of the wall clock
// touches it. Time that the machine slept counts.
func (p *Process) Age() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	started := time.Duration(p.id.StartTicks) * (time.Second / ticksPerSecond)
	return max(0, time.Duration(now.Nano())-started)
}
