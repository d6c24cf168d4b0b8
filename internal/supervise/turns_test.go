package supervise

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"velador/internal/collector"
	"velador/internal/problem"
)

// oneAnHour lets the agent start one process, and the next one in an hour.
func oneAnHour(a *Agent) {
	a.starts.SetBurst(1)
	a.starts.SetLimit(rate.Every(time.Hour))
}

// waits waits until a collector of the agent stands in line for a start.
func (s *site) waits(agent *Agent, id int64) {
	s.t.Helper()
	s.until("it waits for its turn", func() bool {
		x := agent.actor(id)
		if x == nil {
			return false
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.seen.stage == inLine
	})
}

func TestStartsOfAllCollectorsTogetherHaveTheirPace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	oneAnHour(agent)
	s.beside(agent, func(cfg *FleetConfig) { cfg.StartTimeout = bound })
	first := s.start("QUIET")
	// A start that waits for its turn can be called off, and makes no process for that.
	var starting sync.WaitGroup
	starting.Go(func() {
		_, err := s.fleet.Start(within(t), spec("BTCUSDT"))
		wantProblem(t, err, problem.Internal, problem.CodeCollectorFailed)
	})
	const second = 2
	s.until("its wish is stored", func() bool { _, err := s.fleet.Collector(within(t), second); return err == nil })
	s.waits(agent, second)
	if one, err := s.fleet.Look(within(t), second); err != nil || one.Phase() != collector.PhaseStarting || one.PID != 0 || len(s.copies("BTCUSDT")) != 0 {
		t.Errorf("beyond the pace: %+v, error %v, processes %v", one, err, s.copies("BTCUSDT"))
	}
	waiting := agent.actor(second)
	waiting.lookAtRow() // as each review has it do: nobody's name stands in its row yet
	s.until("it has looked", func() bool { return len(waiting.looks) == 0 })
	stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: second})
	if err != nil || !stopped.Over() || stopped.RunID != "" || len(s.copies("BTCUSDT")) != 0 {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
	starting.Wait()
	// The next life has its turn too, and so has a restart on request.
	kill(t, first.PID, syscall.SIGKILL)
	s.waits(agent, first.ID)
	x := agent.actor(first.ID)
	asked := make([]stopRequest, 3)
	for i := range asked {
		asked[i].reply = make(chan reply, 1)
		x.restarts <- asked[i]
	}
	if stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: first.ID}); err != nil || !stopped.Over() || stopped.Restarts != 0 {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
	for _, request := range asked {
		if r := <-request.reply; r.Outcome != outcomeFailed || r.Failed == "" {
			t.Errorf("a restart that a stop has overtaken is answered %+v", r)
		}
	}
	s.noOrders()
}
