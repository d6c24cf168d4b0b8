package supervise

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/store"
)

// another gives the configuration of an installation beside the site's own: another directory, on the
// same bus and database.
func (s *site) another(name string) func(*AgentConfig) {
	return func(cfg *AgentConfig) {
		cfg.Name, cfg.HostName = name+":"+s.dir, name
		cfg.Dir = filepath.Join(s.dir, name)
		cfg.Work = connect(s.t, s.dir)
		cfg.Rows = NewRows(s.registry)
	}
}

// neverTwice watches the process table until the test ends: of no series two copies may run.
func (s *site) neverTwice(selector string) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if pids := s.copies(selector); len(pids) > 1 {
				s.t.Errorf("%v run at once", pids)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	s.t.Cleanup(func() { close(stop); <-ended })
}

func TestGracefulEndHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := func(cfg *AgentConfig) { cfg.LeaseTTL = time.Hour }
	_, end := s.runAgent(long)
	row := s.start("QUIET")
	s.neverTwice("QUIET")
	s.runAgent(func(cfg *AgentConfig) { s.another("next")(cfg); long(cfg) })
	end()
	next := s.untilRow(row.ID, "the other one has taken over", func(r collector.Record) bool {
		return r.Host == "next" && r.Status == collector.Running && r.PID != 0 && alive(r)
	})
	if alive(row) || next.Restarts != 1 {
		t.Errorf("%+v", next)
	}
	leases, err := s.db.Leases(within(t))
	if err != nil || len(leases) != 2 {
		t.Fatal(leases, err)
	}
	for _, lease := range leases {
		if runs := lease.Remaining > 0; runs != (lease.Host == "next") {
			t.Errorf("%+v", lease)
		}
	}
}

func TestCollectorsOfAKilledInstallationAreTakenOverWhenItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kill9 := process(t, "AGENT", s.dir)
	row := s.start("QUIET")
	s.neverTwice("QUIET")
	agent, _ := s.runAgent(s.another("next"))
	// The machine is gone: agent and collectors at once.
	kill9()
	kill(t, row.PID, syscall.SIGKILL)
	next := s.untilRow(row.ID, "the other one has taken over", func(r collector.Record) bool {
		return r.Host == "next" && r.Status == collector.Running && r.PID != 0 && alive(r)
	})
	if next.Restarts != 1 {
		t.Errorf("%+v", next)
	}
	if over, err := s.db.FenceLease(within(t), siteName(s.dir)); err != nil || over != 0 {
		t.Errorf("the lease of the dead: %s, %v", over, err)
	}
	if x := agent.actor(row.ID); x == nil {
		t.Error("nobody looks after it")
	}
}

func TestOrderOfALivingInstallationsCollectorWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	// Its order comes to us, as when its bus is another one; its agent lives.
	row := s.elsewhere("QUIET", "elsewhere", 77)
	if _, err := s.db.AcquireLease(within(t), "elsewhere", "there", 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Assign(within(t), assignment(row, false)); err != nil {
		t.Fatal(err)
	}
	agent, _ := s.runAgent(nil)
	s.until("the order waits here", func() bool {
		agent.strangers.mu.Lock()
		defer agent.strangers.mu.Unlock()
		return len(agent.strangers.know) == 1
	})
	if got := s.row(row.ID); got != row || len(s.copies("QUIET")) != 0 {
		t.Fatalf("it was taken: %+v", got)
	}
	s.untilRow(row.ID, "it is taken over", func(r collector.Record) bool { return r.Host == testHost && r.PID != 0 && alive(r) })
	leases, err := s.db.Leases(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, lease := range leases {
		if lease.Instance == "elsewhere" && lease.Remaining > 0 {
			t.Errorf("its lease runs: %+v", lease)
		}
	}
}

func TestOrphanThatIsHeardIsNotDoubled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kill9 := process(t, "AGENT", s.dir)
	row := s.start("BEATING")
	s.neverTwice("BEATING")
	// A doubt of two seconds, which a collector on a busy machine is not silent for.
	agent, _ := s.runAgent(func(cfg *AgentConfig) { s.another("next")(cfg); cfg.LeaseTTL = 5 * time.Second })
	kill9() // its collector lives, and nobody looks after it
	s.until("its lease is over", func() bool {
		remaining, err := s.db.FenceLease(within(t), siteName(s.dir))
		return err == nil && remaining == 0
	})
	s.until("its order has gone round", func() bool {
		other, found := agent.stranger(siteName(s.dir))
		return found && time.Since(other.since) > 3*agent.strangers.doubt
	})
	if now := s.row(row.ID); now.Instance != row.Instance || !alive(row) {
		t.Fatalf("it was taken over: %+v", now)
	}
	kill(t, row.PID, syscall.SIGKILL)
	s.untilRow(row.ID, "it is taken over", func(r collector.Record) bool { return r.Host == "next" && r.PID != 0 && alive(r) })
}

// stranger gives what an agent knows of another installation.
func (a *Agent) stranger(instance string) (stranger, bool) {
	a.strangers.mu.Lock()
	defer a.strangers.mu.Unlock()
	if other := a.strangers.know[instance]; other != nil {
		return *other, true
	}
	return stranger{}, false
}

func TestInstallationThatWasCutOffLeavesWhatWasTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.ReviewEvery, cfg.Versions = time.Hour, nil })
	kept, moved := s.start("QUIET"), s.start("BTCUSDT")
	s.registry.setAway(true)
	s.until("its lease is over", func() bool {
		remaining, err := s.db.FenceLease(within(t), agent.cfg.Name)
		return err == nil && remaining == 0
	})
	if !alive(kept) || !alive(moved) {
		t.Fatal("without the database a collector was ended")
	}
	s.change(moved.ID, func(r *collector.Record) {
		r.Instance, r.Host, r.RunID, r.BootID, r.PID = "elsewhere", "there", "another run", "another boot", 77
	})
	if _, err := s.db.AcquireLease(within(t), "elsewhere", "there", time.Hour); err != nil {
		t.Fatal(err)
	}
	s.registry.setAway(false)
	s.until("what was taken over is ended here", func() bool { return !alive(moved) })
	if row := s.row(moved.ID); row.Instance != "elsewhere" || !alive(kept) || s.row(kept.ID).PID != kept.PID {
		t.Errorf("%+v, %+v", row, s.row(kept.ID))
	}
	s.until("it has a lease again", func() bool {
		leases, err := s.db.Leases(within(t))
		return err == nil && len(leases) == 2 && leases[0].Remaining > 0 && leases[1].Remaining > 0
	})
}

func TestDetachedInstallationKeepsItsLease(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(func(cfg *AgentConfig) { cfg.LeaseTTL, cfg.Detach = time.Hour, true })
	end()
	if remaining, err := s.db.FenceLease(within(t), agent.cfg.Name); err != nil || remaining < 50*time.Minute {
		t.Errorf("%s, %v", remaining, err)
	}
}

func TestWishThatEndsInTheDatabaseIsFollowedByTheVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(func(cfg *AgentConfig) { cfg.ReviewEvery = time.Hour })
	row := s.start("QUIET")
	s.change(row.ID, func(r *collector.Record) { r.Wanted = false })
	s.untilRow(row.ID, "it is followed", collector.Record.Over)
	if alive(row) {
		t.Error("it runs")
	}
}

func TestSecondServerOnOneBusNeverDoublesACollector(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	s.runAgent(s.another("next"))
	s.neverTwice("QUIET")
	for range 5 {
		row := s.startOnce("QUIET")
		kill(t, row.PID, syscall.SIGKILL)
		row = s.untilRow(row.ID, "it runs again", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID && r.Status == collector.Running })
		if _, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBothAgentAndCollectorsKilledAtOnceComeBackOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kill9 := process(t, "AGENT", s.dir)
	row, chatty := s.start("QUIET"), s.start("CHATTY")
	kill9()
	kill(t, row.PID, syscall.SIGKILL)
	s.runAgent(nil)
	now := s.untilRow(row.ID, "it runs again", func(r collector.Record) bool { return r.PID != row.PID && r.Status == collector.Running && alive(r) })
	if pids := s.copies("QUIET"); len(pids) != 1 || pids[0] != now.PID {
		t.Errorf("%v run, the row is %+v", pids, now)
	}
	if pids := s.copies("CHATTY"); len(pids) != 1 || pids[0] != chatty.PID {
		t.Errorf("%v run instead of %d", pids, chatty.PID)
	}
}

func TestLeaseIsRenewedWhileTheAgentRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(nil)
	begun := time.Now()
	var leases []store.Lease
	s.until("it runs when its first term is over", func() bool {
		var err error
		if leases, err = s.db.Leases(within(t)); err != nil || len(leases) != 1 {
			t.Fatal(leases, err)
		}
		return time.Since(begun) > 3*agent.cfg.LeaseTTL/2 && leases[0].Remaining > 0
	})
	if leases[0].Epoch != 1 {
		t.Errorf("it was lost, and begun anew: %+v", leases)
	}
	end()
	if _, err := s.db.RenewLease(within(t), leases[0], time.Second); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("after a graceful end: %v", err)
	}
	if _, err := s.conn.Command(within(t), agent.cfg.Name, nil); !errors.Is(err, bus.ErrNoAgent) {
		t.Errorf("after the end: %v", err)
	}
}

func TestInstallationThatComesBackEndsWhatWasTakenOverFromIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kill9 := process(t, "AGENT", s.dir)
	row := s.start("QUIET")
	s.runAgent(s.another("next"))
	kill9() // its collector runs on, and is not heard
	next := s.untilRow(row.ID, "the other one has taken over", func(r collector.Record) bool {
		return r.Host == "next" && r.Status == collector.Running && r.PID != 0 && alive(r)
	})
	if !alive(row) {
		t.Fatal("it has ended by itself: this test proves nothing")
	}
	s.runAgent(nil)
	if alive(row) {
		t.Error("the installation is back, and its collector runs beside the one that took its place")
	}
	if now := s.row(row.ID); now.Identity != next.Identity || !alive(now) {
		t.Errorf("what took its place is %+v", now)
	}
}
