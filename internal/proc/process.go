//go:build unix

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit says how a process ended.
type Exit struct {
	Known  bool           // false: it is gone, and nobody could see how
	Code   int            // exit code, where no signal ended it
	Signal syscall.Signal // the signal that ended it; 0 for none
}

// String says it in words.
func (e Exit) String() string {
	switch {
	case !e.Known:
		return "it ended, and nobody saw how"
	case e.Signal == syscall.SIGXFSZ:
		return "it was killed by SIGXFSZ: a file reached the size that it may write: it writes without end"
	case e.Signal != 0:
		if name := unix.SignalName(e.Signal); name != "" {
			return "it was killed by " + name
		}
		return fmt.Sprintf("it was killed by signal %d", int(e.Signal))
	}
	return fmt.Sprintf("it exited with code %d", e.Code)
}

// exitOf reads a wait status.
func exitOf(status syscall.WaitStatus) Exit {
	switch {
	case status.Exited():
		return Exit{Known: true, Code: status.ExitStatus()}
	case status.Signaled():
		return Exit{Known: true, Signal: status.Signal()}
	}
	return Exit{}
}

// Process is a process that was verified, or started, by us. It leads a session of its own. It must
// be closed, which does not end it. Its methods are safe for concurrent use.
type Process struct {
	host   *Host
	id     Identity
	handle handle

	done     chan struct{} // closed when it has ended
	exit     Exit          // how; to be read after done
	closing  chan struct{}
	watching sync.WaitGroup
	close    sync.Once

	spawned bool // by us, not found: nobody else is to reap it

	mu     sync.Mutex
	child  bool // ours: it stays a zombie, and its PID its own, until it is reaped
	reaped bool
}

func (h *Host) newProcess(id Identity, spawned bool) *Process {
	return &Process{host: h, id: id, child: spawned, spawned: spawned, done: make(chan struct{}), closing: make(chan struct{})}
}

// start begins to watch for the end. Whoever calls it holds Host.births.
func (p *Process) start() {
	p.host.watch(p.id.PID)
	p.watching.Go(func() {
		if p.watch() {
			p.exit = p.status()
			close(p.done)
		}
	})
}

// Identity names the process.
func (p *Process) Identity() Identity { return p.id }

// Done is closed when the process has ended (others of its group may still run).
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended and tells how.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.done:
		return p.exit, nil
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	}
}

// Close gives back what is held: the pidfd, the watching, and the zombie when there is one. The
// process goes on if it runs.
func (p *Process) Close() {
	p.close.Do(func() {
		p.reap() // by the pidfd, which needs nothing
		close(p.closing)
		p.handle.close()
		p.watching.Wait()
		p.reap()
		p.host.forget(p.id.PID)
	})
}

// ended tells whether the end was seen.
func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// pinned tells whether the PID cannot be anybody else's: the process is our child and has not been
// reaped.
func (p *Process) pinned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spawned && p.unreaped()
}

// unreaped tells whether it is in the process table as our child. Whoever found a child by its
// identity watches it beside the one who spawned it, and either may have reaped it.
func (p *Process) unreaped() bool {
	if !p.child || p.reaped {
		return false
	}
	st, err := readStat(p.id.PID)
	return err == nil && st.startTicks == p.id.StartTicks
}

// reap takes a child that has ended out of the process table.
func (p *Process) reap() {
	if !p.ended() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child && !p.reaped && p.handle.reap() {
		p.reaped = true
	}
	if !p.unreaped() {
		return
	}
	p.reaped = true
	for {
		_, err := syscall.Wait4(p.id.PID, nil, syscall.WNOHANG, nil)
		if !errors.Is(err, syscall.EINTR) {
			return // ECHILD: somebody else has reaped it
		}
	}
}

func selfPID() int { return os.Getpid() }

// Runs asks the kernel whether the process runs at this moment.
func (p *Process) Runs() bool { return !p.ended() && p.isRunning() }
