package logfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// dupOnto makes standard another descriptor of what fd is.
func dupOnto(fd, standard int) error {
	return persist(func() error { return unix.Dup3(fd, standard, 0) })
}

// renameFresh renames a file to a name that nobody has: else the error is fs.ErrExist.
func renameFresh(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return renameLooked(from, to) // a file system or a sandbox that cannot promise it
}
