package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stat is what matters of /proc/PID/stat.
type stat struct {
	pid        int
	state      byte
	parent     int
	group      int
	session    int
	cpuTicks   uint64 // user and system
	threads    int
	startTicks uint64
	rssPages   int64
	exitCode   int // a wait status, when it is a zombie and we may look
}

// dead tells that it is a zombie, or less. A process whose first thread has ended looks like a zombie
// while its other threads still hold its files and locks: it is dead when the last of them is.
func (s stat) dead() bool { return (s.state == 'Z' || s.state == 'X') && s.threads <= 1 }

// errNoProcess: /proc has no such process. With hidepid it may still run.
var errNoProcess = errors.New("no such process in /proc")

// readStat reads the stat file of a process.
func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(procPath(pid, "stat")) //nolint:gosec // the path is made of a number
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH):
		return stat{}, errNoProcess
	case err != nil:
		return stat{}, err
	}
	return parseStat(line)
}

// parseStat reads a line of proc(5). The command's name, in brackets, may hold blanks and brackets:
// fields are counted from the last closing one.
func parseStat(line []byte) (stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("a line of stat without a name: %.80q", line)
	}
	fields := strings.Fields(string(line[end+1:]))
	const third = 3 // the number, in proc(5), of the first of these fields
	if len(fields) < 24-third+1 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("a line of stat with %d fields behind the name: %.80q", len(fields), line)
	}
	var failure error
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil && failure == nil {
			failure = fmt.Errorf("a line of stat holds %.40q where a number belongs", text)
		}
		return n
	}
	field := func(n int) int64 { return number(fields[n-third]) }
	s := stat{
		pid: int(number(strings.TrimSpace(string(line[:open])))), state: fields[0][0],
		parent: int(field(4)), group: int(field(5)), session: int(field(6)),
		cpuTicks: uint64(field(14)) + uint64(field(15)), threads: int(field(20)), startTicks: uint64(field(22)), rssPages: field(24),
	}
	if len(fields) >= 52-third+1 {
		s.exitCode = int(field(52))
	}
	if failure != nil {
		return stat{}, failure
	}
	return s, nil
}

// token says whether a process carries a run's token.
type token uint8

const (
	tokenUnreadable token = iota // a process of another user, or one whose environment is protected
	tokenNotYet                  // it is just beginning, or just ending: it has no environment
	tokenOther
	tokenOurs
)

// readToken looks for the run's token in the environment that a process was started with. For a run
// without a token every process is as good as another. With an error it is not known, for a reason
// that lies with us: no descriptor, no memory.
func readToken(pid int, runID string) (token, error) {
	if runID == "" {
		return tokenUnreadable, nil
	}
	environ, err := os.ReadFile(procPath(pid, "environ")) //nolint:gosec // the path is made of a number
	switch {
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		return tokenUnreadable, err
	case errors.Is(err, unix.ESRCH), errors.Is(err, os.ErrNotExist): // newer kernels say so of the ending
		return tokenNotYet, nil
	case err != nil:
		return tokenUnreadable, nil
	case len(environ) == 0:
		return tokenNotYet, nil
	}
	want := []byte(EnvRunID + "=" + runID)
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(variable, want) {
			return tokenOurs, nil
		}
	}
	return tokenOther, nil
}

// awaitToken is readToken for a process that may be in the first instants of its life.
func awaitToken(pid int, runID string) (t token, err error) {
	for range 20 {
		if t, err = readToken(pid, runID); t != tokenNotYet {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return t, err
}

func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }
