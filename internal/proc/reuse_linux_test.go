package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// In a PID namespace of its own a test may choose the next PID: the very number of a process that
// has ended goes to a stranger (SUPERVISION.md 6.1).
func TestRecycledPIDIsNeitherTakenForTheFormerProcessNorSignalled(t *testing.T) {
	t.Parallel()
	out, err := ownNamespace(helper(t, "reuses PIDs")).CombinedOutput()
	check(t, out, err)
}

func reusePIDs() error {
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
		if err := setNextPID(pid); err != nil {
			return nil, err
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

// setNextPID makes the next process, or thread, of this PID namespace get this number.
func setNextPID(pid int) error {
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	return nil
}

// Two containers share a data directory, and each has a process of the same number: what the other
// one wrote down is neither taken for ours nor signalled.
func TestEqualPIDsOfTwoNamespacesAreUnverifiable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := ownNamespace(helper(t, "has an equal PID", "PROC_TEST_SHARED="+dir))
	stdin, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = first.Start()
	if err != nil {
		check(t, nil, err)
		return
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "{") {
		check(t, []byte(line), errors.Join(err, first.Wait()))
		return
	}
	var theirs Identity
	if err := json.Unmarshal([]byte(line), &theirs); err != nil {
		t.Fatal(err)
	}
	if p, verdict, err := NewHost(nil).Open(theirs); verdict != Unverifiable || p != nil || !errors.Is(err, ErrUnverifiable) {
		t.Errorf("from here it is %s: %v", verdict, err)
	}
	out, err := ownNamespace(helper(t, "has an equal PID", "PROC_TEST_SHARED="+dir, "PROC_TEST_OTHER="+line)).CombinedOutput()
	check(t, out, err)
	stdin.Close()
	if err := first.Wait(); err != nil {
		t.Errorf("the first namespace: %v", err)
	}
}

func havePID() error {
	const number = 4242
	h := NewHost(nil)
	dir := told("PROC_TEST_SHARED")
	var mine *Process
	for try := 0; mine == nil; try++ {
		if err := setNextPID(number); err != nil {
			return err
		}
		p, err := h.Spawn(Spec{
			Path: os.Args[0], Env: []string{"PROC_TEST_CHILD=quiet", "PROC_TEST_NO_CLAIM=1"}, RunID: "run",
			LogPath: filepath.Join(dir, "log"), LockPath: filepath.Join(dir, strconv.Itoa(os.Getpid())+h.namespace, "a.lock"),
		})
		switch {
		case err != nil:
			return err
		case p.Identity().PID == number:
			mine = p
		case try == 50:
			return errors.New("the PID was not given")
		default:
			if _, err := p.Stop(context.Background(), 0); err != nil {
				return err
			}
			p.Close()
		}
	}
	if other := os.Getenv("PROC_TEST_OTHER"); other != "" {
		return lookAcross(h, mine, []byte(other))
	}
	content, err := json.Marshal(mine.Identity())
	if err != nil {
		return err
	}
	fmt.Println(string(content))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has seen enough
	if !mine.Runs() {
		return errors.New("the process of the first namespace was hurt")
	}
	return nil
}

// lookAcross looks at a process of another namespace, whose PID is that of our own one.
func lookAcross(h *Host, mine *Process, other []byte) error {
	var theirs Identity
	if err := json.Unmarshal(other, &theirs); err != nil {
		return err
	}
	if theirs.PID != mine.Identity().PID || theirs.RunID != mine.Identity().RunID || theirs.Namespace == mine.Identity().Namespace {
		return fmt.Errorf("%+v and %+v: this test proves nothing", theirs, mine.Identity())
	}
	held := filepath.Join(told("PROC_TEST_SHARED"), "1"+theirs.Namespace, "a.lock")
	holder, locked, err := ProbeLock(held)
	if err != nil || !locked || holder != theirs {
		return fmt.Errorf("the lock is held by %+v, %v, %w", holder, locked, err)
	}
	theirs.StartTicks = mine.Identity().StartTicks // the clock of both is that of the machine
	for _, pidfd := range []bool{true, false} {
		h.pidfd = h.pidfd && pidfd
		if p, verdict, err := h.Open(theirs); verdict != Unverifiable || p != nil || !errors.Is(err, ErrUnverifiable) {
			return fmt.Errorf("the other's is %s: %w", verdict, err)
		}
	}
	if !mine.Runs() {
		return errors.New("our own process was hurt")
	}
	return nil
}
