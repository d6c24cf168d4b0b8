package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary is also the child that the tests start, in the mode of its first argument.
func TestMain(m *testing.M) {
	if mode := os.Getenv("PROC_TEST_CHILD"); mode != "" {
		child(mode)
	}
	goleak.VerifyTestMain(m)
}

// child behaves as its mode says, for at most a minute.
func child(mode string) {
	time.AfterFunc(time.Minute, func() { os.Exit(99) })
	claim()
	switch mode {
	case "reuses PIDs":
		report(inNamespace(reusePIDs))
	case "has an equal PID":
		report(inNamespace(havePID))
	case "is PID 1":
		report(inNamespace(reapOthers))
	case "is a subreaper":
		report(subreap())
	case "has no privileges":
		report(touchWhatIsNotOurs())
	case "has few descriptors":
		report(runOutOfDescriptors())
	case "has no pidfd":
		report(runWithoutPidfd())
	case "is a parent":
		report(parent())
	case "obeys":
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(42)
	case "floods":
		report(flood())
	case "quiet":
		fmt.Println("ready")
	case "chatty":
		for {
			if _, err := fmt.Println("another line"); err != nil {
				os.Exit(4)
			}
			time.Sleep(5 * time.Millisecond)
		}
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
	case "forking": // a deaf grandchild of its own group, which knows nothing of the run
		for _, own := range []bool{false, true} {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=deaf")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: own}
			out, err := cmd.StdoutPipe()
			if err != nil || cmd.Start() != nil {
				os.Exit(5)
			}
			if !bufio.NewScanner(out).Scan() {
				os.Exit(6)
			}
			fmt.Println("grandchild", cmd.Process.Pid)
		}
		fmt.Println("ready")
	case "exits":
		code, _ := strconv.Atoi(os.Getenv("PROC_TEST_CODE"))
		os.Exit(code)
	case "crashes":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	case "descriptors":
		fmt.Println("log", os.Getenv(EnvLogPath))
		entries, _ := os.ReadDir("/proc/self/fd")
		for _, entry := range entries {
			target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
			fmt.Println("fd", entry.Name(), target)
		}
		fmt.Println("ready")
	}
	select {}
}

// The exit codes of a helper process.
const (
	helperFailed = 8
	helperBarred = 9 // what it wants to do is not allowed here
)

var errBarred = errors.New("it is not allowed here")

// report ends a helper process with its result.
func report(err error) {
	switch {
	case errors.Is(err, errBarred):
		fmt.Println(err)
		os.Exit(helperBarred)
	case err != nil:
		fmt.Println(err)
		os.Exit(helperFailed)
	}
	os.Exit(0)
}

// helper makes the command of a helper process, which can do what would disturb other tests.
func helper(t testing.TB, mode string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(within(t), os.Args[0])
	cmd.Env = append([]string{"PROC_TEST_CHILD=" + mode, "PROC_TEST_DIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// told gives what a test told its helper.
func told(name string) string {
	for _, variable := range os.Environ() {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// ownNamespace is for a helper that wants to be PID 1 of its own PID namespace.
func ownNamespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	return cmd
}

// check judges how a helper ended.
func check(t testing.TB, out []byte, err error) {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL), errors.As(err, &exit) && exit.ExitCode() == helperBarred:
		notHere(t, fmt.Sprintf("%v %s", err, out))
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}

// notHere skips a test that needs what this machine does not give; a machine that must give it fails.
func notHere(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatalf("CI_REQUIRE=1, and this cannot be tested here: %s", why)
	}
	t.Skipf("this cannot be tested here: %s", why)
}

// inNamespace runs as PID 1 of a namespace.
func inNamespace(test func() error) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("%w: %w", errBarred, err)
	}
	return test()
}

// claim does what a collector does first.
func claim() {
	fd, err := strconv.Atoi(os.Getenv(EnvLockFD))
	if err != nil || os.Getenv("PROC_TEST_NO_CLAIM") != "" {
		return
	}
	if sid, err := unix.Getsid(0); err != nil || sid != os.Getpid() {
		return // a grandchild
	}
	if err := ClaimLock(fd, NewHost(nil).Self(os.Getenv(EnvRunID))); err != nil {
		fmt.Println(err)
		os.Exit(7)
	}
}
