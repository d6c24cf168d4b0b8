package supervise

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/collector"
	"velador/internal/problem"
)

// silent is a bus on which every agent is there and says nothing.
type silent struct {
	Queue
	asked atomic.Int64
}

func (q *silent) Command(ctx context.Context, agent string, _ []byte) ([]byte, error) {
	q.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStatusAsksItsOwnAgentWithoutTheBus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	mute := &silent{Queue: s.conn}
	s.beside(agent, func(cfg *FleetConfig) { cfg.Queue = mute })
	row := s.start("QUIET")
	if live := s.status(); len(live) != 1 || live[0].PID != row.PID || live[0].Vitals.Phase == "" {
		t.Errorf("status %+v", live)
	}
	if _, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID}); err != nil {
		t.Error(err)
	}
	if live := s.status(); len(live) != 0 {
		t.Errorf("after the stop: %+v", live)
	}
	if n := mute.asked.Load(); n != 0 {
		t.Errorf("%d commands went over the bus", n)
	}
}

func TestStatusNeverListsTheDead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} })
	s.beside(agent, nil)
	dead, living := s.start("QUIET"), s.start("BTCUSDT")
	kill(t, dead.PID, syscall.SIGKILL)
	s.until("it is dead", func() bool { return !alive(dead) })
	if live := s.status(); len(live) != 1 || live[0].ID != living.ID {
		t.Errorf("status %+v", live)
	}
}

func TestAllListsWhatIsWantedAndHasNoProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} })
	s.beside(agent, nil)
	failing, living, over := s.startFailing(), s.start("QUIET"), s.start("BTCUSDT")
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: over.ID}); err != nil {
		t.Fatal(err)
	}
	all, err := s.fleet.All(within(t))
	if err != nil || len(all) != 2 || all[0].Record != failing || all[0].Uptime != 0 || all[0].Vitals.Phase != collector.PhaseBackoff ||
		all[1].ID != living.ID || all[1].Uptime <= 0 || all[1].PID != living.PID {
		t.Errorf("all %+v, error %v", all, err)
	}
	if live := s.status(); len(live) != 1 || live[0].ID != living.ID {
		t.Errorf("status %+v", live)
	}
	for want, id := range map[collector.Phase]int64{collector.PhaseBackoff: failing.ID, collector.PhaseStopped: over.ID} {
		if one, err := s.fleet.Look(within(t), id); err != nil || one.ID != id || one.Vitals.Phase != want || one.Uptime != 0 {
			t.Errorf("a look at %d: %+v, error %v", id, one, err)
		}
	}
	if one, err := s.fleet.Look(within(t), living.ID); err != nil || one.PID != living.PID || one.Uptime <= 0 {
		t.Errorf("a look at the living one: %+v, error %v", one, err)
	}
	_, err = s.fleet.Look(within(t), 999)
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	end()
	all, err = s.fleet.All(within(t))
	if err != nil || len(all) != 2 || all[1].ID != living.ID || all[1].Uptime != 0 || all[1].Vitals.Phase != collector.PhaseStopped {
		t.Errorf("after the end of the agent: %+v, error %v", all, err)
	}
}

func TestLivesAreGivenNewestFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	row := s.elsewhere("QUIET", "elsewhere", 77)
	db, _ := s.registry.Registry.(database)
	for _, run := range []string{"A", "B", "C"} {
		if err := db.SaveLife(within(t), collector.Life{CollectorID: row.ID, RunID: run, PID: 1, StartedAt: time.Now(), Exit: collector.Exit{At: time.Now(), Known: true}}); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]int{0: 3, 2: 2, 1 << 30: 3} {
		lives, err := s.fleet.Lives(within(t), row.ID, limit)
		if err != nil || len(lives) != want || lives[0].RunID != "C" {
			t.Errorf("of %d lives: %+v, error %v", limit, lives, err)
		}
	}
	_, err := s.fleet.Lives(within(t), 999, 1)
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	s.fleet.cfg.Lives = nil
	if lives, err := s.fleet.Lives(within(t), row.ID, 1); err != nil || len(lives) != 0 {
		t.Errorf("nobody keeps them: %+v, error %v", lives, err)
	}
}

func TestAgentThatHangsSlowsOneStatusOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mute := &silent{Queue: s.conn}
	s.beside(nil, func(cfg *FleetConfig) { cfg.Queue = mute })
	row := s.elsewhere("QUIET", "hanging", 77)
	for range 5 {
		if live := s.status(); len(live) != 0 {
			t.Errorf("status %+v", live)
		}
	}
	if n := mute.asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	if got := s.row(row.ID); got != row {
		t.Errorf("its row is %+v", got)
	}
}

func TestRowOfADeadInstallationBecomesStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, func(cfg *FleetConfig) { cfg.LeaseDoubt = -1 })
	db, _ := s.registry.Registry.(database)
	lease, err := db.AcquireLease(within(t), "elsewhere", "there", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	row := s.elsewhere("QUIET", "elsewhere", 77)
	if live := s.status(); len(live) != 0 || s.row(row.ID) != row {
		t.Errorf("while it lives: status %+v, row %+v", live, s.row(row.ID))
	}
	if err := db.ReleaseLease(within(t), lease); err != nil {
		t.Fatal(err)
	}
	s.beside(nil, func(cfg *FleetConfig) { cfg.LeaseDoubt = -1 }) // another server, which has not seen the lease run
	if live := s.status(); len(live) != 0 {
		t.Errorf("status %+v", live)
	}
	if got := s.row(row.ID); got.Status != collector.Stopped || !got.Wanted {
		t.Errorf("its row is %+v", got)
	}
}

func TestStatusOfAnotherServerLeavesABackOffAlone(t *testing.T) {
	t.Parallel()
	sites := twoSitesWith(t, engines()["SQLite"], func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} })
	failed := sites[0].startFailing()
	if live := sites[1].status(); len(live) != 0 {
		t.Errorf("status %+v", live)
	}
	if got := sites[1].row(failed.ID); got != failed {
		t.Errorf("its row became %+v", got)
	}
	living := sites[0].start("QUIET")
	if live := sites[1].status(); len(live) != 1 || live[0].PID != living.PID || live[0].Uptime <= 0 {
		t.Errorf("what runs on the same machine is not seen: %+v", live)
	}
}

func TestStatusSaysThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openStore(t, t.TempDir())
	s.registry.Registry = db
	s.beside(nil, nil)
	s.status()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.fleet.Status(within(t))
	wantProblem(t, err, problem.Unavailable, problem.CodeDatabaseUnavailable)
	_, err = s.fleet.All(within(t))
	wantProblem(t, err, problem.Unavailable, problem.CodeDatabaseUnavailable)
}

// calls counts the commands that go over the bus.
type calls struct {
	Queue
	sent atomic.Int64
}

func (q *calls) Command(ctx context.Context, agent string, payload []byte) ([]byte, error) {
	q.sent.Add(1)
	return q.Queue.Command(ctx, agent, payload)
}

func TestStatusHearsOfOtherAgentsOverTheBus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(func(cfg *AgentConfig) { cfg.Name, cfg.Dir = "other", cfg.Dir+"-other" })
	theirs := s.start("QUIET")
	agent, _ := s.runAgent(nil)
	bus := &calls{Queue: s.conn}
	s.beside(agent, func(cfg *FleetConfig) { cfg.Queue = bus })
	live := s.status()
	if len(live) != 1 || live[0].PID != theirs.PID || live[0].Uptime <= 0 || live[0].Vitals.Phase != collector.PhaseStarting || bus.sent.Load() != 1 {
		t.Errorf("status %+v after %d commands", live, bus.sent.Load())
	}
	if one, err := s.fleet.Look(within(t), theirs.ID); err != nil || one.PID != theirs.PID || one.Vitals.Phase != collector.PhaseStarting {
		t.Errorf("a look: %+v, error %v", one, err)
	}
	kill(t, theirs.PID, syscall.SIGKILL)
	s.untilRow(theirs.ID, "it runs again", func(r collector.Record) bool { return r.PID != theirs.PID && r.Status == collector.Running })
	if stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: theirs.PID}); err == nil {
		t.Errorf("the PID of a former life was stopped: %+v", stopped)
	}
	if stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: theirs.ID}); err != nil || !stopped.Over() {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
}

func TestAfterACrashOfAllOneStatusTellsTheTruth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	dead := []collector.Record{s.start("QUIET"), s.start("BTCUSDT"), s.start("ETHUSDT")}
	living := s.start("CHATTY")
	end()
	for _, row := range dead {
		kill(t, row.PID, syscall.SIGKILL)
		s.until("it is dead", func() bool { return !alive(row) })
	}
	s.beside(agent, nil) // a server whose agent has not begun
	live := s.status()
	if len(live) != 1 || live[0].ID != living.ID || live[0].Uptime <= 0 || live[0].Vitals.Phase != collector.PhaseStale {
		t.Errorf("status %+v", live)
	}
	for _, row := range dead {
		if got := s.row(row.ID); got.Status != collector.Stopped || !got.Wanted || got.StoppedAt.IsZero() || got.LastError == "" {
			t.Errorf("the row of a dead one: %+v", got)
		}
	}
	if got := s.row(living.ID); got != living {
		t.Errorf("the row of the living one: %+v", got)
	}
}

func TestWhatRunsUnderARowThatSaysStoppedIsListed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.ReviewEvery, cfg.Versions = time.Hour, nil })
	s.beside(agent, nil)
	first, second := s.start("QUIET"), s.start("BTCUSDT")
	// As a server says that had looked a moment before it was started again.
	s.change(first.ID, func(r *collector.Record) { r.Status, r.StoppedAt = collector.Stopped, time.Now() })
	all, err := s.fleet.All(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, live := range [][]collector.Live{s.status(), all} {
		if len(live) != 2 || live[0].ID != first.ID || live[0].PID != first.PID || live[0].Status != collector.Running || !live[0].StoppedAt.IsZero() || live[1].ID != second.ID {
			t.Errorf("listed %+v", live)
		}
	}
}

// An agent that has just begun has taken a row up a moment before it has adopted its process.
func TestACollectorIsListedWhileItIsBeingAdopted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("QUIET")
	x := agent.actor(row.ID)
	x.mu.Lock()
	process := x.seen.process
	x.seen.process = nil
	x.mu.Unlock()
	live := s.status()
	x.mu.Lock()
	x.seen.process = process
	x.mu.Unlock()
	if len(live) != 1 || live[0].PID != row.PID || live[0].Uptime <= 0 || live[0].Status != collector.Running {
		t.Errorf("listed are %+v", live)
	}
}
