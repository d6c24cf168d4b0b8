package supervise

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

	"velador/internal/proc"
	"velador/internal/store/postgres/pgtest"
)

// The test binary is also the collector that the tests start; its mode is the symbol.
func TestMain(m *testing.M) {
	if mode := os.Getenv("SUPERVISE_TEST_COLLECTOR"); mode != "" {
		stub(mode)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(pgtest.Exit))
}

// stub is a collector that collects nothing, for at most two minutes.
func stub(mode string) {
	time.AfterFunc(2*time.Minute, func() { os.Exit(99) })
	if fd, err := strconv.Atoi(os.Getenv(proc.EnvLockFD)); err == nil && mode != "GRANDCHILD" {
		if err := proc.ClaimLock(fd, proc.NewHost(nil).Self(os.Getenv(proc.EnvRunID))); err != nil {
			fmt.Println(err)
			os.Exit(7)
		}
	}
	switch mode {
	case "DEAF", "GRANDCHILD":
		signal.Ignore(syscall.SIGTERM)
	case "CHATTY":
		for {
			if _, err := fmt.Println("another line"); err != nil {
				os.Exit(4)
			}
			time.Sleep(5 * time.Millisecond)
		}
	case "FORKING":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SUPERVISE_TEST_COLLECTOR=GRANDCHILD")
		out, err := cmd.StdoutPipe()
		if err != nil || cmd.Start() != nil || !bufio.NewScanner(out).Scan() {
			os.Exit(5)
		}
		fmt.Println("grandchild", cmd.Process.Pid)
	case "EXITS":
		fmt.Println("the market is closed for ever")
		os.Exit(3)
	case "CONFIG":
		fmt.Println("there is no such market")
		os.Exit(exitConfig)
	case "BEATING", "BARREN", "BANNED", "FAREWELL", "PANICS", "ENDLESS":
		stubOfNow(mode)
	case "AGENT":
		serverProcess(os.Getenv("SUPERVISE_TEST_DIR"), false)
	case "SERVER":
		serverProcess(os.Getenv("SUPERVISE_TEST_DIR"), true)
	}
	fmt.Println("ready")
	select {}
}
