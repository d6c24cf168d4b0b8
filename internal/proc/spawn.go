//go:build unix

package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Spec says what to start.
type Spec struct {
	Path     string   // the program
	Args     []string // its arguments, without the program's name
	Env      []string // its whole environment; EnvRunID and EnvLockFD are added
	Dir      string   // its working directory; "" is ours
	LogPath  string   // where its standard output and error are appended
	LockPath string   // a file that stays locked as long as it, or what it started, lives
	RunID    string   // token of this run
}

// lockFD is the child's descriptor of its lock: the first one after the standard three.
const lockFD = 3

// Spawn starts a process that outlives this one: in a session of its own, without a signal at our
// death, and with files instead of pipes, so that it cannot fail for want of a reader
// (SUPERVISION.md rules 5, 6 and 11). When the lock is held the error is a *LockedError.
func (h *Host) Spawn(spec Spec) (*Process, error) {
	lock, err := acquireLock(spec.LockPath)
	if err != nil {
		return nil, err
	}
	// From the start on it is the child who holds the lock; without a child, nobody does.
	defer lock.Close()
	// What the file said is a former life's. Until the child is known, only the run is.
	if err := writeLock(int(lock.Fd()), Identity{BootID: h.bootID, Namespace: h.namespace, RunID: spec.RunID}); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(spec.LogPath), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of a log: %w", err)
	}
	log, err := os.OpenFile(spec.LogPath, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("open the null device: %w", err)
	}
	defer null.Close()

	env := make([]string, 0, len(spec.Env)+2)
	env = append(append(env, spec.Env...), EnvRunID+"="+spec.RunID, fmt.Sprintf("%s=%d", EnvLockFD, lockFD))
	// The runtime gives the child the limit of open files that we were started with.
	child, err := os.StartProcess(spec.Path, append([]string{spec.Path}, spec.Args...), &os.ProcAttr{
		Dir: spec.Dir, Env: env, Files: []*os.File{null, log, log, lock}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	id := h.identify(child.Pid, spec.RunID) // it cannot vanish: nobody has waited for it
	if err := writeLock(int(lock.Fd()), id); err != nil {
		h.log.Warn("the lock file does not name its holder", "path", spec.LockPath, "pid", id.PID, "error", err)
	}
	p := h.newProcess(id, true)
	if err := p.handle.take(h, child); err != nil {
		h.log.Warn("no pidfd of a new process: it is watched by asking", "pid", id.PID, "error", err)
	}
	if err := child.Release(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		h.log.Debug("release a process", "pid", id.PID, "error", err)
	}
	p.start()
	return p, nil
}
