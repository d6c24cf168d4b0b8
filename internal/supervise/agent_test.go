package supervise

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
)

func TestKilledCollectorIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	row := s.start("QUIET")
	kill(t, row.PID, syscall.SIGKILL)
	next := s.untilRow(row.ID, "it runs again", func(r collector.Record) bool {
		return r.Status == collector.Running && r.PID != 0 && r.PID != row.PID
	})
	if next.Restarts != 1 || !strings.Contains(next.LastError, "SIGKILL") || !alive(next) || next.RunID == row.RunID || next.StartedAt.Before(row.StartedAt) {
		t.Errorf("the next life is %+v", next)
	}
	_, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	if live := s.status(); len(live) != 1 || live[0].PID != next.PID {
		t.Errorf("status %+v", live)
	}
}

func TestCrashingCollectorIsAnErrorInWordsAndCanBeStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: 10 * time.Millisecond, Cap: time.Hour} })
	row := s.startOnce("EXITS")
	failed := s.untilRow(row.ID, "it keeps failing", func(r collector.Record) bool { return r.Restarts >= 3 && r.Status == collector.Failed })
	if !strings.Contains(failed.LastError, "code 3") || !strings.Contains(failed.LastError, "the market is closed") || !failed.Wanted {
		t.Errorf("the record says %+v", failed)
	}
	if live := s.status(); len(live) > 1 {
		t.Errorf("status %+v", live)
	}
	stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
	if err != nil || !stopped.Over() {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
}

func TestWrongConfigurationIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	row := s.startOnce("CONFIG")
	over := s.untilRow(row.ID, "it is over", func(r collector.Record) bool { return r.Over() })
	if over.Restarts != 0 || !strings.Contains(over.LastError, "no such market") || !strings.Contains(over.LastError, "configuration") {
		t.Errorf("the record says %+v", over)
	}
	s.until("its order is done", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(t))
		return err == nil && len(outstanding) == 0
	})
}

func TestDeafCollectorAndItsChildrenAreGoneAfterTheStop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	for _, selector := range []string{"DEAF", "FORKING"} {
		row := s.start(selector)
		log := s.untilLog(agent, selector, "ready")
		if _, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID}); err != nil {
			t.Fatal(err)
		}
		if alive(row) {
			t.Errorf("%s runs after the stop", selector)
		}
		if _, pid, found := strings.Cut(log, "grandchild "); found {
			pid, _, _ = strings.Cut(pid, "\n")
			if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
				t.Errorf("grandchild %s runs after the stop: %s", pid, stat)
			}
		}
		// A child that is forked at this moment holds a copy until its exec.
		s.until("the lock of "+selector+" is free", func() bool {
			_, held, err := proc.ProbeLock(agent.lockPath(spec(selector)))
			return err == nil && !held
		})
	}
}

func TestWhatACrashLeavesBehindIsClearedBeforeTheNextLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	row := s.start("FORKING")
	log := s.untilLog(agent, "FORKING", "ready")
	kill(t, row.PID, syscall.SIGKILL)
	s.untilRow(row.ID, "it runs again", func(r collector.Record) bool { return r.Status == collector.Running && r.PID != 0 && r.PID != row.PID })
	_, pid, _ := strings.Cut(log, "grandchild ")
	pid, _, _ = strings.Cut(pid, "\n")
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("grandchild %s of the former life runs: %s", pid, stat)
	}
}

func TestStoppedVeladorResumesWhatWasWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(nil)
	row, gone := s.start("QUIET"), s.start("BTCUSDT")
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: gone.ID}); err != nil {
		t.Fatal(err)
	}
	end()
	if got := s.row(row.ID); !got.Wanted || got.Status != collector.Stopped || got.StoppedAt.IsZero() || alive(row) {
		t.Fatalf("after the end: %+v", got)
	}
	if live := s.status(); len(live) != 0 {
		t.Errorf("status %+v", live)
	}
	s.runAgent(nil)
	resumed := s.untilRow(row.ID, "it is resumed", func(r collector.Record) bool { return r.Status == collector.Running })
	if !alive(resumed) || !resumed.StoppedAt.IsZero() || resumed.LastError != "" {
		t.Errorf("resumed: %+v", resumed)
	}
	if got := s.row(gone.ID); !got.Over() {
		t.Errorf("what was stopped is %+v", got)
	}
}

func TestCollectorThatOutlivesItsAgentIsAdopted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("CHATTY")
	end()
	before, err := os.Stat(agent.LogPath(row.Spec))
	if err != nil {
		t.Fatal(err)
	}
	s.until("it goes on writing", func() bool {
		now, err := os.Stat(agent.LogPath(row.Spec))
		return err == nil && now.Size() > before.Size()
	})
	_, end = s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	live := s.status()
	if len(live) != 1 || live[0].PID != row.PID || live[0].Restarts != 0 || !live[0].StartedAt.Equal(row.StartedAt) {
		t.Fatalf("after the adoption: %+v", live)
	}
	end()
	// The agent had died between the start and the record: only the lock file knows the PID.
	forgotten := s.row(row.ID)
	forgotten.PID, forgotten.StartTicks = 0, 0
	if err := s.registry.UpdateCollector(within(t), forgotten); err != nil {
		t.Fatal(err)
	}
	_, end = s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	if live := s.status(); len(live) != 1 || live[0].PID != row.PID {
		t.Fatalf("after the adoption by the lock: %+v", live)
	}
	end()
	// Even the run is not known: the holder of the lock of this very series is adopted when a start
	// meets it.
	forgotten = s.row(row.ID)
	forgotten.Identity = collector.Identity{}
	if err := s.registry.UpdateCollector(within(t), forgotten); err != nil {
		t.Fatal(err)
	}
	s.runAgent(nil)
	s.untilRow(row.ID, "it is adopted", func(r collector.Record) bool { return r.PID == row.PID && r.Status == collector.Running })
	kill(t, row.PID, syscall.SIGKILL)
	s.untilRow(row.ID, "the adopted one is started again after its death", func(r collector.Record) bool {
		return r.Status == collector.Running && r.PID != 0 && r.PID != row.PID
	})
}

func TestCollectorThatNobodyWantsAnyMoreIsEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("QUIET")
	end()
	over := s.row(row.ID)
	over.Wanted, over.Status, over.StoppedAt = false, collector.Stopped, time.Now()
	if err := s.registry.UpdateCollector(within(t), over); err != nil {
		t.Fatal(err)
	}
	s.runAgent(nil)
	if alive(row) {
		t.Error("it runs, although its record is history")
	}
}

func TestWishThatEndsInTheDatabaseAloneIsFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	row := s.start("QUIET")
	unwanted := s.row(row.ID)
	unwanted.Wanted = false
	if err := s.registry.UpdateCollector(within(t), unwanted); err != nil {
		t.Fatal(err)
	}
	s.untilRow(row.ID, "the review has seen it", func(r collector.Record) bool { return r.Over() })
	if alive(row) {
		t.Error("it runs")
	}
}

func TestCollectorIsStartedAgainWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	row := s.start("QUIET")
	s.registry.setAway(true)
	kill(t, row.PID, syscall.SIGKILL)
	var now running
	s.until("it runs again", func() bool {
		now = agent.actor(row.ID).report()
		return now.PID != 0 && now.PID != row.PID
	})
	if got := s.row(row.ID); got.PID != row.PID {
		t.Fatalf("the registry was not away: %+v", got)
	}
	s.registry.setAway(false)
	got := s.untilRow(row.ID, "its record is written", func(r collector.Record) bool { return r.PID == now.PID })
	if got.Restarts != 1 || got.Status != collector.Running {
		t.Errorf("the record says %+v", got)
	}
}

func TestCollectorThatMovedToAnotherAgentIsLeftToIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	row := s.start("QUIET")
	moved := s.row(row.ID)
	moved.Instance, moved.Host, moved.RunID = "another-host:/data", "another-host", "another run"
	if err := s.registry.UpdateCollector(within(t), moved); err != nil {
		t.Fatal(err)
	}
	s.until("it is ended here", func() bool { return !alive(row) }) // the review has seen it
	// Its order goes back, and this agent is the only one that can take it: it is started anew.
	s.untilRow(row.ID, "it is taken over", func(r collector.Record) bool {
		return r.Host == testHost && r.Status == collector.Running && r.PID != 0 && r.PID != row.PID
	})
}

func TestKilledAgentsCollectorsAreAdoptedUnderTheirPIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	end := process(t, "AGENT", s.dir)
	chatty, quiet := s.start("CHATTY"), s.start("QUIET")
	end()
	for _, row := range []collector.Record{chatty, quiet} {
		if !alive(row) {
			t.Fatalf("%s died with its agent", row.Spec.Selector)
		}
	}
	s.runAgent(nil)
	live := s.status()
	if len(live) != 2 || live[0].PID != chatty.PID || live[1].PID != quiet.PID {
		t.Fatalf("after the adoption: %+v", live)
	}
	// Their orders come back too, and change nothing.
	s.until("the orders are taken", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(t))
		return err == nil && len(outstanding) == 2
	})
	for _, row := range []collector.Record{chatty, quiet} {
		stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
		if err != nil || alive(row) || !stopped.Over() {
			t.Errorf("stop of the adopted: %+v, error %v", stopped, err)
		}
	}
	s.until("the orders are done", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(t))
		return err == nil && len(outstanding) == 0
	})
}

func TestStartAndStopLeakNoDescriptor(t *testing.T) {
	s := newSite(t)
	s.runAgent(nil)
	descriptors := func() (n int) { // database and bus open files as they like
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); strings.Contains(target, "pidfd") || strings.Contains(target, "/collectors/") || target == os.DevNull {
				n++
			}
		}
		return n
	}
	cycle := func() {
		row := s.start("QUIET")
		if _, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID}); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	before := descriptors()
	for range 100 {
		cycle()
	}
	s.until("the descriptors are "+strconv.Itoa(before)+" again", func() bool { return descriptors() <= before })
}
