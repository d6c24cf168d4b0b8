//go:build unix

package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Spec says what to start.
type Spec struct {
	Path     string   // the program
	Args     []string // its arguments, without the program's name
	Env      []string // its whole environment; EnvRunID, EnvLockFD and EnvLogPath are added
	Dir      string   // its working directory; "" is ours
	LogPath  string   // where its standard output and error are appended
	LockPath string   // a file that stays locked as long as it, or what it started, lives
	RunID    string   // token of this run
	// MaxFile bounds every file that it writes, in bytes; 0: no bound. A write beyond it fails with
	// EFBIG and raises SIGXFSZ, which ends it; a Go program ignores that signal, see AwaitFileLimit.
	// It is set after the start: in its first instants the process may write without a bound. What
	// the process starts inherits it. Where the system cannot bound another process it is ignored.
	MaxFile int64
}

// lockFD is the child's descriptor of its lock: the first one after the standard three.
const lockFD = 3

// Spawn starts a process that outlives this one: in a session of its own, without a signal at our
// death, and with files instead of pipes, so that it cannot fail for want of a reader
// (SUPERVISION.md rules 5, 6 and 11). When the lock is held the error is a *LockedError. With an
// error nothing runs, and nobody holds the lock.
func (h *Host) Spawn(spec Spec) (*Process, error) {
	p, err := h.spawn(spec)
	if err != nil {
		return nil, explain(err)
	}
	return p, nil
}

func (h *Host) spawn(spec Spec) (p *Process, err error) {
	lock, err := acquireLock(spec.LockPath)
	if err != nil {
		return nil, err
	}
	// From the start on it is the child who holds the lock; without a child, nobody does.
	defer func() {
		if err != nil {
			unlock(lock)
		}
		lock.Close()
	}()
	// What the file said is a former life's, its last words too. Until the child is known, only the
	// run is.
	if err := beginLock(int(lock.Fd()), Identity{BootID: h.bootID, Namespace: h.namespace, RunID: spec.RunID}); err != nil {
		return nil, err
	}
	h.births.RLock()
	defer h.births.RUnlock()
	child, err := begin(spec, lock)
	if err != nil {
		return nil, err
	}
	if spec.MaxFile > 0 {
		if err := limitFiles(child.Pid, uint64(spec.MaxFile)); err != nil {
			h.log.Warn("the files of a new process are not bounded", "pid", child.Pid, "bytes", spec.MaxFile, "error", err)
		}
	}
	id, err := h.identify(child.Pid, spec.RunID) // it cannot vanish: nobody has waited for it
	if err != nil && h.namespace != "" && !errors.Is(err, errNoProcess) {
		// Without a start time nobody could tell it from a stranger.
		return nil, errors.Join(fmt.Errorf("start %s: read its start time: %w", spec.Path, err), abandon(child))
	}
	p = h.newProcess(id, true)
	switch err := p.handle.take(h, child); {
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return nil, errors.Join(fmt.Errorf("start %s: get its pidfd: %w", spec.Path, err), abandon(child))
	case err != nil:
		h.log.Warn("no pidfd of a new process: it is watched by asking", "pid", id.PID, "error", err)
	}
	if err := writeLock(int(lock.Fd()), id); err != nil {
		h.log.Warn("the lock file does not name its holder", "path", spec.LockPath, "pid", id.PID, "error", err)
	}
	if err := child.Release(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		h.log.Debug("release a process", "pid", id.PID, "error", err)
	}
	p.start()
	return p, nil
}

// begin starts the program. Its log and the null device are given back at once.
func begin(spec Spec, lock *os.File) (*os.Process, error) {
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
	env := make([]string, 0, len(spec.Env)+3)
	env = append(append(env, spec.Env...), EnvRunID+"="+spec.RunID, fmt.Sprintf("%s=%d", EnvLockFD, lockFD), EnvLogPath+"="+spec.LogPath)
	// The runtime gives the child the limit of open files that we were started with.
	child, err := os.StartProcess(spec.Path, append([]string{spec.Path}, spec.Args...), &os.ProcAttr{
		Dir: spec.Dir, Env: env, Files: []*os.File{null, log, log, lock}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	return child, nil
}

// abandon ends a child in its first instants, with all of its group.
func abandon(child *os.Process) error {
	err := ignoreGone(gone(unix.Kill(-child.Pid, unix.SIGKILL))) // not reaped: the number is its own
	if _, failure := child.Wait(); failure != nil {
		err = errors.Join(err, fmt.Errorf("end PID %d: %w", child.Pid, failure))
	}
	return err
}

// explain says what to do about an error of the machine that an operator can do something about.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: this process may open no more files; raise its limit (ulimit -n, or LimitNOFILE of its service)", err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w: this machine may open no more files; raise fs.file-max", err)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: no more processes may be started; raise the limit (ulimit -u, or TasksMax of its service)", err)
	}
	return err
}
