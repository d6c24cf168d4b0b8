//go:build unix && !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// On other systems than Linux, velador develops and does not adopt: children are watched and
// stopped, and what an earlier velador left is Unverifiable while its PID is taken. The lock keeps
// a second copy away as everywhere.

var (
	errUnsupported = errors.New("not supported on this system")
	errNoProcess   = errors.New("no such process")
)

type stat struct {
	pid        int
	startTicks uint64
}

type handle struct{}

func (*handle) take(*Host, *os.Process) error { return nil }
func (*handle) close()                        {}
func (*handle) reap() bool                    { return false }

// descriptorDir lists the open descriptors of this process.
const descriptorDir = "/dev/fd"

// limitFiles: no other process can be bounded here.
func limitFiles(int, uint64) error { return nil }

func bootID() string             { return "" }
func pidNamespace() string       { return "" }
func probePidfd() error          { return errUnsupported }
func readStat(int) (stat, error) { return stat{}, errUnsupported }
func readKin() ([]kin, error)    { return nil, nil }

// Open looks for the process of an identity: Gone when nobody has its PID, else Unverifiable.
func (h *Host) Open(id Identity) (*Process, Verdict, error) {
	if id.PID <= 0 || errors.Is(unix.Kill(id.PID, 0), unix.ESRCH) {
		return nil, Gone, nil
	}
	return nil, Unverifiable, fmt.Errorf("%w: PID %d: %w", ErrUnverifiable, id.PID, errUnsupported)
}

// Age is not known here.
func (p *Process) Age() time.Duration { return 0 }

// watch waits for the end of a child, which it reaps; false when Close came first.
func (p *Process) watch() bool {
	ticker := time.NewTicker(p.host.interval)
	defer ticker.Stop()
	for {
		if p.collect() {
			return true
		}
		select {
		case <-ticker.C:
		case <-p.closing:
			return false
		}
	}
}

// collect reaps the child if it has ended.
func (p *Process) collect() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(p.id.PID, &status, syscall.WNOHANG, nil)
	switch {
	case errors.Is(err, syscall.EINTR), err == nil && pid == 0:
		return false
	case err == nil:
		p.exit = exitOf(status)
	}
	p.reaped = true
	return true
}

func (p *Process) status() Exit { return p.exit }

func (p *Process) signalLeader(sig syscall.Signal) error { return p.kill(p.id.PID, sig) }

func (p *Process) signalGroup(sig syscall.Signal) error {
	if err := p.kill(-p.id.PID, sig); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// kill signals while the child is not reaped, which keeps its number its own.
func (p *Process) kill(number int, sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return ErrGone
	}
	if err := unix.Kill(number, sig); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return ErrGone
		}
		return err
	}
	return nil
}

// rest cannot be told here.
func (p *Process) rest(map[int]uint64) ([]stat, error) { return nil, nil }

func (h *Host) signalMember(stat, int, syscall.Signal) error { return errUnsupported }

// Usage is what a process takes of the machine.
type Usage struct {
	CPU      time.Duration
	RSS, USS int64 // bytes
}

// Usage is not measured here.
func (p *Process) Usage() (Usage, error) { return Usage{}, errUnsupported }

// OwnMemory is not measured here.
func OwnMemory() (rss int64, ok bool) { return 0, false }

// isRunning asks for a signal that is none.
func (p *Process) isRunning() bool { return p.kill(p.id.PID, 0) == nil }

// ReapOrphans waits for the end of ctx: here orphans fall to init.
func (h *Host) ReapOrphans(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Running tells of each process whether it runs at this moment, as Runs does; false where it is nil.
func Running(ps []*Process) []bool {
	run := make([]bool, len(ps))
	for i, p := range ps {
		run[i] = p != nil && p.Runs()
	}
	return run
}
