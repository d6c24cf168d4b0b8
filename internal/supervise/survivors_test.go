package supervise

import (
	"context"
	"sync"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// late is a registry whose lists come only when somebody lets them.
type late struct {
	store.Registry
	asked, let chan struct{} // asked has room for one
}

func (l *late) Collectors(ctx context.Context, statuses ...collector.Status) ([]collector.Record, error) {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	select {
	case <-l.let:
		return l.Registry.Collectors(ctx, statuses...)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The agent that died had forked a process and not written that down: until the next one has looked at
// its lock, the row tells of no process.
func TestStopAndRestartWaitUntilTheAgentHasLookedAtWhatRuns(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*Fleet, context.Context, collector.Ref) (collector.Record, error){
		"stop": (*Fleet).Stop, "restart": (*Fleet).Restart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
			row := s.start("QUIET")
			end()
			s.change(row.ID, func(r *collector.Record) { r.PID, r.StartTicks = 0, 0 })
			rows := &late{Registry: s.registry, asked: make(chan struct{}, 1), let: make(chan struct{})}
			let := sync.OnceFunc(func() { close(rows.let) })
			cfg := s.agentConfig()
			cfg.Rows = NewRows(rows)
			agent := NewAgent(cfg)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				if err := agent.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			t.Cleanup(func() { cancel(); running.Wait(); s.sweep(cfg) })
			defer let()
			<-rows.asked
			s.beside(agent, nil)
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				now, err := ask(s.fleet, within(t), collector.Ref{ID: row.ID})
				if err != nil || alive(row) || now.Over() != (name == "stop") {
					t.Errorf("the answer is %+v, error %v; the process runs: %t", now, err, alive(row))
				}
			}()
			select {
			case <-answered:
			case <-time.After(300 * time.Millisecond): // it waits, as it should
			}
			let()
			<-answered
		})
	}
}
