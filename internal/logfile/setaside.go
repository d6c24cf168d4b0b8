package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// SetAside renames the live file of a log when it is larger than size bytes; a missing one is none.
// It is for the agent, while no process has the log: a process that goes on writing would write to
// the set-aside file.
func SetAside(path string, size int64) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("set a log aside: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("set a log aside: %s is no regular file", path)
	case info.Size() <= size:
		return nil
	}
	newest, err := newestStamp(path)
	if err == nil {
		_, err = setAside(path, newest, time.Now())
	}
	if err != nil {
		return fmt.Errorf("set a log aside: %w", err)
	}
	return nil
}

// collisions is how many taken names are passed over.
const collisions = 100

// setAside renames the live file, and gives the stamp in its new name.
func setAside(path, newest string, now time.Time) (stamp string, err error) {
	for range collisions {
		stamp = stampAfter(newest, now)
		if err = renameFresh(path, path+"."+stamp); !errors.Is(err, fs.ErrExist) {
			return stamp, err
		}
		newest = stamp
	}
	return "", err
}

// renameLooked renames where the system cannot promise not to replace: one process at a time sets a
// log aside, so nobody takes the name between the look and the renaming.
func renameLooked(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
