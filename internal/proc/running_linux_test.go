package proc

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// sleeper is a child that costs as little as a process can.
func sleeper(t testing.TB, dir string, n int) Spec {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skipf("no sleep here: %v", err)
	}
	return Spec{
		Path: sleep, Args: []string{"60"}, RunID: fmt.Sprintf("run-%d", n),
		LogPath: filepath.Join(dir, "sleep.log"), LockPath: filepath.Join(dir, fmt.Sprintf("%d.lock", n)),
	}
}

// sleepers spawns n of them, which are stopped side by side in the end.
func sleepers(t testing.TB, h *Host, n int) []*Process {
	t.Helper()
	dir := t.TempDir()
	ps := make([]*Process, 0, n)
	t.Cleanup(func() { stopAll(t, ps) })
	for i := range n {
		p, err := h.Spawn(sleeper(t, dir, i))
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return ps
}

func stopAll(t testing.TB, ps []*Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var stopping sync.WaitGroup
	for _, p := range ps {
		stopping.Go(func() {
			if _, err := p.Stop(ctx, 0); err != nil {
				t.Error(err)
			}
			p.Close()
		})
	}
	stopping.Wait()
}

func TestRunningTellsOfEachProcess(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		dir := t.TempDir()
		var ps []*Process
		for n := range 5 {
			ps = append(ps, spawn(t, h, sleeper(t, dir, n)))
		}
		for _, dead := range []*Process{ps[1], ps[3]} {
			if err := dead.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			wait(t, dead)
		}
		want := []bool{true, false, true, false, true, false, true}
		if run := Running(append(slices.Clone(ps), nil, ps[0])); !slices.Equal(run, want) {
			t.Errorf("running: %v instead of %v", run, want)
		}
		if run := Running(nil); len(run) != 0 {
			t.Errorf("of none, %v run", run)
		}
		many := make([]*Process, 0, 2000)
		for range 400 {
			many = append(many, ps...)
		}
		for i, runs := range Running(many) {
			if runs != want[i%len(ps)] {
				t.Fatalf("process %d of many: %v", i, runs)
			}
		}
	})
}

// A descriptor that is closed meanwhile may at once be another file's.
func TestRunningIsSafeBesideClose(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		p := spawn(t, h, sleeper(t, t.TempDir(), 0))
		for range 20 {
			var ps []*Process
			for range 20 {
				again, verdict, err := h.Open(p.Identity())
				if verdict != Same {
					t.Fatalf("%s: %v", verdict, err)
				}
				ps = append(ps, again)
			}
			backwards := slices.Clone(ps)
			slices.Reverse(backwards)
			var asking sync.WaitGroup
			for _, order := range [][]*Process{ps, backwards} {
				asking.Go(func() {
					for range 20 {
						Running(order)
					}
				})
			}
			asking.Go(func() {
				for _, again := range ps {
					again.Close()
				}
			})
			asking.Wait()
			if h.pidfd && slices.Contains(Running(ps), true) {
				t.Fatal("a closed one runs")
			}
		}
		if !Running([]*Process{p})[0] {
			t.Error("it does not run any more")
		}
	})
}

func BenchmarkRunning500(b *testing.B) {
	for _, pidfd := range []bool{true, false} {
		b.Run(fmt.Sprintf("pidfd=%v", pidfd), func(b *testing.B) {
			h := NewHost(nil)
			h.pidfd = h.pidfd && pidfd
			ps := sleepers(b, h, 500)
			for b.Loop() {
				Running(ps)
			}
		})
	}
}
