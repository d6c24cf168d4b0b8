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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bound is how long anything may take in these tests; nothing is expected to come near it.
const bound = 20 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

func testSpec(dir, mode string, env ...string) Spec {
	return Spec{
		Path: os.Args[0], Dir: dir, RunID: "run-" + filepath.Base(dir) + mode,
		Env:     append([]string{"PROC_TEST_CHILD=" + mode}, env...),
		LogPath: filepath.Join(dir, "log", mode+".log"), LockPath: filepath.Join(dir, "lock", mode+".lock"),
	}
}

func spawn(t testing.TB, h *Host, spec Spec) *Process {
	t.Helper()
	p, err := h.Spawn(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if _, err := p.Stop(ctx, 0); err != nil {
			t.Errorf("clean up: %v", err)
		}
		p.Close()
	})
	return p
}

// waitLog waits until the log holds a line with this beginning, and gives the log.
func waitLog(t testing.TB, path, beginning string) string {
	t.Helper()
	ctx := within(t)
	for {
		content, _ := os.ReadFile(path)
		for line := range strings.Lines(string(content)) {
			if strings.HasPrefix(line, beginning) && strings.HasSuffix(line, "\n") {
				return string(content)
			}
		}
		pause(ctx, t, "the log says "+beginning)
	}
}

// pause lets others run a little, and fails the test when its time is over.
func pause(ctx context.Context, t testing.TB, what string) {
	t.Helper()
	select {
	case <-ctx.Done():
		t.Fatalf("waited in vain until %s", what)
	case <-time.After(2 * time.Millisecond):
	}
}

func wait(t testing.TB, p *Process) Exit {
	t.Helper()
	exit, err := p.Wait(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

// hosts runs a test with pidfds and without.
func hosts(t *testing.T, test func(t *testing.T, h *Host)) {
	t.Helper()
	t.Run("with pidfd", func(t *testing.T) {
		t.Parallel()
		h := NewHost(nil)
		if !h.pidfd {
			t.Skip("the kernel lends no pidfd here")
		}
		test(t, h)
	})
	t.Run("without pidfd", func(t *testing.T) {
		t.Parallel()
		h := NewHost(nil)
		h.pidfd, h.interval = false, 5*time.Millisecond
		test(t, h)
	})
}

func TestSpawnedProcessLeadsASessionAndWritesToItsLog(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "descriptors")
		p := spawn(t, h, spec)
		log := waitLog(t, spec.LogPath, "ready")
		id := p.Identity()
		st, err := readStat(id.PID)
		if err != nil {
			t.Fatal(err)
		}
		if st.session != id.PID || st.group != id.PID {
			t.Errorf("session %d and group %d of PID %d", st.session, st.group, id.PID)
		}
		for fd, want := range map[int]string{0: os.DevNull, 1: spec.LogPath, 2: spec.LogPath, 3: spec.LockPath} {
			if !strings.Contains(log, fmt.Sprintf("fd %d %s\n", fd, want)) {
				t.Errorf("descriptor %d is not %s:\n%s", fd, want, log)
			}
		}
		// Its own poller and the directory that it lists may follow; nothing of ours does.
		for line := range strings.Lines(log) {
			if strings.Contains(line, "pidfd:") || strings.Contains(line, "[pidfd]") || strings.Contains(line, "socket:") {
				t.Errorf("it inherited %s", line)
			}
		}
		if !strings.Contains(log, "log "+spec.LogPath+"\n") {
			t.Errorf("%s is not in its environment:\n%s", EnvLogPath, log)
		}
		if id.StartTicks == 0 || id.BootID == "" || id.Namespace == "" || id.RunID != spec.RunID {
			t.Errorf("identity %+v", id)
		}
	})
}

func TestExitIsSeenAsItWas(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		dir := t.TempDir()
		for code, want := range map[string]Exit{"0": {Known: true}, "78": {Known: true, Code: 78}} {
			spec := testSpec(dir, "exits", "PROC_TEST_CODE="+code)
			spec.LockPath += code
			if exit := wait(t, spawn(t, h, spec)); exit != want {
				t.Errorf("exit %+v instead of %+v", exit, want)
			}
		}
		exit := wait(t, spawn(t, h, testSpec(dir, "crashes")))
		if !exit.Known || exit.Signal != syscall.SIGSEGV && exit.Code != 2 { // Go turns the signal into a panic, exit code 2
			t.Errorf("exit %+v after SIGSEGV", exit)
		}
		p := spawn(t, h, testSpec(dir, "quiet"))
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if exit := wait(t, p); exit != (Exit{Known: true, Signal: syscall.SIGKILL}) || exit.String() != "it was killed by SIGKILL" {
			t.Errorf("exit %+v, in words %q", exit, exit)
		}
		if err := p.Signal(syscall.SIGKILL); !errors.Is(err, ErrGone) {
			t.Errorf("a signal to the dead: %v", err)
		}
	})
}

func TestSecondCopyIsRefusedByTheLock(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "quiet")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		_, err := h.Spawn(spec)
		var locked *LockedError
		if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.Holder != p.Identity() {
			t.Fatalf("the error is %v, the holder %+v instead of %+v", err, locked, p.Identity())
		}
		// All book-keeping is lost but the file: the holder is found by it.
		found, verdict, err := NewHost(nil).Open(locked.Holder)
		if verdict != Same {
			t.Fatalf("the holder is %s: %v", verdict, err)
		}
		found.Close()
		if _, err := p.Stop(within(t), bound); err != nil {
			t.Fatal(err)
		}
		waitFree(t, spec.LockPath)
		spawn(t, h, spec)
	})
}

// waitFree waits until nobody holds a lock. Another child of ours may hold a copy of it between its
// fork and its exec.
func waitFree(t testing.TB, path string) {
	t.Helper()
	for ctx := within(t); ; pause(ctx, t, "nobody holds "+path) {
		if _, held, err := ProbeLock(path); err != nil {
			t.Fatal(err)
		} else if !held {
			return
		}
	}
}

func TestLockOutlivesTheLeaderAsLongAsAForkLives(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "forking")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		wait(t, p)
		holder, held, err := ProbeLock(spec.LockPath)
		if err != nil {
			t.Fatal(err)
		}
		if held && holder != p.Identity() {
			t.Errorf("the lock is held by %+v", holder)
		}
		if _, err := p.Stop(within(t), 0); err != nil {
			t.Fatal(err)
		}
		waitFree(t, spec.LockPath)
	})
}

func TestClaimNamesTheProcessThatHoldsTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.lock")
	file, err := acquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	self := NewHost(nil).Self("me")
	if err := ClaimLock(int(file.Fd()), self); err != nil {
		t.Fatal(err)
	}
	if holder, held, err := ProbeLock(path); !held || holder != self || err != nil {
		t.Errorf("holder %+v, held %v, error %v", holder, held, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if ClaimLock(int(null.Fd()), self) == nil {
		t.Error("a device was claimed as a lock")
	}
	other, err := openLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if ClaimLock(int(other.Fd()), self) == nil {
		t.Error("a descriptor without the lock was claimed")
	}
}

func TestOpenTellsTheSameFromTheGoneAndTheUnverifiable(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "quiet")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready") // the environment of a process that has just begun is not readable yet
		id := p.Identity()
		inode, incarnation, known := strings.Cut(id.Namespace, "@")
		if first, err := readStat(1); err == nil && (!known || incarnation != strconv.FormatUint(first.startTicks, 10)) {
			t.Errorf("the namespace is %s, whose PID 1 began at %d", id.Namespace, first.startTicks)
		}
		changed := func(change func(*Identity)) Identity { other := id; change(&other); return other }
		cases := []struct {
			name string
			id   Identity
			want Verdict
		}{
			{"itself", id, Same},
			{"a stranger under its PID", changed(func(id *Identity) { id.StartTicks-- }), Gone},
			{"a stranger within the same tick", changed(func(id *Identity) { id.RunID = "another run" }), Gone},
			{"before the last boot", changed(func(id *Identity) { id.BootID = "another" }), Gone},
			{"another namespace", changed(func(id *Identity) { id.Namespace = "pid:[1]" }), Unverifiable},
			{"an earlier namespace of the same number", changed(func(id *Identity) { id.Namespace = inode + "@999999999" }), Unverifiable},
			{"itself, written by a release that knew no incarnations", changed(func(id *Identity) { id.Namespace = inode }), Same},
			{"another namespace, written by that release", changed(func(id *Identity) { id.Namespace = "pid:[1]@" + incarnation }), Unverifiable},
			{"a stranger, written by that release", changed(func(id *Identity) { id.Namespace, id.StartTicks = inode, id.StartTicks+1 }), Gone},
			{"without a start time", changed(func(id *Identity) { id.StartTicks = 0 }), Unverifiable},
			{"no PID", changed(func(id *Identity) { id.PID = 0 }), Gone},
			{"a PID that nobody has", changed(func(id *Identity) { id.PID = 1<<22 + 1 }), Gone},
		}
		for _, c := range cases {
			found, verdict, err := h.Open(c.id)
			if verdict != c.want || (found != nil) != (c.want == Same) || errors.Is(err, ErrUnverifiable) != (c.want == Unverifiable) {
				t.Errorf("%s: %s, error %v, instead of %s", c.name, verdict, err, c.want)
			}
			if found != nil {
				found.Close()
			}
		}
	})
}

func TestZombieIsDead(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		p := spawn(t, h, testSpec(t.TempDir(), "exits"))
		wait(t, p)
		if st, err := readStat(p.Identity().PID); err != nil || st.state != 'Z' {
			t.Fatalf("it is no zombie: %+v, %v", st, err)
		}
		if syscall.Kill(p.Identity().PID, 0) != nil {
			t.Error("kill(pid, 0) finds no zombie: this test proves nothing")
		}
		if _, verdict, _ := h.Open(p.Identity()); verdict != Gone {
			t.Errorf("the zombie is %s", verdict)
		}
		p.Close()
		if _, err := readStat(p.Identity().PID); !errors.Is(err, errNoProcess) {
			t.Errorf("the zombie is there after Close: %v", err)
		}
	})
}

func TestDeafProcessIsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "deaf")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		exit, err := p.Stop(within(t), 50*time.Millisecond)
		if err != nil || exit.Signal != syscall.SIGKILL {
			t.Errorf("exit %+v, error %v", exit, err)
		}
	})
}

func TestStopEndsTheWholeGroupAndSession(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		for _, adopted := range []bool{false, true} {
			spec := testSpec(t.TempDir(), "forking")
			p := spawn(t, h, spec)
			log := waitLog(t, spec.LogPath, "ready")
			if adopted {
				var verdict Verdict
				if p, verdict, _ = h.Open(p.Identity()); verdict != Same {
					t.Fatal(verdict)
				}
				defer p.Close()
			}
			if _, err := p.Stop(within(t), 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			for _, pid := range grandchildren(t, log) {
				if st, err := readStat(pid); err == nil && !st.dead() {
					t.Errorf("grandchild %d runs after the stop", pid)
				}
			}
		}
	})
}

func grandchildren(t *testing.T, log string) []int {
	t.Helper()
	var pids []int
	for line := range strings.Lines(log) {
		if pid, ok := strings.CutPrefix(strings.TrimSpace(line), "grandchild "); ok {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	if len(pids) != 2 {
		t.Fatalf("grandchildren %v in the log:\n%s", pids, log)
	}
	return pids
}

func TestSweepEndsWhatADeadLeaderLeft(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "forking")
		p, err := h.Spawn(spec)
		if err != nil {
			t.Fatal(err)
		}
		log := waitLog(t, spec.LogPath, "ready")
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		wait(t, p)
		p.Close() // reaped: nothing protects the number any more
		stranger := p.Identity()
		stranger.RunID = "another run"
		if err := h.Sweep(within(t), stranger); err != nil {
			t.Fatal(err)
		}
		for _, pid := range grandchildren(t, log) {
			if st, err := readStat(pid); err != nil || st.dead() {
				t.Errorf("grandchild %d of another run was swept away", pid)
			}
		}
		if err := h.Sweep(within(t), p.Identity()); err != nil {
			t.Fatal(err)
		}
		for _, pid := range grandchildren(t, log) {
			if st, err := readStat(pid); err == nil && !st.dead() {
				t.Errorf("grandchild %d runs after the sweep", pid)
			}
		}
	})
}

func TestStopEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "deaf")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("no patience"))
		if _, err := p.Stop(ctx, bound); err == nil || !strings.Contains(err.Error(), "no patience") {
			t.Errorf("the error is %v", err)
		}
		if _, err := p.Wait(ctx); err == nil {
			t.Error("Wait did not end with its context")
		}
	})
}

// A process that is not our child is started by a shell, which ends: init, or whoever reaps
// orphans here, becomes its parent.
func TestAdoptedProcessIsWatchedAndItsExitRead(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		id := orphan(t, h)
		p, verdict, err := h.Open(id)
		if verdict != Same {
			t.Fatalf("%s: %v", verdict, err)
		}
		defer p.Close()
		if p.Age() <= 0 || p.Age() > bound {
			t.Errorf("its age is %s", p.Age())
		}
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// When init was faster than we were, an old kernel has nothing to tell.
		if exit := wait(t, p); exit.Known && exit.Signal != syscall.SIGKILL {
			t.Errorf("exit %+v", exit)
		}
	})
}

func orphan(t *testing.T, h *Host) Identity {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Skipf("no shell with setsid here: %v", err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(out)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := h.identify(pid, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p, verdict, _ := h.Open(id); verdict == Same {
			_ = p.Signal(syscall.SIGKILL)
			p.Close()
		}
	})
	return id
}

func TestFailedStartLeavesNoLockAndNoDescriptor(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "quiet")
		spec.Path = filepath.Join(t.TempDir(), "missing")
		if _, err := h.Spawn(spec); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the error is %v", err)
		}
		waitFree(t, spec.LockPath)
	})
}

// What cannot be watched, for want of a descriptor, is not left behind either.
func TestAbandonedStartLeavesNobodyOfItsGroup(t *testing.T) {
	t.Parallel()
	spec := testSpec(t.TempDir(), "quiet")
	spec.Path, spec.Args = "/bin/sh", []string{"-c", "sleep 60 & echo grandchild $!; echo grandchild $$; wait"}
	lock, err := acquireLock(spec.LockPath)
	if err != nil {
		t.Fatal(err)
	}
	child, err := begin(spec, lock)
	lock.Close()
	if err != nil {
		t.Fatal(err)
	}
	log := waitLog(t, spec.LogPath, "grandchild "+strconv.Itoa(child.Pid))
	if err := abandon(child); err != nil {
		t.Error(err)
	}
	waitFree(t, spec.LockPath)
	for _, pid := range grandchildren(t, log) {
		if st, err := readStat(pid); err == nil && !st.dead() {
			t.Errorf("PID %d runs", pid)
		}
	}
}

func TestUsageIsMeasured(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		spec := testSpec(t.TempDir(), "quiet")
		p := spawn(t, h, spec)
		waitLog(t, spec.LogPath, "ready")
		usage, err := p.Usage()
		if err != nil || usage.RSS < 1<<20 || usage.USS <= 0 || usage.USS > usage.RSS {
			t.Errorf("usage %+v, error %v", usage, err)
		}
		if _, err := p.Stop(within(t), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Usage(); !errors.Is(err, ErrGone) {
			t.Errorf("usage of the dead: %v", err)
		}
	})
}

// Not parallel: it counts the descriptors of the whole process.
func TestStartAndStopLeakNoDescriptor(t *testing.T) {
	for _, pidfd := range []bool{true, false} {
		h := NewHost(nil)
		h.pidfd = h.pidfd && pidfd
		h.interval = time.Millisecond
		dir := t.TempDir()
		cycle := func() {
			p, err := h.Spawn(sleeper(t, dir, 0))
			if err != nil {
				t.Fatal(err)
			}
			again, verdict, err := h.Open(p.Identity())
			if verdict != Same {
				t.Fatalf("%s: %v", verdict, err)
			}
			again.Close()
			if _, err := p.Stop(within(t), 0); err != nil {
				t.Fatal(err)
			}
			p.Close()
		}
		cycle() // the poller's own descriptors
		before := descriptors(t)
		for range 100 {
			cycle()
		}
		if after := descriptors(t); after > before {
			t.Errorf("with pidfd %v: %d descriptors before, %d after", h.pidfd, before, after)
		}
		if len(h.watched) > 0 {
			t.Errorf("with pidfd %v: %v are still watched", h.pidfd, h.watched)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCensusIsSharedAndNeverOlderThanItsCall(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		p := spawn(t, h, testSpec(t.TempDir(), "quiet"))
		var asked sync.WaitGroup
		for range 16 {
			asked.Go(func() {
				for range 4 {
					table, err := h.census.take()
					if err != nil {
						t.Error(err)
						return
					}
					found := false
					for _, st := range table {
						found = found || st.pid == p.Identity().PID
					}
					if !found {
						t.Error("a process that runs is missing in the census")
					}
				}
			})
		}
		asked.Wait()
	})
}

func BenchmarkSpawn(b *testing.B) {
	h := NewHost(nil)
	spec := testSpec(b.TempDir(), "quiet")
	for b.Loop() {
		p, err := h.Spawn(spec)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if _, err := p.Stop(within(b), 0); err != nil {
			b.Fatal(err)
		}
		p.Close()
		b.StartTimer()
	}
}

func BenchmarkOpen(b *testing.B) {
	h := NewHost(nil)
	p := spawn(b, h, testSpec(b.TempDir(), "quiet"))
	for b.Loop() {
		found, verdict, err := h.Open(p.Identity())
		if verdict != Same {
			b.Fatal(verdict, err)
		}
		found.Close()
	}
}
