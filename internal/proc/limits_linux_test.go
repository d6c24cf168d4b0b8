package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// untilBounded lets a shell wait until its files are bounded, which they are only after its start.
const untilBounded = `until [ "$(ulimit -f)" != unlimited ]; do :; done; `

func TestProcessThatWritesWithoutEndIsEndedAndItsExitSaysSo(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h *Host) {
		dir := t.TempDir()
		const bound = 64 << 10
		spec := Spec{
			Path: "/bin/sh", Args: []string{"-c", untilBounded + "while :; do echo another line; done"}, RunID: "run", MaxFile: bound,
			LogPath: filepath.Join(dir, "log"), LockPath: filepath.Join(dir, "lock"),
		}
		exit := wait(t, spawn(t, h, spec))
		if exit != (Exit{Known: true, Signal: syscall.SIGXFSZ}) || !strings.Contains(exit.String(), "writes without end") {
			t.Errorf("exit %+v, in words %q", exit, exit)
		}
		if info, err := os.Stat(spec.LogPath); err != nil || info.Size() > bound || info.Size() < bound/2 {
			t.Errorf("its log has %d bytes: %v", info.Size(), err)
		}
	})
}

func TestGoProcessThatWritesWithoutEndEndsItselfAndSaysWhy(t *testing.T) {
	t.Parallel()
	h := NewHost(nil)
	spec := testSpec(t.TempDir(), "floods")
	spec.MaxFile = 1 << 20
	exit := wait(t, spawn(t, h, spec))
	if exit != (Exit{Known: true, Code: helperFailed}) {
		t.Errorf("exit %+v", exit)
	}
	words, said, err := ReadFarewell(spec.LockPath, spec.RunID)
	if err != nil || !said || words.Reason != ErrFileLimit.Error() {
		t.Errorf("its last words are %+v, %v, %v", words, said, err)
	}
	if info, err := os.Stat(spec.LogPath); err != nil || info.Size() > spec.MaxFile {
		t.Errorf("its log has %d bytes: %v", info.Size(), err)
	}
	next := testSpec(spec.Dir, "quiet")
	next.LockPath = spec.LockPath
	spawn(t, h, next)
	if words, said, err := ReadFarewell(spec.LockPath, spec.RunID); said || err != nil {
		t.Errorf("in its next life its last words are still there: %+v, %v", words, err)
	}
}

// flood writes to its log until it is told that the log is full.
func flood() error {
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY}
	for limit.Cur == unix.RLIM_INFINITY { // it is bounded only after its start
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	go func() {
		line := strings.Repeat("another line ", 1000) + "\n"
		for {
			_, _ = os.Stdout.WriteString(line) // it does not care
		}
	}()
	err := AwaitFileLimit(context.Background())
	fd, _ := strconv.Atoi(os.Getenv(EnvLockFD))
	return errors.Join(err, SayFarewell(fd, Farewell{RunID: os.Getenv(EnvRunID), Reason: err.Error()}))
}

func TestAwaitFileLimitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := AwaitFileLimit(ctx); err != nil {
		t.Error(err)
	}
}

func TestOpenFilesCountsAndRaisesTheLimit(t *testing.T) {
	h := NewHost(nil) // not parallel: it counts the descriptors of the whole process
	limit, used, err := h.OpenFiles()
	if err != nil || used < 3 || limit < uint64(used) {
		t.Fatalf("limit %d, used %d, error %v", limit, used, err)
	}
	var hard unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &hard); err != nil || limit != hard.Max {
		t.Errorf("limit %d, the hard one is %d, error %v", limit, hard.Max, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, more, err := h.OpenFiles(); more != used+1 || err != nil {
		t.Errorf("%d descriptors, and with one more %d, error %v", used, more, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: hard.Max - 1, Max: hard.Max}); err != nil {
		t.Fatal(err)
	}
	if again, _, err := h.OpenFiles(); again != hard.Max || err != nil {
		t.Errorf("the limit was lowered, and is %d, error %v", again, err)
	}
}

func TestSpawnAndOpenWithoutDescriptorsFailWholly(t *testing.T) {
	t.Parallel()
	out, err := helper(t, "has few descriptors").CombinedOutput()
	check(t, out, err)
}

func runOutOfDescriptors() error {
	for _, pidfd := range []bool{true, false} {
		h := NewHost(nil)
		h.pidfd = h.pidfd && pidfd
		if err := withFewDescriptors(h, strconv.FormatBool(pidfd)); err != nil {
			return fmt.Errorf("with pidfd %v: %w", h.pidfd, err)
		}
	}
	return nil
}

// withFewDescriptors gives Spawn and Open one descriptor more each time, until they succeed.
func withFewDescriptors(h *Host, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	dir := filepath.Join(os.Getenv("PROC_TEST_DIR"), name)
	quiet := func(n int) Spec {
		spec := testSpec(dir, "quiet", "PROC_TEST_NO_CLAIM=1")
		spec.LockPath += strconv.Itoa(n)
		return spec
	}
	target, err := h.Spawn(quiet(-1))
	if err != nil {
		return err
	}
	defer func() {
		_, _ = target.Stop(ctx, 0) // it is one of ours
		target.Close()
	}()
	if again, verdict, err := h.Open(target.Identity()); verdict == Same { // everything has been used once
		again.Close()
	} else {
		return err
	}
	limit, used, err := h.OpenFiles()
	if err != nil {
		return err
	}
	// within runs something with so many descriptors, and tells whether it failed for want of more.
	within := func(descriptors int, run func() error) (bool, error) {
		if err := setLimit(uint64(descriptors), limit); err != nil {
			return false, err
		}
		failure := run()
		if err := setLimit(limit, limit); err != nil {
			return false, err
		}
		if failure == nil {
			return false, nil
		}
		if !errors.Is(failure, unix.EMFILE) && !strings.Contains(failure.Error(), unix.EMFILE.Error()) || !strings.Contains(failure.Error(), "raise its limit") {
			return true, fmt.Errorf("with %d descriptors of %d used: the words are not clear: %w", descriptors, used, failure)
		}
		for { // whoever asks for a process without a pidfd has another one open now and then
			_, now, err := h.OpenFiles()
			if err == nil && now <= used {
				break
			}
			if err != nil || ctx.Err() != nil {
				return true, fmt.Errorf("with %d descriptors: %d are open afterwards, instead of %d: %w", descriptors, now, used, errors.Join(err, ctx.Err()))
			}
		}
		if children := childrenOf(os.Getpid()); len(children) != 1 {
			return true, fmt.Errorf("with %d descriptors, after %w: children %v are left", descriptors, failure, children)
		}
		return true, nil
	}
	failures := 0
	for n := 0; ; n++ {
		var p *Process
		failed, err := within(used+n, func() (err error) {
			p, err = h.Spawn(quiet(n))
			return err
		})
		if err != nil {
			return err
		}
		if _, held, err := ProbeLock(quiet(n).LockPath); err != nil || held == failed {
			return fmt.Errorf("the start failed %v, and the lock is held %v: %w", failed, held, err)
		}
		if failed {
			failures++
			continue
		}
		if p.Identity().StartTicks == 0 {
			return errors.New("it has no start time")
		}
		if exit, err := p.Stop(ctx, 0); err != nil || exit.Signal != syscall.SIGKILL {
			return fmt.Errorf("exit %+v: %w", exit, err)
		}
		p.Close()
		break
	}
	if failures < 3 {
		return fmt.Errorf("%d starts failed: this test proves nothing", failures)
	}
	for n := 0; ; n++ {
		var p *Process
		failed, err := within(used+n, func() (err error) {
			var verdict Verdict
			if p, verdict, err = h.Open(target.Identity()); (verdict == Unverifiable) != (err != nil) || verdict == Gone {
				return fmt.Errorf("it is %s: %w", verdict, err)
			}
			return err
		})
		if err != nil {
			return err
		}
		if !failed {
			p.Close()
			break
		}
	}
	if !target.Runs() {
		return errors.New("the process was hurt")
	}
	return nil
}

// setLimit bounds the open files of this process alone: what it starts keeps its own.
func setLimit(soft, hard uint64) error {
	return unix.Prlimit(os.Getpid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: soft, Max: hard}, nil)
}

// childrenOf lists the children of a process, zombies too.
func childrenOf(pid int) (children []int) {
	table, err := readTable()
	if err != nil {
		return nil
	}
	for _, st := range table {
		if st.parent == pid {
			children = append(children, st.pid)
		}
	}
	return children
}

// Issue 3, item 8: five hundred goroutines in exec.Cmd.Wait would take 505 threads. Not parallel: it
// counts the threads of the whole process.
func TestFiveHundredChildrenCostNoThreadEach(t *testing.T) {
	h := NewHost(nil)
	if !h.pidfd {
		notHere(t, "this kernel lends no pidfd")
	}
	before := threads(t)
	_, filesBefore, err := h.OpenFiles()
	if err != nil {
		t.Fatal(err)
	}
	ps := sleepers(t, h, 500)
	ctx := within(t)
	var waiting sync.WaitGroup
	for _, p := range ps {
		waiting.Go(func() {
			if exit, err := p.Wait(ctx); err != nil || exit.Signal != syscall.SIGKILL {
				t.Errorf("exit %+v, error %v", exit, err)
			}
		})
	}
	for i, runs := range Running(ps) {
		if !runs {
			t.Fatalf("process %d of 500 does not run", i)
		}
	}
	_, files, err := h.OpenFiles()
	if err != nil {
		t.Fatal(err)
	}
	now := threads(t)
	t.Logf("500 children: %d threads (%d before), %d descriptors (%d before)", now, before, files, filesBefore)
	if now > before+24 {
		t.Errorf("%d threads before, %d with 500 children", before, now)
	}
	if files > filesBefore+500+8 {
		t.Errorf("%d descriptors before, %d with 500 children", filesBefore, files)
	}
	stopAll(t, ps)
	waiting.Wait()
	if after := threads(t); after > before+48 {
		t.Errorf("%d threads before, %d after 500 were stopped at once", before, after)
	}
	if children := childrenOf(os.Getpid()); len(children) > 0 {
		t.Errorf("%d children are left", len(children))
	}
}

func threads(t testing.TB) int {
	t.Helper()
	st, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return st.threads
}
