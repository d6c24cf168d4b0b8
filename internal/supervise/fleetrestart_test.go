package supervise

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/collector"
	"velador/internal/problem"
)

func TestRestartEndsTheProcessAndStartsTheNextAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hour := backoff.Policy{First: time.Hour, Cap: time.Hour} // nothing that waits for it would come to an end here
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = hour })
	s.beside(agent, nil)
	row := s.start("QUIET")
	for lives, ref := range []collector.Ref{{ID: row.ID}, {PID: -1}, {ID: row.ID, PID: 1}} { // where both are given the id decides
		if ref.PID == -1 {
			ref.PID = row.PID
		}
		next, err := s.fleet.Restart(within(t), ref)
		if err != nil {
			t.Fatal(err)
		}
		if next.ID != row.ID || next.PID == row.PID || next.RunID == row.RunID || next.Restarts != lives+1 || !next.Wanted ||
			next.Status != collector.Running || !next.NextAttempt.IsZero() || next.LastError != "" {
			t.Errorf("restarted %+v, from %+v", next, row)
		}
		if alive(row) || !alive(next) {
			t.Errorf("the former process runs: %t, the next one: %t", alive(row), alive(next))
		}
		if e := next.LastExit; e.Reason != "restarted on request" || !e.Known || e.Signal != int(syscall.SIGTERM) {
			t.Errorf("the life before ended with %+v", e)
		}
		row = next
	}
	s.until("its lives are written down", func() bool {
		lives, err := s.fleet.Lives(within(t), row.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(lives) == 3 && lives[0].Exit.Reason == "restarted on request"
	})
	if live := s.status(); len(live) != 1 || live[0].PID != row.PID {
		t.Errorf("status %+v", live)
	}
}

func TestRestartDuringBackOffWaitsNoLonger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} })
	s.beside(agent, nil)
	row := s.start("QUIET")
	kill(t, row.PID, syscall.SIGKILL)
	failed := s.untilRow(row.ID, "it waits", func(r collector.Record) bool { return r.Status == collector.Failed && !r.NextAttempt.IsZero() })
	// Its number may be a stranger's by now.
	_, err := s.fleet.Restart(within(t), collector.Ref{PID: row.PID})
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	next, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID})
	if err != nil || next.PID == row.PID || !alive(next) || next.Status != collector.Running || next.Restarts != failed.Restarts+1 {
		t.Errorf("restarted %+v, error %v", next, err)
	}
	if next.LastExit.Reason == "restarted on request" {
		t.Errorf("the life that was killed is said to have ended with %+v", next.LastExit)
	}
}

func TestRestartOfADeafCollectorKillsItAfterItsGrace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("DEAF")
	s.untilLog(agent, "DEAF", "ready")
	next, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID})
	if err != nil || alive(row) || !alive(next) || next.LastExit.Signal != int(syscall.SIGKILL) {
		t.Errorf("restarted %+v, error %v; the former one runs: %t", next, err, alive(row))
	}
}

func TestRestartOfWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("QUIET")
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []collector.Ref{{ID: row.ID}, {ID: 4711}, {PID: row.PID}, {PID: 1}, {}} {
		_, err := s.fleet.Restart(within(t), ref)
		wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	}
	if live := s.status(); len(live) != 0 {
		t.Errorf("something runs: %+v", live)
	}
}

func TestRestartThatNoAgentHearsChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	for _, row := range []collector.Record{s.elsewhere("QUIET", "another", 77), s.elsewhere("BTCUSDT", "", 0)} {
		_, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID})
		wantProblem(t, err, problem.Unavailable, problem.CodeRestartFailed)
		if got := s.row(row.ID); got != row {
			t.Errorf("the row became %+v", got)
		}
	}
}

func TestRestartThatCannotStartTheNextSaysSoAndIsTriedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var gone sync.Mutex
	missing := false
	agent, _ := s.runAgent(func(cfg *AgentConfig) {
		stub := cfg.Command
		cfg.Command = func(r collector.Record, wanted time.Time) (string, []string, []string) {
			gone.Lock()
			defer gone.Unlock()
			if missing {
				return s.dir + "/missing", nil, nil
			}
			return stub(r, wanted)
		}
	})
	s.beside(agent, nil)
	row := s.start("QUIET")
	set := func(is bool) {
		gone.Lock()
		defer gone.Unlock()
		missing = is
	}
	set(true)
	_, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID})
	wantProblem(t, err, problem.Internal, problem.CodeRestartFailed)
	set(false)
	s.untilRow(row.ID, "it runs again", func(r collector.Record) bool {
		return r.Status == collector.Running && r.PID != 0 && r.PID != row.PID && alive(r)
	})
}

// TestRestartsAndStopsAtOnceAgree: whatever comes first, in the end the wish is over and nothing runs.
func TestRestartsAndStopsAtOnceAgree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	for range 5 {
		row := s.start("QUIET")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID}); err != nil && problem.CodeOf(err) != problem.CodeCollectorNotFound && problem.CodeOf(err) != problem.CodeRestartFailed {
					t.Errorf("a restart: %v", err)
				}
			})
		}
		all.Go(func() {
			if _, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID}); err != nil {
				t.Errorf("the stop: %v", err)
			}
		})
		all.Wait()
		if got := s.row(row.ID); !got.Over() || alive(got) {
			t.Errorf("after all: %+v", got)
		}
	}
	if live := s.status(); len(live) != 0 {
		t.Errorf("something runs: %+v", live)
	}
	s.noOrders()
}

func TestRestartDuringTheEndOfTheAgentIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("DEAF")
	s.untilLog(agent, "DEAF", "ready")
	answered := make(chan error, 1)
	go func() {
		_, err := s.fleet.Restart(within(t), collector.Ref{ID: row.ID})
		answered <- err
	}()
	end()
	if err := <-answered; err != nil { // it may have been done before the end
		wantProblem(t, err, problem.KindOf(err), problem.CodeRestartFailed)
	}
	if got := s.row(row.ID); !got.Wanted || alive(got) {
		t.Errorf("the row is %+v", got)
	}
}
