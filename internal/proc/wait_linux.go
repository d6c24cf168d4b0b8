package proc

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handle is a pidfd in the runtime's poller; without one it is empty.
type handle struct {
	file *os.File

	// lent guards the number against being closed, and becoming another file's, while somebody has
	// it. Whoever borrows only tries: Running has many at once, in any order.
	lent   sync.RWMutex
	fd     int
	closed bool
}

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
	if errors.Is(err, os.ErrNoHandle) { // Go asks more of a kernel than we do
		return d.open(child.Pid) // nobody has waited for it: it is still the one
	}
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
	d.file, d.fd = os.NewFile(uintptr(fd), "pidfd"), fd
	return nil
}

func (d *handle) close() {
	if d.file == nil {
		return
	}
	d.lent.Lock()
	d.closed = true
	d.lent.Unlock()
	_ = d.file.Close() // nothing is written to a pidfd
}

// borrow lends the number of the pidfd until giveBack; false when it is closed, or just being so.
// It never waits.
func (d *handle) borrow() (fd int, ok bool) {
	if d.file == nil || !d.lent.TryRLock() {
		return 0, false
	}
	if d.closed {
		d.lent.RUnlock()
		return 0, false
	}
	return d.fd, true
}

func (d *handle) giveBack() { d.lent.RUnlock() }

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
	if err == nil {
		return true
	}
	select {
	case <-p.closing: // the poller's error for a file that is being closed has no name
		return false
	default:
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
		if errors.Is(err, errNoProcess) || err == nil && (st.dead() || st.startTicks != p.id.StartTicks) {
			return true
		}
		if t, err := readToken(p.id.PID, p.id.RunID); err == nil && t == tokenOther {
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
	if exit, ok := p.handle.peek(); ok {
		p.ours()
		return exit
	}
	st, err := readStat(p.id.PID)
	zombie := err == nil && st.startTicks == p.id.StartTicks && st.dead()
	if zombie && st.parent == os.Getpid() {
		p.ours()
		if exit, ok := peek(unix.P_PID, p.id.PID); ok {
			return exit
		}
	}
	if zombie && maySee(p.id.PID) {
		return exitOf(syscall.WaitStatus(st.exitCode))
	}
	return p.handle.remembered()
}

// ours notes that the process is our child: it may have become so when its parent died.
func (p *Process) ours() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child = true
}

// remembered asks the kernel, which from 6.15 on keeps the exit status for whoever holds a pidfd,
// also after somebody else has reaped the process.
func (d *handle) remembered() Exit {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if d.file == nil || d.control(func(fd int) error { return unix.IoctlPidfdInfo(fd, &info) }) != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	return exitOf(syscall.WaitStatus(info.Exit_code))
}

// peek is peek for the process of a pidfd, if it is our child: there it needs no PID.
func (d *handle) peek() (exit Exit, ok bool) {
	if d.file != nil {
		_ = d.control(func(fd int) error { // closed: not ok
			exit, ok = peek(unix.P_PIDFD, fd)
			return nil
		})
	}
	return exit, ok
}

// reap takes the process of a pidfd out of the process table if it is a zombie and our child.
func (d *handle) reap() bool {
	return d.file != nil && d.control(func(fd int) error {
		for {
			var info unix.Siginfo
			err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOHANG, nil)
			if !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}) == nil
}

// maySee tells whether the kernel shows us the exit code of a zombie: it writes 0 for those who may
// not see it.
func maySee(pid int) bool {
	uid, ok := ownerOf(pid)
	return ok && (os.Geteuid() == 0 || uid == os.Geteuid())
}

// ownerOf tells whose process it is.
func ownerOf(pid int) (uid int, ok bool) {
	info, err := os.Stat(procPath(pid, "")) //nolint:gosec // the path is made of a number
	if err != nil {
		return 0, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(owner.Uid), true
}

// peek reads how a child of ours, named by its PID or a pidfd, ended, without reaping it.
func peek(idType, id int) (Exit, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(idType, id, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
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
	if err != nil {
		return !errors.Is(err, errNoProcess) // no descriptor is left to look with: it is not dead for that
	}
	return st.startTicks == p.id.StartTicks && !st.dead()
}
