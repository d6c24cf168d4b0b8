package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"
)

// Usage is what a process takes of the machine.
type Usage struct {
	CPU time.Duration // user and system time since its start
	RSS int64         // resident memory, in bytes; pages shared with others count in full
	USS int64         // memory that would be free without it, in bytes; 0 where the kernel does not say
}

// Usage measures the process. ErrGone when it has ended.
func (p *Process) Usage() (Usage, error) {
	st, err := readStat(p.id.PID)
	switch {
	case errors.Is(err, errNoProcess), err == nil && (st.startTicks != p.id.StartTicks || st.dead()):
		return Usage{}, ErrGone
	case err != nil:
		return Usage{}, err
	}
	return Usage{
		CPU: time.Duration(st.cpuTicks) * (time.Second / ticksPerSecond),
		RSS: st.rssPages * int64(os.Getpagesize()),
		USS: readUSS(p.id.PID),
	}, nil
}

// OwnMemory gives the resident memory of this process, in bytes; false where the system does not tell.
func OwnMemory() (rss int64, ok bool) {
	st, err := readStat(os.Getpid())
	return st.rssPages * int64(os.Getpagesize()), err == nil
}

// readUSS adds up the private memory; 0 when it cannot be read.
func readUSS(pid int) int64 {
	rollup, err := os.ReadFile(procPath(pid, "smaps_rollup"))
	if err != nil {
		return 0
	}
	return parseUSS(rollup)
}

// parseUSS adds up the lines Private_… of smaps_rollup, which are in units of 1024 bytes.
func parseUSS(rollup []byte) int64 {
	var sum int64
	for line := range bytes.Lines(rollup) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || !bytes.HasPrefix(fields[0], []byte("Private_")) {
			continue
		}
		if n, err := strconv.ParseInt(string(fields[1]), 10, 40); err == nil && n > 0 {
			sum += n << 10
		}
	}
	return sum
}
