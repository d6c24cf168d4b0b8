package supervise

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/bus"
	"velador/internal/collector"
	"velador/internal/problem"
)

func TestPIDOfSeveralMachinesIsResolvedOrRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	found := func(want collector.Record) {
		t.Helper()
		if got, err := s.fleet.find(within(t), collector.Ref{PID: 77}); err != nil || got.ID != want.ID {
			t.Errorf("found %+v, error %v", got, err)
		}
	}
	one := s.elsewhere("QUIET", "one", 77)
	found(one) // the only one
	two := s.elsewhere("BTCUSDT", "two", 77)
	_, err := s.fleet.Stop(within(t), collector.Ref{PID: 77})
	p := wantProblem(t, err, problem.Conflict, problem.CodeAmbiguousPID)
	if p.Params["pid"] != "77" || p.Params["ids"] != "2, 1" {
		t.Errorf("params %v", p.Params)
	}
	here := s.elsewhere("ETHUSDT", "another container of this host", 77)
	s.change(here.ID, func(r *collector.Record) { r.Host = testHost })
	found(here)
	second := s.elsewhere("BTCEUR", "a second one", 77)
	s.change(second.ID, func(r *collector.Record) { r.Host = testHost })
	_, err = s.fleet.Stop(within(t), collector.Ref{PID: 77})
	if p := wantProblem(t, err, problem.Conflict, problem.CodeAmbiguousPID); p.Params["ids"] != "4, 3" {
		t.Errorf("params %v", p.Params)
	}
	for _, row := range []collector.Record{one, two} {
		if s.row(row.ID) != row {
			t.Errorf("the row became %+v", s.row(row.ID))
		}
	}
}

func TestPIDOfTheOwnAgentComesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("QUIET")
	namesakes := []collector.Record{s.elsewhere("BTCUSDT", "one", row.PID), s.elsewhere("ETHUSDT", "two", row.PID)}
	s.change(namesakes[0].ID, func(r *collector.Record) { r.Host = testHost })
	stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
	if err != nil || stopped.ID != row.ID || alive(row) {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
	for _, namesake := range namesakes {
		if got := s.row(namesake.ID); !got.Wanted || got.Status != collector.Running {
			t.Errorf("its namesake is %+v", got)
		}
	}
}

func TestStopOnAnotherServerReachesTheAgentThroughTheDatabase(t *testing.T) {
	t.Parallel()
	for name, databases := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sites := twoSites(t, databases)
			for _, byPID := range []bool{true, false} {
				row := sites[0].start("QUIET")
				ref := collector.Ref{ID: row.ID}
				if byPID {
					ref = collector.Ref{PID: row.PID}
				}
				stopped, err := sites[1].fleet.Stop(within(t), ref)
				if err != nil || stopped.ID != row.ID || !stopped.Over() || alive(row) {
					t.Errorf("stopped %+v, error %v", stopped, err)
				}
			}
		})
	}
}

func TestStopOfWhatADeadInstallationLeftClosesItsRow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, func(cfg *FleetConfig) { cfg.LeaseDoubt = -1 })
	for _, ref := range []collector.Ref{{ID: 1}, {PID: 77}} {
		row := s.elsewhere("QUIET", "dead", 77)
		if ref.ID != 0 {
			ref.ID = row.ID
		}
		stopped, err := s.fleet.Stop(within(t), ref)
		if err != nil || !stopped.Over() || !s.row(row.ID).Over() {
			t.Errorf("stopped %+v, error %v", stopped, err)
		}
	}
}

func TestStopThatALivingInstallationDoesNotFollowIsNotCalledDone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, func(cfg *FleetConfig) { cfg.LeaseDoubt, cfg.StopPatience = -1, 50*time.Millisecond })
	db, _ := s.registry.Registry.(database)
	if _, err := db.AcquireLease(within(t), "alive", "there", time.Hour); err != nil {
		t.Fatal(err)
	}
	row := s.elsewhere("QUIET", "alive", 77)
	_, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
	wantProblem(t, err, problem.Unavailable, problem.CodeStopFailed)
	if got := s.row(row.ID); got.Wanted || got.Status != collector.Running {
		t.Errorf("the row is %+v", got)
	}
}

func TestStopDuringBackOffEndsTheWish(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} })
	s.beside(agent, nil)
	row := s.startFailing()
	// Its number may be a stranger's by now.
	_, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
	if err != nil || !stopped.Over() {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
	s.noOrders()
}

func TestStopDuringAStartEndsBoth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, func(cfg *FleetConfig) { cfg.StartTimeout = bound })
	for range 10 {
		var starting sync.WaitGroup
		starting.Go(func() {
			if _, err := s.fleet.Start(within(t), spec("QUIET")); err != nil && problem.CodeOf(err) != problem.CodeCollectorFailed {
				t.Errorf("the start: %v", err)
			}
		})
		var row collector.Record
		s.until("its wish is stored", func() bool {
			rows, err := s.registry.Collectors(within(t))
			at := slices.IndexFunc(rows, func(r collector.Record) bool { return r.Wanted })
			if err != nil || at < 0 {
				return false
			}
			row = rows[at]
			return true
		})
		stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
		if err != nil || !stopped.Over() || alive(stopped) {
			t.Errorf("stopped %+v, error %v", stopped, err)
		}
		starting.Wait()
		if got := s.row(row.ID); !got.Over() || alive(got) {
			t.Errorf("after both: %+v", got)
		}
	}
	s.noOrders()
}

func TestStartBeyondTheLimitLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.MaxCollectors = 1 })
	s.beside(agent, nil)
	first := s.start("QUIET")
	_, err := s.fleet.Start(within(t), spec("BTCUSDT"))
	p := wantProblem(t, err, problem.Unavailable, problem.CodeCollectorFailed)
	if !strings.Contains(p.Params["detail"], "limit") {
		t.Errorf("detail %q", p.Params["detail"])
	}
	rows, err := s.registry.Collectors(within(t))
	if err != nil || len(rows) != 2 || !rows[1].Over() || rows[1].LastError == "" || rows[1].PID != 0 {
		t.Errorf("rows %+v, error %v", rows, err)
	}
	if live := s.status(); len(live) != 1 || live[0].ID != first.ID {
		t.Errorf("status %+v", live)
	}
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: first.ID}); err != nil {
		t.Fatal(err)
	}
	s.noOrders()
	s.start("BTCUSDT") // there is room again
}

func TestStartDuringAStopWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Grace = 500 * time.Millisecond })
	s.beside(agent, nil)
	former := s.start("DEAF")
	s.untilLog(agent, "DEAF", "ready")
	var stopping sync.WaitGroup
	stopping.Go(func() {
		if _, err := s.fleet.Stop(within(t), collector.Ref{ID: former.ID}); err != nil {
			t.Error(err)
		}
	})
	s.untilRow(former.ID, "the wish has ended", func(r collector.Record) bool { return !r.Wanted })
	next := s.start("DEAF")
	if alive(former) || !alive(next) || next.ID == former.ID {
		t.Errorf("the former one runs: %t, the next one: %t, %+v", alive(former), alive(next), next)
	}
	stopping.Wait()
}

func TestSeveralStopsAtOnceAgree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("DEAF")
	var stopping sync.WaitGroup
	for range 8 {
		stopping.Go(func() {
			stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
			if err != nil && problem.CodeOf(err) != problem.CodeCollectorNotFound || err == nil && !stopped.Over() {
				t.Errorf("stopped %+v, error %v", stopped, err)
			}
			if alive(row) {
				t.Error("it runs after the answer")
			}
		})
	}
	stopping.Wait()
	if got := s.row(row.ID); !got.Over() {
		t.Errorf("the row is %+v", got)
	}
}

func (s *site) noOrders() {
	s.t.Helper()
	s.until("no order is left", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(s.t))
		return err == nil && len(outstanding) == 0
	})
}

func TestStopOfWhatAnAgentTakesUpAtThisMomentIsAnsweredAfterItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row := s.start("DEAF")
	s.untilLog(agent, "DEAF", "ready")
	// As the stop read it, before the agent took it up.
	before := row
	before.RunID, before.PID, before.StartTicks = "", 0, 0
	stopped, err := s.fleet.stopUntended(within(t), before, 0, true)
	if err != nil || !stopped.Over() || alive(row) {
		t.Errorf("stopped %+v, error %v; it runs: %t", stopped, err, alive(row))
	}
}

func TestStopOfAllSaysWhichCouldNotBeStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, func(cfg *FleetConfig) { cfg.StopPatience = 50 * time.Millisecond })
	db, _ := s.registry.Registry.(database)
	if _, err := db.AcquireLease(within(t), "alive", "there", time.Hour); err != nil {
		t.Fatal(err)
	}
	here, away := s.start("QUIET"), s.elsewhere("BTCUSDT", "alive", 77)
	stopped, err := s.fleet.StopAll(within(t))
	if len(stopped) != 1 || stopped[0].ID != here.ID || alive(here) {
		t.Errorf("stopped %+v", stopped)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	var which *collector.StopError
	if !ok || len(joined.Unwrap()) != 1 || !errors.As(joined.Unwrap()[0], &which) || which.ID != away.ID || problem.CodeOf(which.Err) != problem.CodeStopFailed {
		t.Errorf("the error is %v", err)
	}
}

// deaf is a bus whose agents answer a stop when the last one of so many has been asked for: as agents
// whose collectors all wait for the end of their grace.
type deaf struct {
	Queue
	missing atomic.Int64
	all     chan struct{}
}

func (q *deaf) Command(ctx context.Context, _ string, payload []byte) ([]byte, error) {
	if c, err := decode[command](payload); err != nil || c.Op != opStop {
		return nil, bus.ErrNoAgent
	}
	if q.missing.Add(-1) == 0 {
		close(q.all)
	}
	select {
	case <-q.all:
		return encode(reply{Outcome: outcomeStopped}), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestStopOfAllTellsTheLastOneBeforeTheFirstHasEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	queue := &deaf{Queue: s.conn, all: make(chan struct{})}
	s.beside(nil, func(cfg *FleetConfig) { cfg.Queue = queue })
	const many = 100
	queue.missing.Store(many)
	for i := range many {
		s.elsewhere("S"+strconv.Itoa(i), "there", 1000+i)
	}
	if stopped, err := s.fleet.StopAll(within(t)); err != nil || len(stopped) != many {
		t.Errorf("%d of %d were stopped, error %v", len(stopped), many, err)
	}
}
