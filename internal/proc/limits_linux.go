package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// descriptorDir lists the open descriptors of this process.
const descriptorDir = "/proc/self/fd"

// limitFiles bounds the files that a process, and what it starts from now on, may write.
func limitFiles(pid int, bytes uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &now); err != nil {
		return fmt.Errorf("read RLIMIT_FSIZE of PID %d: %w", pid, err)
	}
	bound := min(bytes, now.Max) // nobody but root may raise the hard one
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bound, Max: bound}, nil); err != nil {
		return fmt.Errorf("set RLIMIT_FSIZE of PID %d: %w", pid, err)
	}
	return nil
}
