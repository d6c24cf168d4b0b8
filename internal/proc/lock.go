//go:build unix

package proc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The environment of a spawned process tells it what it holds.
const (
	EnvRunID   = "VELADOR_RUN_ID"   // the token of its run
	EnvLockFD  = "VELADOR_LOCK_FD"  // the file descriptor of its lock, for ClaimLock and SayFarewell
	EnvLogPath = "VELADOR_LOG_PATH" // the file that its standard output and error are appended to
)

// LockedError tells who holds a lock, as far as its file says: the identity's PID is 0 in the
// moment between the fork of a process and its first words.
type LockedError struct {
	Path   string
	Holder Identity
}

// Error names the file and the PID.
func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s: %s", e.Path, ErrLocked)
	}
	return fmt.Sprintf("%s: %s: PID %d", e.Path, ErrLocked, e.Holder.PID)
}

// Unwrap gives ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// acquireLock opens and locks a file, without waiting. The lock belongs to the open file: whoever
// inherits the descriptor holds it, and it ends with the last of them, however they die. A process
// that is forked at the same moment holds a copy until its exec: for some milliseconds a lock may
// look held after its end.
func acquireLock(path string) (*os.File, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	switch err := flock(file, unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		holder, err := readLock(file)
		_ = file.Close() // nothing was written
		if err != nil {
			return nil, errors.Join(&LockedError{Path: path}, err)
		}
		return nil, &LockedError{Path: path, Holder: holder}
	case err != nil:
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// ProbeLock tells whether some process holds the lock file, and what the file says about it. It
// needs no PID, and works across PID namespaces.
func ProbeLock(path string) (holder Identity, held bool, err error) {
	file, err := openLock(path)
	if err != nil {
		return Identity{}, false, err
	}
	defer file.Close()
	switch err := flock(file, unix.LOCK_SH|unix.LOCK_NB); {
	case err == nil:
		unlock(file)
		return Identity{}, false, nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		return Identity{}, false, fmt.Errorf("probe the lock %s: %w", path, err)
	}
	holder, err = readLock(file)
	return holder, true, err
}

// ClaimLock writes into the lock file which process holds it. A spawned process calls it first of
// all, with the descriptor of EnvLockFD and its own identity (Host.Self), so that it is found even
// when its parent died before it wrote anything down. The descriptor stays open, and is passed on
// to processes that it starts.
func ClaimLock(fd int, id Identity) error {
	if err := checkLock(fd); err != nil {
		return fmt.Errorf("claim the lock at descriptor %d: %w", fd, err)
	}
	return writeLock(fd, id)
}

// checkLock tells whether a descriptor is that of a lock file which is held through it.
func checkLock(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is no file")
	}
	// Our own lock again: this succeeds exactly when the descriptor's open file holds it.
	return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
}

// writeLock puts the identity into the file. The file is padded, never cut: a reader sees the old
// words or the new ones. Last words (farewell.go) stay.
func writeLock(fd int, id Identity) error {
	line, err := encodeLock(id)
	if err != nil {
		return err
	}
	return write(fd, line)
}

// beginLock writes an identity and clears the last words of a former run. The file has its whole
// size from here on.
func beginLock(fd int, id Identity) error {
	line, err := encodeLock(id)
	if err != nil {
		return err
	}
	content := bytes.Repeat([]byte{' '}, lockFileSize)
	copy(content, line)
	content[identityLine+farewellLine-1], content[lockFileSize-1] = '\n', '\n'
	return write(fd, content)
}

// encodeLock makes the identity's line.
func encodeLock(id Identity) ([]byte, error) {
	content, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	if len(content) >= identityLine {
		return nil, fmt.Errorf("an identity of %d bytes does not fit into a lock file", len(content))
	}
	line := bytes.Repeat([]byte{' '}, identityLine)
	copy(line, content)
	line[identityLine-1] = '\n'
	return line, nil
}

func write(fd int, content []byte) error {
	n, err := unix.Pwrite(fd, content, 0)
	if err == nil && n < len(content) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return nil
}

// readLock reads the identity. A reader and a writer that meet may make a mixture of two lines: a
// line that is none is read again.
func readLock(file *os.File) (id Identity, err error) {
	for range 3 {
		content, failure := io.ReadAll(io.NewSectionReader(file, 0, identityLine))
		if failure != nil {
			return Identity{}, fmt.Errorf("read the lock file: %w", failure)
		}
		if id, err = parseLock(content); err == nil {
			break
		}
	}
	return id, err
}

// parseLock reads the identity's line. An empty file is an identity without a PID.
func parseLock(content []byte) (Identity, error) {
	var id Identity
	if len(content) == 0 {
		return id, nil
	}
	if err := json.Unmarshal(content, &id); err != nil {
		return Identity{}, fmt.Errorf("read the lock file: %w", err)
	}
	if id.PID < 0 {
		return Identity{}, fmt.Errorf("read the lock file: the PID %d is none", id.PID)
	}
	return id, nil
}

func openLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of a lock: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	return file, nil
}

// unlock gives a lock back at once: closing the file would leave it, for some milliseconds, to a
// process that is forked at this moment.
func unlock(file *os.File) { _ = flock(file, unix.LOCK_UN) } // it is closed next

func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
