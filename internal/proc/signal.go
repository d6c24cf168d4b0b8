//go:build unix

package proc

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How often the rest of a group is looked for, once its leader is gone.
const (
	firstLook = 5 * time.Millisecond
	lastLook  = 200 * time.Millisecond
)

// Stop ends the process and all others of its group and session: SIGTERM, a grace, SIGKILL. It
// returns when none of them runs any more, or when ctx ends, with an error that tells what is left.
// A grace of 0 kills at once. It also clears up behind a process that ended by itself.
func (p *Process) Stop(ctx context.Context, grace time.Duration) (Exit, error) {
	patience := time.NewTimer(grace)
	defer patience.Stop()
	force := grace <= 0
	if !force && !p.ended() {
		if err := p.signalGroup(syscall.SIGTERM); err != nil {
			return Exit{}, fmt.Errorf("stop PID %d: %w", p.id.PID, err)
		}
		select {
		case <-p.done:
		case <-patience.C:
			force = true
		case <-ctx.Done():
			return Exit{}, fmt.Errorf("stop PID %d, which was told to end: %w", p.id.PID, context.Cause(ctx))
		}
	}
	if !p.ended() {
		if err := p.signalGroup(syscall.SIGKILL); err != nil {
			return Exit{}, fmt.Errorf("kill PID %d: %w", p.id.PID, err)
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return Exit{}, fmt.Errorf("PID %d has not ended in spite of SIGKILL: %w", p.id.PID, context.Cause(ctx))
		}
	}
	if err := p.endRest(ctx, force, patience.C); err != nil {
		return p.exit, err
	}
	p.reap()
	return p.exit, nil
}

// endRest waits until nobody is left of the group of a leader that has ended, and kills whoever is
// when force is given or patience comes to its end.
func (p *Process) endRest(ctx context.Context, force bool, patience <-chan time.Time) error {
	pause := firstLook
	known := make(map[int]uint64)
	for {
		rest, err := p.rest(known)
		if err != nil {
			return fmt.Errorf("look for the rest of the group of PID %d: %w", p.id.PID, err)
		}
		if len(rest) == 0 {
			return nil
		}
		if force {
			for _, member := range rest {
				if err := p.host.signalMember(member, p.id.PID, syscall.SIGKILL); err != nil && !errors.Is(err, ErrGone) {
					return fmt.Errorf("kill PID %d of the group of PID %d: %w", member.pid, p.id.PID, err)
				}
			}
		}
		look := time.NewTimer(pause)
		select {
		case <-look.C:
		case <-patience:
			force = true
		case <-ctx.Done():
			look.Stop()
			return fmt.Errorf("%d processes of the group of PID %d still run: %w", len(rest), p.id.PID, context.Cause(ctx))
		}
		look.Stop()
		pause = min(2*pause, lastLook)
	}
}

// Signal sends a signal to the process alone. ErrGone when it has ended.
func (p *Process) Signal(sig syscall.Signal) error {
	if p.ended() {
		return ErrGone
	}
	return p.signalLeader(sig)
}

// Sweep kills what is left of the group and session of a process that is Gone, as far as it
// carries the run's token in its environment, and returns when nobody is left.
func (h *Host) Sweep(ctx context.Context, gone Identity) error {
	p := h.newProcess(gone, false)
	close(p.done)
	return p.endRest(ctx, true, nil)
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
