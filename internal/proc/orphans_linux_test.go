package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPID1ReapsOrphansAndStealsNoStatus(t *testing.T) {
	t.Parallel()
	out, err := ownNamespace(helper(t, "is PID 1")).CombinedOutput()
	check(t, out, err)
}

func TestSubreaperReapsOrphansAndStealsNoStatus(t *testing.T) {
	t.Parallel()
	out, err := helper(t, "is a subreaper").CombinedOutput()
	check(t, out, err)
}

func TestReapOrphansLeavesAnOrdinaryProcessAlone(t *testing.T) {
	t.Parallel()
	h := NewHost(nil)
	h.patience = time.Millisecond
	ctx, cancel := context.WithCancel(within(t))
	reaped := make(chan error, 1)
	go func() { reaped <- h.ReapOrphans(ctx) }()
	cmd := exec.Command("/bin/sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		t.Skipf("no shell here: %v", err)
	}
	waitZombie(within(t), cmd.Process.Pid)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("the status was stolen: %v", err)
	}
	cancel()
	if err := <-reaped; err != nil {
		t.Error(err)
	}
}

func subreap() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	if err := reapOthers(); err != nil {
		return err
	}
	for _, pidfd := range []bool{true, false} {
		h := NewHost(nil)
		h.pidfd, h.interval = h.pidfd && pidfd, time.Millisecond
		if err := spawnBesideAReaper(h); err != nil {
			return fmt.Errorf("with pidfd %v: %w", h.pidfd, err)
		}
	}
	return nil
}

// reapOthers runs where orphans fall to this process.
func reapOthers() error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	h := NewHost(nil)
	h.patience = 150 * time.Millisecond
	reaped := make(chan error, 1)
	reaping, stop := context.WithCancel(ctx)
	defer stop()
	go func() { reaped <- h.ReapOrphans(reaping) }()

	// One of ours ends first and stays a zombie: it must hide no other, and keep its status and PID.
	dir := os.Getenv("PROC_TEST_DIR")
	watched := make([]*Process, 3)
	for i := range watched {
		spec := testSpec(dir, "exits", "PROC_TEST_CODE="+strconv.Itoa(20+i))
		spec.LockPath += strconv.Itoa(i)
		p, err := h.Spawn(spec)
		if err != nil {
			return err
		}
		waitZombie(ctx, p.Identity().PID)
		watched[i] = p
	}
	for range 3 {
		if err := leaveOrphans(ctx); err != nil {
			return err
		}
		// Meanwhile other code waits for its own children.
		for code := range 5 {
			cmd := exec.Command("/bin/sh", "-c", "exit "+strconv.Itoa(code))
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
				return fmt.Errorf("the status of an exec.Cmd was stolen: %w", err)
			}
		}
	}
	for i, p := range watched {
		exit, err := p.Wait(ctx)
		if err != nil || exit != (Exit{Known: true, Code: 20 + i}) {
			return fmt.Errorf("a status was stolen: %+v, %w", exit, err)
		}
		if st, err := readStat(p.Identity().PID); err != nil || !st.dead() || st.startTicks != p.Identity().StartTicks {
			return fmt.Errorf("the zombie of a process that is not closed was reaped: %+v, %w", st, err)
		}
		p.Close()
		if _, err := readStat(p.Identity().PID); !errors.Is(err, errNoProcess) {
			return fmt.Errorf("the zombie is there after Close: %w", err)
		}
	}
	// One that is closed while it runs is nobody's, and is reaped as an orphan.
	given, err := h.Spawn(testSpec(dir, "quiet"))
	if err != nil {
		return err
	}
	given.Close()
	if err := syscall.Kill(given.Identity().PID, syscall.SIGKILL); err != nil {
		return err
	}
	if err := waitNoProcess(ctx, given.Identity().PID); err != nil {
		return err
	}
	if len(h.watched) != 0 {
		return fmt.Errorf("closed processes are still watched: %v", h.watched)
	}
	stop()
	return <-reaped
}

// leaveOrphans starts processes whose parent ends at once, and waits until they are reaped.
func leaveOrphans(ctx context.Context) error {
	out, err := exec.Command("/bin/sh", "-c", "for i in 1 2 3; do sleep 0.05 >/dev/null 2>&1 & echo $!; done").Output()
	if err != nil {
		return fmt.Errorf("%w: no shell: %w", errBarred, err)
	}
	for _, line := range bytes.Fields(out) {
		pid, err := strconv.Atoi(string(line))
		if err != nil {
			return err
		}
		if st, err := readStat(pid); err == nil && st.parent != os.Getpid() {
			return fmt.Errorf("the orphan %d fell to %d: this test proves nothing", pid, st.parent)
		}
		if err := waitNoProcess(ctx, pid); err != nil {
			return err
		}
	}
	return nil
}

func waitZombie(ctx context.Context, pid int) {
	for ctx.Err() == nil {
		if st, err := readStat(pid); err != nil || st.dead() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func waitNoProcess(ctx context.Context, pid int) error {
	for {
		st, err := readStat(pid)
		if errors.Is(err, errNoProcess) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("PID %d is still there, %+v: %w", pid, st, ctx.Err())
		}
		time.Sleep(time.Millisecond)
	}
}

// spawnBesideAReaper has no patience at all: whoever is not watched is reaped at once.
func spawnBesideAReaper(h *Host) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	dir := os.Getenv("PROC_TEST_DIR")
	stop := make(chan struct{})
	reaped := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				reaped <- nil
				return
			default:
			}
			table, err := readTable()
			if err != nil {
				reaped <- err
				return
			}
			for _, st := range table {
				if st.parent == os.Getpid() && st.dead() {
					_ = h.reapOrphan(st)
				}
			}
		}
	}()
	for n := range 50 {
		p, err := h.Spawn(Spec{
			Path: "/bin/sh", Args: []string{"-c", "exit " + strconv.Itoa(n)}, RunID: "run",
			LogPath: filepath.Join(dir, "sh.log"), LockPath: filepath.Join(dir, strconv.Itoa(n)+".lock"),
		})
		if err != nil {
			return err
		}
		if exit, err := p.Wait(ctx); err != nil || exit != (Exit{Known: true, Code: n}) {
			return fmt.Errorf("exit %+v instead of %d: %w", exit, n, err)
		}
		p.Close()
	}
	close(stop)
	return <-reaped
}
