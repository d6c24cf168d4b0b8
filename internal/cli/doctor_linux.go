package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxKernelText bounds what is read of a file of the kernel, in bytes.
const maxKernelText = 4 << 20

// lockHolder tells who holds the lock on a file, without touching it: another attempt to lock it, however
// short, might be in the way of a server that starts. holder is 0 where it is not to be seen from here,
// known is false where the kernel does not tell.
func lockHolder(path string) (holder int, held, known bool) {
	var file syscall.Stat_t
	if err := syscall.Stat(path, &file); err != nil {
		return 0, false, errors.Is(err, fs.ErrNotExist)
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, false, false
	}
	defer locks.Close()
	holder, held = holderIn(io.LimitReader(locks, maxKernelText), unix.Major(file.Dev), unix.Minor(file.Dev), file.Ino)
	return holder, held, true
}

// holderIn reads lines such as "1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF".
func holderIn(locks io.Reader, major, minor uint32, inode uint64) (holder int, held bool) {
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[3] != "WRITE" {
			continue // "->" are those that wait
		}
		at := strings.Split(fields[5], ":")
		if len(at) != 3 || at[2] != strconv.FormatUint(inode, 10) {
			continue
		}
		// Of layered and copying file systems, whose devices have no number, another one may be named here.
		if device := at[0] + ":" + at[1]; device != fmt.Sprintf("%02x:%02x", major, minor) && major != 0 && at[0] != "00" {
			continue
		}
		holder, _ = strconv.Atoi(fields[4])
		return max(0, holder), true
	}
	return 0, false
}

// availableMemory gives how much may be taken without swapping: of the machine, or of the container.
func availableMemory() (bytes uint64, known bool) {
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		bytes, known = availableIn(string(text))
	}
	if most, ok := number("/sys/fs/cgroup/memory.max"); ok {
		if now, ok := number("/sys/fs/cgroup/memory.current"); ok && (!known || most-min(most, now) < bytes) {
			bytes, known = most-min(most, now), true
		}
	}
	return bytes, known
}

// availableIn finds "MemAvailable:   12345 kB".
func availableIn(meminfo string) (bytes uint64, known bool) {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 53)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// number reads a file that holds a number; "max" is none.
func number(path string) (n uint64, ok bool) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// kernelFindings tell whether processes can be held by more than their number.
func kernelFindings() []finding {
	const what = "pidfd"
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err == nil {
		err = unix.PidfdSendSignal(fd, 0, nil, 0)
		_ = unix.Close(fd) // nothing was written
	}
	if err != nil {
		return []finding{poor(what, "use Linux 5.3 or later, and a seccomp profile that allows pidfd_open and pidfd_send_signal", "the kernel lends none (%v): collectors are watched by their start times, which is slower", err)}
	}
	return []finding{well(what, "the kernel lends them")}
}
