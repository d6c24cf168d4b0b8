//go:build unix

package logfile

import "syscall"

// noFollow opens no symbolic link, and does not wait for the other end of a named pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
