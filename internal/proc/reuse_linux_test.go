package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// In a PID namespace of its own a test may choose the next PID: the very number of a process that
// has ended goes to a stranger (SUPERVISION.md 6.1).
func TestRecycledPIDIsNeitherTakenForTheFormerProcessNorSignalled(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(within(t), os.Args[0])
	cmd.Env = []string{"PROC_TEST_CHILD=namespace", "PROC_TEST_DIR=" + t.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL), err != nil && strings.Contains(string(out), errNoNamespace.Error()):
		t.Skipf("a PID namespace of its own is not allowed here: %v %s", err, out)
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}

var errNoNamespace = errors.New("the namespace cannot be prepared")

// reusePIDs runs as PID 1 of a namespace.
func reusePIDs() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	for _, pidfd := range []bool{true, false} {
		h := NewHost(nil)
		h.pidfd = h.pidfd && pidfd
		if err := reusePID(h); err != nil {
			return fmt.Errorf("with pidfd %v: %w", h.pidfd, err)
		}
	}
	return nil
}

func reusePID(h *Host) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	former, err := h.Spawn(testSpec(os.Getenv("PROC_TEST_DIR"), "quiet"))
	if err != nil {
		return err
	}
	id := former.Identity()
	held, verdict, err := h.Open(id) // as somebody who adopted it holds it
	if verdict != Same {
		return fmt.Errorf("it is %s: %w", verdict, err)
	}
	if err := syscall.Kill(id.PID, syscall.SIGKILL); err != nil {
		return err
	}
	<-former.Done()
	former.Close()
	stranger, err := startAs(id.PID)
	if err != nil {
		return err
	}
	if syscall.Kill(id.PID, 0) != nil {
		return errors.New("kill(pid, 0) does not find the stranger: this test proves nothing")
	}
	if _, verdict, _ := h.Open(id); verdict != Gone {
		return fmt.Errorf("the stranger is %s", verdict)
	}
	if err := held.Signal(syscall.SIGKILL); !errors.Is(err, ErrGone) {
		return fmt.Errorf("a signal through the old handle: %w", err)
	}
	if _, err := held.Stop(ctx, 0); err != nil {
		return fmt.Errorf("stop through the old handle: %w", err)
	}
	held.Close()
	if st, err := readStat(id.PID); err != nil || st.dead() {
		return fmt.Errorf("the stranger was hurt: %+v, %w", st, err)
	}
	_ = stranger.Process.Kill()
	_ = stranger.Wait() // killed
	return nil
}

// startAs starts a stranger under a PID that is free. Threads of ours may take the number first.
func startAs(pid int) (*exec.Cmd, error) {
	for range 50 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoNamespace, err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"PROC_TEST_CHILD=quiet"}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		if cmd.Process.Pid == pid {
			return cmd, nil
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	return nil, fmt.Errorf("PID %d was not given again", pid)
}
