package e2e

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo runs velador demo; with interrupt, until it has stored something and then Ctrl-C. It gives
// what was printed and the PIDs of the collectors.
func demo(t *testing.T, interrupt bool, args ...string) (text string, pids []int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"demo"}, args...)...)
	cmd.Env, cmd.Dir = environ(), t.TempDir()
	problems := &output{}
	cmd.Stderr = problems
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(slack*2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var said strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if m := regexp.MustCompile(`\(PID (\d+)\)$`).FindStringSubmatch(lines.Text()); m != nil {
			pid, _ := strconv.Atoi(m[1])
			pids = append(pids, pid)
		}
		if interrupt && strings.Contains(lines.Text(), "candles stored") {
			interrupt = false
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("demo: %v\n%s%s", err, said.String(), problems)
	}
	return said.String(), pids
}

func TestDemoStoresWhatWasServedAndLeavesNoProcessBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		interrupt bool
		args      []string
	}{
		{"for a while", false, []string{"--for", "9s"}},
		{"until Ctrl-C", true, nil},
		{"on recordings", false, []string{"--for", "6s", "--speed", "300", "--data", "RECORDINGS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i, arg := range c.args {
				if arg == "RECORDINGS" {
					c.args[i] = filepath.Join(recordings(t), "archive-daily")
				}
			}
			text, pids := demo(t, c.interrupt, c.args...)
			if len(pids) < 3 || !regexp.MustCompile(`(?m)^[1-9]\d* candles of .* every digit is the same\.$`).MatchString(text) {
				t.Errorf("it said:\n%s", text)
			}
			for _, pid := range pids {
				if alive(pid) {
					t.Errorf("process %d is left behind", pid)
				}
			}
		})
	}
}
