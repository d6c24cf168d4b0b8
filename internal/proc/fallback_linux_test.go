package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Under a filter such as gVisor's or an old container's, the tests of this package run once more:
// the filter outlives the exec.
func TestAllHoldsWithoutPidfdUnderARealFilter(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 6*bound) // it is many tests
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = helper(t, "has no pidfd", "TMPDIR="+os.TempDir(), "GOCOVERDIR="+t.TempDir()).Env
	out, err := cmd.CombinedOutput()
	check(t, out, err)
	for _, name := range []string{"TestExitIsSeenAsItWas", "TestStopEndsTheWholeGroupAndSession", "TestZombieIsDead", "TestSweepEndsWhatADeadLeaderLeft"} {
		if err == nil && !strings.Contains(string(out), "--- PASS: "+name+"/without_pidfd") {
			t.Errorf("%s did not run:\n%s", name, out)
		}
	}
}

func runWithoutPidfd() error {
	if err := forbidPidfd(); err != nil {
		return err
	}
	if err := sayMissingPidfdOnce(); err != nil {
		return err
	}
	const others = "UnderARealFilter|PIDs|RecycledPID|FiveHundred|WithoutDescriptors|LastWords|LeakNoDescriptor|^TestReader|^Fuzz|Reaps"
	return unix.Exec(os.Args[0], []string{os.Args[0], "-test.v", "-test.skip", others, "-test.parallel", "4"},
		[]string{"TMPDIR=" + os.Getenv("TMPDIR"), "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"), "PATH=" + os.Getenv("PATH")})
}

// forbidPidfd lets the kernel say that it does not know pidfds, to all threads of this process and to
// what it starts.
func forbidPidfd() error {
	runtime.LockOSThread() // the right to set a filter is a thread's
	unknown := uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: unix.SYS_PIDFD_OPEN},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_PIDFD_SEND_SIGNAL},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unknown},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("%w: set a filter: %w", errBarred, errno)
	}
	return nil
}

func sayMissingPidfdOnce() error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var said bytes.Buffer
	h := NewHost(slog.New(slog.NewTextHandler(&said, nil)))
	if h.pidfd {
		return errors.New("the filter does not filter: this test proves nothing")
	}
	program, err := exec.LookPath("sleep")
	if err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	dir := os.Getenv("PROC_TEST_DIR")
	for range 3 {
		p, err := h.Spawn(Spec{Path: program, Args: []string{"60"}, RunID: "run", LogPath: dir + "/log", LockPath: dir + "/lock"})
		if err != nil {
			return err
		}
		again, verdict, err := h.Open(p.Identity())
		if verdict != Same {
			return fmt.Errorf("it is %s: %w", verdict, err)
		}
		again.Close()
		if _, err := p.Stop(ctx, 0); err != nil {
			return err
		}
		p.Close()
	}
	if strings.Count(said.String(), "pidfd") != 1 || strings.Count(said.String(), "\n") != 1 {
		return fmt.Errorf("it was said like this:\n%s", said.String())
	}
	return nil
}
