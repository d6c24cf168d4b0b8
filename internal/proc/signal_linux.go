package proc

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalLeader signals the process alone.
func (p *Process) signalLeader(sig syscall.Signal) error {
	if p.handle.file != nil {
		return gone(p.handle.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) }))
	}
	if !p.pinned() {
		// The best there is without a pidfd: look, at the token too, then signal.
		if !p.isRunning() {
			return ErrGone
		}
		switch awaitToken(p.id.PID, p.id.RunID) {
		case tokenOther, tokenNotYet: // a stranger; or its memory is gone already, and it is ending
			return ErrGone
		case tokenOurs:
		default:
			if p.id.RunID != "" {
				return ErrUnverifiable
			}
		}
	}
	return gone(unix.Kill(p.id.PID, sig))
}

// signalGroup signals the group that the process leads, as long as it is there.
func (p *Process) signalGroup(sig syscall.Signal) error {
	if p.handle.file != nil {
		// From 6.9 on: the group of the very process behind the pidfd, whatever its number is now.
		err := p.handle.control(func(fd int) error {
			return unix.PidfdSendSignal(fd, sig, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
		})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ESRCH):
			return err
		}
	}
	if p.pinned() {
		return ignoreGone(gone(unix.Kill(-p.id.PID, sig)))
	}
	// The number of the group is not protected: members one by one, the leader last, since as long
	// as it lives nobody else has its number.
	rest, err := p.rest(nil)
	if err != nil {
		return err
	}
	for _, member := range rest {
		if err := p.host.signalMember(member, p.id.PID, sig); err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
	return ignoreGone(p.signalLeader(sig))
}

// rest lists who is left of the group and the session of the process, itself and zombies left out.
// known holds the start times of those that were found before, by PID; it may be nil.
func (p *Process) rest(known map[int]uint64) ([]stat, error) {
	table, err := p.host.census.take()
	if err != nil {
		return nil, err
	}
	// While it runs, is a zombie of ours, or has somebody left in its group, its number is nobody
	// else's. Otherwise who bears the number must bear the token too.
	ours := p.pinned() || !p.ended() || p.groupExists()
	var rest []stat
	for _, st := range table {
		if st.pid == p.id.PID || st.dead() || st.group != p.id.PID && st.session != p.id.PID {
			continue
		}
		if !ours {
			// Who is ending has no environment any more, but may still hold files and locks.
			if known[st.pid] != st.startTicks && readToken(st.pid, p.id.RunID) != tokenOurs {
				continue
			}
		}
		if known != nil {
			known[st.pid] = st.startTicks
		}
		rest = append(rest, st)
	}
	return rest, nil
}

// groupExists tells whether somebody is in the group of the process behind the pidfd.
func (p *Process) groupExists() bool {
	return p.handle.file != nil && p.handle.control(func(fd int) error {
		return unix.PidfdSendSignal(fd, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	}) == nil
}

// signalMember signals one process of a group, if it still is the one that the census saw.
func (h *Host) signalMember(member stat, leader int, sig syscall.Signal) error {
	var d handle
	if h.pidfd {
		if err := d.open(member.pid); err != nil {
			return gone(err)
		}
		defer d.close()
	}
	now, err := readStat(member.pid)
	switch {
	case err != nil, now.startTicks != member.startTicks, now.group != leader && now.session != leader:
		return ErrGone
	case d.file == nil:
		return gone(unix.Kill(member.pid, sig))
	}
	return gone(d.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) }))
}

// gone turns the kernel's word for a process that has ended into ours.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
