package proc

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handle is a pidfd in the runtime's poller; without one it is empty.
type handle struct{ file *os.File }

// take takes over the pidfd of a process that was just started.
func (d *handle) take(h *Host, child *os.Process) error {
	if !h.pidfd {
		return nil
	}
	var fd int
	var failure error
	err := child.WithHandle(func(pidfd uintptr) {
		fd, failure = unix.FcntlInt(pidfd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, failure); err != nil {
		return err
	}
	return d.adopt(fd)
}

// open opens the pidfd of whoever has the PID now.
func (d *handle) open(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	return d.adopt(fd)
}

func (d *handle) adopt(fd int) error {
	// os.NewFile puts a non-blocking descriptor into the poller: a goroutine that waits for it
	// blocks no thread, and children and adopted processes are waited for alike.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // it was only read
		return err
	}
	d.file = os.NewFile(uintptr(fd), "pidfd")
	return nil
}

func (d *handle) close() {
	if d.file != nil {
		_ = d.file.Close() // nothing is written to a pidfd
	}
}

// control lends the descriptor.
func (d *handle) control(use func(fd int) error) error {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = use(int(fd)) }); err != nil {
		return err
	}
	return failure
}

// runs tells whether the process of the pidfd has not ended; false without a pidfd.
func (d *handle) runs() bool {
	if d.file == nil {
		return false
	}
	running := false
	err := d.control(func(fd int) error {
		running = !readable(fd)
		return nil
	})
	return err == nil && running
}

// readable tells whether the process of a pidfd has ended.
func readable(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 1
}

// watch waits for the end; false when Close came first.
func (p *Process) watch() bool {
	if p.handle.file == nil {
		return p.poll()
	}
	raw, err := p.handle.file.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool { return readable(int(fd)) })
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrClosed):
		return false
	}
	p.host.log.Warn("a pidfd cannot be waited for: the process is watched by asking", "pid", p.id.PID, "error", err)
	return p.poll()
}

// poll asks for the start time again and again; false when Close came first.
func (p *Process) poll() bool {
	ticker := time.NewTicker(p.host.interval)
	defer ticker.Stop()
	for {
		st, err := readStat(p.id.PID)
		if errors.Is(err, errNoProcess) || err == nil && (st.dead() || st.startTicks != p.id.StartTicks) || readToken(p.id.PID, p.id.RunID) == tokenOther {
			return true
		}
		select {
		case <-ticker.C:
		case <-p.closing:
			return false
		}
	}
}

// status tells how a process ended, and leaves a zombie as it is: as long as it is there, its PID,
// which is also the number of its group, belongs to nobody else.
func (p *Process) status() Exit {
	st, err := readStat(p.id.PID)
	zombie := err == nil && st.startTicks == p.id.StartTicks && st.dead()
	if zombie && st.parent == os.Getpid() {
		p.mu.Lock()
		p.child = true // it may have become ours when its parent died
		p.mu.Unlock()
		if exit, ok := peek(p.id.PID); ok {
			return exit
		}
	}
	if zombie && maySee(p.id.PID) {
		return exitOf(syscall.WaitStatus(st.exitCode))
	}
	// The kernel remembers for whoever holds a pidfd, from 6.15 on.
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if p.handle.file == nil || p.handle.control(func(fd int) error { return unix.IoctlPidfdInfo(fd, &info) }) != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	return exitOf(syscall.WaitStatus(info.Exit_code))
}

// maySee tells whether the kernel shows us the exit code of a zombie: it writes 0 for those who may
// not see it.
func maySee(pid int) bool {
	info, err := os.Stat(procPath(pid, "")) //nolint:gosec // the path is made of a number
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && (os.Geteuid() == 0 || int(owner.Uid) == os.Geteuid())
}

// peek reads how a child of ours ended without reaping it.
func peek(pid int) (Exit, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return Exit{}, false
		}
	}
	// siginfo_t of SIGCHLD: signo, errno, code, padding to a word, then pid, uid and status.
	const word = unsafe.Sizeof(uintptr(0))
	raw := (*[unsafe.Sizeof(info)]byte)(unsafe.Pointer(&info)) //nolint:gosec // x/sys names no fields behind the code
	at := (12+word-1)/word*word + 8
	status := int(int32(binary.NativeEndian.Uint32(raw[at:])))
	const exited, killed, dumped = 1, 2, 3 // CLD_EXITED, CLD_KILLED, CLD_DUMPED
	switch info.Code {
	case exited:
		return Exit{Known: true, Code: status}, true
	case killed, dumped:
		return Exit{Known: true, Signal: syscall.Signal(status)}, true
	}
	return Exit{}, false
}

// probePidfd tells why pidfds cannot be used.
func probePidfd() error {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // it was only read
	return unix.PidfdSendSignal(fd, 0, nil, 0)
}

// isRunning asks the pidfd, or the start time where there is none.
func (p *Process) isRunning() bool {
	if p.handle.file != nil {
		return p.handle.runs()
	}
	st, err := readStat(p.id.PID)
	return err == nil && st.startTicks == p.id.StartTicks && !st.dead()
}
