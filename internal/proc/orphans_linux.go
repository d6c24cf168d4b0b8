package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// orphanTick is how often zombies are looked for when no SIGCHLD tells of one.
const orphanTick = 30 * time.Second

// ReapOrphans takes zombies out of the process table that nobody else will: when this process is
// PID 1, as velador is in a container, or a subreaper, the kernel makes it the parent of processes
// whose own parent has died, and what they leave stays for ever. It returns, with nil, when ctx ends;
// where orphans fall to somebody else it only waits for that.
//
// A Process of this Host is never touched: its zombie holds its status and its PID until Close. Any
// other child of this process, such as that of an exec.Cmd, has a second in which its own parent
// must wait for it.
func (h *Host) ReapOrphans(ctx context.Context) error {
	if h.namespace == "" || !reaper() {
		<-ctx.Done()
		return nil
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGCHLD)
	defer signal.Stop(told)
	tick := time.NewTicker(orphanTick)
	defer tick.Stop()
	var seen map[int]uint64
	for {
		found, err := h.reapOrphans(seen)
		if err != nil {
			h.log.Warn("processes that fell to this one cannot be reaped", "error", err)
		}
		seen = found
		// However many end, one look in this time is enough.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(h.patience):
		}
		if len(seen) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-told:
		case <-tick.C:
		}
	}
}

// reaper tells whether orphans become children of this process.
func reaper() bool {
	if os.Getpid() == 1 {
		return true
	}
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0) //nolint:gosec // the kernel writes an int there
	return err == nil && is != 0
}

// reapOrphans reaps the zombies which it has seen before, by PID and start time, and gives those that
// it sees for the first time.
func (h *Host) reapOrphans(seen map[int]uint64) (found map[int]uint64, err error) {
	if !anyZombie() {
		return nil, nil
	}
	table, err := readTable()
	if err != nil {
		return nil, err
	}
	found = make(map[int]uint64)
	for _, st := range table {
		if st.parent != os.Getpid() || !st.dead() || h.watches(st.pid) {
			continue
		}
		if ticks, before := seen[st.pid]; before && ticks == st.startTicks {
			err = errors.Join(err, h.reapOrphan(st))
		} else {
			found[st.pid] = st.startTicks
		}
	}
	return found, err
}

// anyZombie tells whether some child of ours, watched or not, is a zombie. It takes nothing away.
func anyZombie() bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && info.Signo != 0
		}
	}
}

// reapOrphan reaps one zombie, unless it has become a Process of ours.
func (h *Host) reapOrphan(zombie stat) error {
	// Nobody is being started, who might die before it is watched and have this PID.
	h.births.Lock()
	defer h.births.Unlock()
	now, err := readStat(zombie.pid)
	if err != nil || now.startTicks != zombie.startTicks || !now.dead() || h.watches(zombie.pid) {
		return nil // somebody has waited for it
	}
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(zombie.pid, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("reap PID %d: %w", zombie.pid, err)
		case pid == zombie.pid:
			h.log.Debug("a process that fell to this one was reaped", "pid", pid, "exit", exitOf(status).String())
		}
		return nil
	}
}
