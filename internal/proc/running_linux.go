package proc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// pollAtOnce bounds the descriptors of one poll: the kernel takes as many as may be open.
const pollAtOnce = 512

// Running tells of each process whether it runs at this moment, as Runs does, with one poll(2) for
// up to 512 of them instead of a question for each. False where it is nil or closed. Without pidfd
// each one's start time is read.
func Running(ps []*Process) []bool {
	run := make([]bool, len(ps))
	polls := make([]unix.PollFd, 0, min(len(ps), pollAtOnce))
	for begin := 0; begin < len(ps); begin += pollAtOnce {
		end := min(begin+pollAtOnce, len(ps))
		runningOf(ps[begin:end], run[begin:end], polls[:0])
	}
	return run
}

// runningOf is Running for no more than pollAtOnce; polls is room for them.
func runningOf(ps []*Process, run []bool, polls []unix.PollFd) {
	for i, p := range ps {
		ask := unix.PollFd{Fd: -1} // poll passes over it
		switch {
		case p == nil || p.ended():
		case p.handle.file == nil:
			run[i] = p.isRunning()
		default:
			if fd, ok := p.handle.borrow(); ok {
				ask = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
			}
		}
		polls = append(polls, ask)
	}
	_, err := unix.Poll(polls, 0)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Poll(polls, 0)
	}
	for i, p := range ps {
		if polls[i].Fd < 0 {
			continue
		}
		run[i] = err == nil && polls[i].Revents == 0
		p.handle.giveBack()
		if err != nil { // more than may be open, since some are asked for twice
			run[i] = p.isRunning()
		}
	}
}
