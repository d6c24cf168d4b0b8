package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalLeader signals the process alone.
func (p *Process) signalLeader(sig syscall.Signal) error {
	if p.handle.file != nil {
		return refused(p.id.PID, p.handle.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) }))
	}
	if !p.pinned() {
		// The best there is without a pidfd: look, at the token too, then signal.
		if !p.isRunning() {
			return ErrGone
		}
		switch t, err := awaitToken(p.id.PID, p.id.RunID); {
		case err != nil:
			return fmt.Errorf("%w: PID %d: the token of its run: %w", ErrUnverifiable, p.id.PID, explain(err))
		case t == tokenOther, t == tokenNotYet: // a stranger; or its memory is gone already, and it is ending
			return ErrGone
		case t == tokenUnreadable && p.id.RunID != "":
			return fmt.Errorf("%w: PID %d%s: the kernel lends no pidfd, and its environment, where the token of its run stands, is not ours to read",
				ErrUnverifiable, p.id.PID, owner(p.id.PID))
		}
	}
	return refused(p.id.PID, unix.Kill(p.id.PID, sig))
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
			return refused(p.id.PID, err)
		}
	}
	if p.pinned() {
		return ignoreGone(refused(p.id.PID, unix.Kill(-p.id.PID, sig)))
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
	members, err := p.members()
	if err != nil {
		return nil, err
	}
	// While it runs, is a zombie of ours, or has somebody left in its group, its number is nobody
	// else's. Otherwise who bears the number must bear the token too.
	ours := p.pinned() || !p.ended() || p.groupExists()
	var rest []stat
	for _, st := range members {
		if !ours {
			// Who is ending has no environment any more, but may still hold files and locks.
			if known[st.pid] != st.startTicks {
				if t, err := readToken(st.pid, p.id.RunID); err != nil {
					return nil, explain(err)
				} else if t != tokenOurs {
					continue
				}
			}
		}
		if known != nil {
			known[st.pid] = st.startTicks
		}
		rest = append(rest, st)
	}
	return rest, nil
}

// members lists all others whose group or session bears the number of the process, zombies left out.
func (p *Process) members() ([]stat, error) {
	table, err := p.host.census.take()
	if err != nil {
		return nil, err
	}
	belongs := func(group, session int) bool { return group == p.id.PID || session == p.id.PID }
	var members []stat
	for _, one := range table {
		if one.pid == p.id.PID || !belongs(one.group, one.session) {
			continue
		}
		switch st, err := readStat(one.pid); {
		case err == nil:
			if belongs(st.group, st.session) && !st.dead() {
				members = append(members, st)
			}
		case !vanished(err):
			return nil, fmt.Errorf("read the process table: %w", err)
		}
	}
	return members, nil
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
			return gone(explain(err))
		}
		defer d.close()
	}
	now, err := readStat(member.pid)
	switch {
	case err != nil && !errors.Is(err, errNoProcess):
		return explain(err)
	case err != nil, now.startTicks != member.startTicks, now.group != leader && now.session != leader:
		return ErrGone
	case d.file == nil:
		return refused(member.pid, unix.Kill(member.pid, sig))
	}
	return refused(member.pid, d.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) }))
}

// refused is gone that also says why the kernel lets us not signal a process.
func refused(pid int, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("PID %d%s may not be signalled by us, uid %d: %w", pid, owner(pid), os.Geteuid(), err)
	}
	return gone(err)
}

// owner says whose process it is; "" when that is not known.
func owner(pid int) string {
	uid, ok := ownerOf(pid)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", which is uid %d's,", uid)
}
