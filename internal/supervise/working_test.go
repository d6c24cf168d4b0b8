package supervise

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// stuck is a registry that may give no answer.
type stuck struct {
	store.Registry
	wait chan chan struct{} // has one: answers wait until it is closed
}

func (s stuck) Collectors(ctx context.Context, _ ...collector.Status) ([]collector.Record, error) {
	select {
	case until := <-s.wait:
		<-until
	default:
	}
	return nil, ctx.Err()
}

func TestAnAgentThatIsHeldUpDoesNotWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := stuck{wait: make(chan chan struct{}, 1)}
		a := NewAgent(AgentConfig{Rows: NewRows(registry)})
		works := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return a.Working(ctx)
		}
		if works() == nil {
			t.Error("it works before it has begun")
		}
		ctx, end := context.WithCancel(t.Context())
		a.turn()
		close(a.serving)
		ended := make(chan struct{})
		go func() { defer close(ended); a.reviewAll(ctx) }()
		time.Sleep(time.Hour)
		if err := works(); err != nil {
			t.Errorf("after an hour of rounds: %v", err)
		}
		hold := make(chan struct{})
		registry.wait <- hold
		time.Sleep(a.cfg.ReviewEvery + stuckAfter + lookEvery + time.Second)
		if works() == nil {
			t.Error("it works while it is held up")
		}
		close(hold)
		time.Sleep(2 * lookEvery)
		if err := works(); err != nil {
			t.Errorf("when it goes on: %v", err)
		}
		end()
		<-ended
		a.close()
		if works() == nil {
			t.Error("it works after its end")
		}
	})
}

func TestAnAgentWorksFromItsFirstOrdersToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(nil)
	if err := agent.Working(within(t)); err != nil {
		t.Error(err)
	}
	s.registry.setAway(true) // which ends no collector, nor the agent
	if err := agent.Working(within(t)); err != nil {
		t.Errorf("while the database is away: %v", err)
	}
	s.registry.setAway(false)
	end()
	if agent.Working(within(t)) == nil {
		t.Error("it works after its end")
	}
}
