package proc

import (
	"errors"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestCensusKnowsWhereEachProcessBelongs(t *testing.T) {
	t.Parallel()
	h := NewHost(nil)
	leader := spawn(t, h, testSpec(t.TempDir(), "quiet")) // of a session and a group of its own
	apart := exec.Command("/bin/sleep", "60")             // of our session, in a group of its own
	apart.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	zombie := exec.Command("/bin/true")
	for _, cmd := range []*exec.Cmd{apart, zombie} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		})
	}
	table, err := h.census.take()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[int]kin)
	for _, one := range table {
		found[one.pid] = one
	}
	for _, pid := range []int{1, leader.Identity().PID, apart.Process.Pid, zombie.Process.Pid} {
		st, err := readStat(pid)
		if err != nil {
			t.Fatal(err)
		}
		if want := (kin{pid, st.group, st.session}); found[pid] != want {
			t.Errorf("PID %d is listed as %+v, not %+v", pid, found[pid], want)
		}
	}
	if pid := leader.Identity().PID; found[pid] != (kin{pid, pid, pid}) || found[apart.Process.Pid].session == apart.Process.Pid {
		t.Errorf("they are %+v and %+v", found[pid], found[apart.Process.Pid])
	}
}

// TestCensusRestsBetweenTwoCounts: who asks meanwhile shares the next one; who asks later waits for
// nothing.
func TestCensusRestsBetweenTwoCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c census
		take := func() *kin {
			table, err := c.take()
			if err != nil || len(table) == 0 {
				t.Errorf("%d processes, %v", len(table), err)
				return nil
			}
			return &table[0]
		}
		begun := time.Now()
		first := take()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the first one waits %s", waited)
		}
		shared := make([]*kin, 16)
		var asking sync.WaitGroup
		for i := range shared {
			asking.Go(func() {
				time.Sleep(breath * time.Duration(i) / time.Duration(len(shared)))
				shared[i] = take()
			})
		}
		asking.Wait()
		for _, one := range shared {
			if one != shared[0] || one == first {
				t.Errorf("the tables are %p and %p after %p", one, shared[0], first)
			}
		}
		if waited := time.Since(begun); waited != breath {
			t.Errorf("they wait until %s after the first", waited)
		}
		time.Sleep(breath)
		if later := take(); later == shared[0] || time.Since(begun) != 2*breath {
			t.Errorf("a later one takes %p after %p, and %s", later, shared[0], time.Since(begun))
		}
	})
}

func TestProcessThatHasGoneBelongsNowhere(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if one, err := kinOf(cmd.Process.Pid); err == nil && one.session != cmd.Process.Pid {
		t.Skipf("somebody has its PID already: %+v", one)
	} else if !errors.Is(err, errNoProcess) || !vanished(err) {
		t.Errorf("it is %+v, %v", one, err)
	}
}

// BenchmarkCensus is one count of the process table beside 500 collectors, and what it would be if
// each one's stat were read.
func BenchmarkCensus(b *testing.B) {
	sleepers(b, NewHost(nil), 500)
	b.Run("kin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readKin(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readTable(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStopOf500 ends 500 sleeping processes at once, each until nobody is left of its session.
func BenchmarkStopOf500(b *testing.B) {
	h := NewHost(nil)
	for b.Loop() {
		b.StopTimer()
		ps := sleepers(b, h, 500)
		b.StartTimer()
		stopAll(b, ps)
	}
}
