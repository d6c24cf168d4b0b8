//go:build unix && !linux

package logfile

import "golang.org/x/sys/unix"

// dupOnto makes standard another descriptor of what fd is.
func dupOnto(fd, standard int) error {
	return persist(func() error { return unix.Dup2(fd, standard) })
}

// renameFresh renames a file to a name that nobody has: else the error is fs.ErrExist.
func renameFresh(from, to string) error { return renameLooked(from, to) }
