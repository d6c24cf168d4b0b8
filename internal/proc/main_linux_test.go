package proc

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
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
	case "namespace":
		if err := reusePIDs(); err != nil {
			fmt.Println(err)
			os.Exit(8)
		}
		os.Exit(0)
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
		entries, _ := os.ReadDir("/proc/self/fd")
		for _, entry := range entries {
			target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
			fmt.Println("fd", entry.Name(), target)
		}
		fmt.Println("ready")
	}
	select {}
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
