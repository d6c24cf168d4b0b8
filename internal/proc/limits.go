//go:build unix

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// ErrFileLimit says that this process wanted to write a file beyond its bound (Spec.MaxFile).
var ErrFileLimit = errors.New("a file reached the size that this process may write: it writes without end")

// AwaitFileLimit waits for the kernel's word that a write of this process went beyond its bound
// (Spec.MaxFile), and gives ErrFileLimit; nil when ctx ends first. Other programs are ended by that
// signal, SIGXFSZ; the Go runtime catches it and does nothing, so that a Go program that wants to be
// ended calls this, and ends.
func AwaitFileLimit(ctx context.Context) error {
	full := make(chan os.Signal, 1)
	signal.Notify(full, unix.SIGXFSZ)
	defer signal.Stop(full)
	select {
	case <-full:
		return ErrFileLimit
	case <-ctx.Done():
		return nil
	}
}

// OpenFiles gives how many descriptors this process may have open at once, and how many it has. Go
// raises the soft limit to the hard one when a program starts; where it is lower all the same it is
// raised here. Each Process takes one descriptor, and Spawn some ten more while it works. Started
// processes begin with the limit that this one began with, or with the raised one.
func (h *Host) OpenFiles() (limit uint64, used int, err error) {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return 0, 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if now.Cur < now.Max {
		raised := unix.Rlimit{Cur: now.Max, Max: now.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			h.log.Debug("the limit of open files cannot be raised", "soft", now.Cur, "hard", now.Max, "error", err)
		} else {
			now = raised
		}
	}
	limit = uint64(now.Cur) //nolint:unconvert // FreeBSD's is signed
	dir, err := os.Open(descriptorDir)
	if err != nil {
		return limit, 0, fmt.Errorf("count the open files: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return limit, 0, fmt.Errorf("count the open files: %w", err)
	}
	return limit, len(names) - 1, nil // without the directory itself
}
