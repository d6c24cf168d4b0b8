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
	"time"
)

// nobody is a user who owns nothing.
const nobody = 65534

func TestProcessOfAnotherUserIsFoundAndStoppedByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		notHere(t, "only root may start a process of another user")
	}
	hosts(t, func(t *testing.T, h *Host) {
		cmd := exec.Command("sleep", "60")
		cmd.Env = []string{EnvRunID + "=run"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := cmd.Start(); err != nil {
			t.Skipf("no sleep here: %v", err)
		}
		id, err := h.identify(cmd.Process.Pid, "run")
		if err != nil {
			t.Fatal(err)
		}
		stranger := id
		stranger.RunID = "another run"
		if _, verdict, err := h.Open(stranger); verdict != Gone {
			t.Errorf("another run is %s: %v", verdict, err)
		}
		p, verdict, err := h.Open(id)
		if verdict != Same {
			t.Fatalf("%s: %v", verdict, err)
		}
		defer p.Close()
		if exit, err := p.Stop(within(t), bound); err != nil || exit.Signal != syscall.SIGTERM {
			t.Errorf("exit %+v, error %v", exit, err)
		}
	})
}

func TestProcessOfRootIsToldToBeRootsByWhoMayNotSignalIt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		notHere(t, "only root may start a helper of another user")
	}
	h := NewHost(nil)
	spec := testSpec(t.TempDir(), "quiet")
	p := spawn(t, h, spec)
	waitLog(t, spec.LogPath, "ready")
	id, err := json.Marshal(p.Identity())
	if err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "has no privileges", "PROC_TEST_OTHER="+string(id), "PROC_TEST_LOCK="+spec.LockPath)
	cmd.Path = copyOfOurselves(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	check(t, out, err)
	if !p.Runs() {
		t.Error("the process was hurt")
	}
}

func touchWhatIsNotOurs() error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var id Identity
	if err := json.Unmarshal([]byte(os.Getenv("PROC_TEST_OTHER")), &id); err != nil {
		return err
	}
	if _, held, err := ProbeLock(told("PROC_TEST_LOCK")); held || !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the lock of another user is held %v: %w", held, err)
	}
	for _, pidfd := range []bool{true, false} {
		h := NewHost(nil)
		h.pidfd = h.pidfd && pidfd
		p, verdict, err := h.Open(id)
		if verdict != Same {
			return fmt.Errorf("it is %s: %w", verdict, err)
		}
		_, stopped := p.Stop(ctx, time.Millisecond)
		for what, err := range map[string]error{"stop": stopped, "signal": p.Signal(syscall.SIGKILL)} {
			want := error(syscall.EPERM)
			if !h.pidfd {
				want = ErrUnverifiable // the token of its run is not to be seen either
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "uid 0's") {
				return fmt.Errorf("with pidfd %v, the error of %s is: %w", h.pidfd, what, err)
			}
		}
		if !p.Runs() {
			return errors.New("it does not run any more")
		}
		p.Close()
	}
	return nil
}

// copyOfOurselves copies the test binary to where every user may start it.
func copyOfOurselves(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proc-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Not by ourselves: a child that is forked meanwhile would hold it open, and it could not be started.
	path := filepath.Join(dir, "binary")
	if out, err := exec.Command("cp", os.Args[0], path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func TestProcessWhoseBinaryIsReplacedOrDeletedIsStillItself(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "quiet")
		spec.Path = copyOfOurselves(t)
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		newer := spec.Path + ".newer"
		if err := os.WriteFile(newer, []byte("#!/bin/sh\nexit 42\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, change := range []func() error{
			func() error { return os.Rename(newer, spec.Path) },
			func() error { return os.Remove(spec.Path) },
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			again, verdict, err := h.Open(p.Identity())
			if verdict != Same {
				t.Fatalf("it is %s: %v", verdict, err)
			}
			again.Close()
		}
		if exit, err := p.Stop(within(t), bound); err != nil || exit.Signal != syscall.SIGTERM && exit.Code != 2 {
			t.Errorf("exit %+v, error %v", exit, err)
		}
	})
}

func TestProcessThatExitsAtOnceIsSeenAndLeavesNoLock(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		dir := t.TempDir()
		program, err := exec.LookPath("true")
		if err != nil {
			t.Skipf("no true here: %v", err)
		}
		for n := range 30 { // it may be dead before we first look at it
			spec := Spec{
				Path: program, RunID: "run", LogPath: filepath.Join(dir, "log"),
				LockPath: filepath.Join(dir, strconv.Itoa(n)+".lock"),
			}
			p, err := h.Spawn(spec)
			if err != nil {
				t.Fatal(err)
			}
			id := p.Identity()
			if exit := wait(t, p); exit != (Exit{Known: true}) || id.StartTicks == 0 {
				t.Fatalf("exit %+v of %+v", exit, id)
			}
			if _, verdict, err := h.Open(id); verdict != Gone {
				t.Errorf("%s: %v", verdict, err)
			}
			if _, err := p.Stop(within(t), bound); err != nil {
				t.Error(err)
			}
			p.Close()
			waitFree(t, spec.LockPath)
		}
	})
}

// foreignChild is a child of somebody else, who reaps it only when he is told to.
type foreignChild struct {
	id     Identity
	parent *exec.Cmd
	orders io.WriteCloser
	lines  *bufio.Reader
}

func startForeignChild(t *testing.T, h *Host) *foreignChild {
	t.Helper()
	f := &foreignChild{parent: helper(t, "is a parent")}
	var err error
	if f.orders, err = f.parent.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := f.parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.lines = bufio.NewReader(out)
	if err := f.parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.orders.Close()
		if err := f.parent.Wait(); err != nil {
			t.Errorf("the parent: %v", err)
		}
	})
	pid, err := strconv.Atoi(f.line(t))
	if err != nil {
		t.Fatal(err)
	}
	if f.id, err = h.identify(pid, "run of a stranger"); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *foreignChild) order(t *testing.T, what string) {
	t.Helper()
	if _, err := fmt.Fprintln(f.orders, what); err != nil {
		t.Fatal(err)
	}
}

func (f *foreignChild) line(t *testing.T) string {
	t.Helper()
	line, err := f.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// parent has a child that exits with code 42 when it is told to.
func parent() error {
	child := exec.Command(os.Args[0])
	child.Env = []string{"PROC_TEST_CHILD=obeys", EnvRunID + "=run of a stranger"}
	stdin, err := child.StdinPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println(child.Process.Pid)
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		switch orders.Text() {
		case "end":
			stdin.Close()
		case "reap":
			_ = child.Wait() // code 42
			fmt.Println("reaped")
		}
	}
	return nil
}

func TestExitOfAForeignZombieIsRead(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		f := startForeignChild(t, h)
		p, verdict, err := h.Open(f.id)
		if verdict != Same {
			t.Fatalf("%s: %v", verdict, err)
		}
		defer p.Close()
		f.order(t, "end") // and nobody reaps it
		if exit := wait(t, p); exit != (Exit{Known: true, Code: 42}) {
			t.Errorf("exit %+v", exit)
		}
		if st, err := readStat(f.id.PID); err != nil || !st.dead() {
			t.Errorf("it is no zombie, %+v, %v: this test proves nothing", st, err)
		}
	})
}

func TestExitOfAForeignChildIsReadAfterItsParentReapedIt(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		f := startForeignChild(t, h)
		p, verdict, err := h.Open(f.id)
		if verdict != Same {
			t.Fatalf("%s: %v", verdict, err)
		}
		defer p.Close()
		f.order(t, "end")
		f.order(t, "reap")
		if said := f.line(t); said != "reaped" {
			t.Fatal(said)
		}
		if _, err := readStat(f.id.PID); !errors.Is(err, errNoProcess) {
			t.Fatalf("it is still there: %v", err)
		}
		wait(t, p) // it may have been seen as a zombie: what counts is what can be told now
		exit := p.status()
		switch {
		case !h.pidfd && exit.Known:
			t.Errorf("exit %+v, out of nothing", exit)
		case h.pidfd && !exit.Known:
			notHere(t, "this kernel does not remember exit statuses (6.15)")
		case h.pidfd && exit != (Exit{Known: true, Code: 42}):
			t.Errorf("exit %+v", exit)
		}
	})
}
