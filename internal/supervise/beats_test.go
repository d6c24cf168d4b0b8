package supervise

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/collector"
)

// listening has an agent expect beats, with time for a process to begin on a machine that is busy.
func listening(cfg *AgentConfig) { cfg.Silence = 1500 * time.Millisecond }

func TestVitalsTellWhatTheCollectorSays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(func(cfg *AgentConfig) { cfg.Silence, cfg.Detach = time.Minute, true })
	row := s.start("BEATING")
	seen := func() collector.Vitals {
		list := agent.list()
		if len(list) != 1 || list[0].PID != row.PID || list[0].ID != row.ID || list[0].Uptime <= 0 {
			t.Fatalf("it lists %+v", list)
		}
		return list[0].Vitals
	}
	s.until("it is live", func() bool { return seen().Phase == collector.PhaseLive })
	s.until("it was measured", func() bool { return seen().RSS > 0 })
	s.until("its messages are counted", func() bool { return seen().MessagesPerSecond > 1 })
	if v := seen(); v.Adopted || v.Beat.RunID != row.RunID || v.Beat.Candles == 0 {
		t.Errorf("it is %+v", v)
	}
	end()
	agent, _ = s.runAgent(func(cfg *AgentConfig) { cfg.Silence = time.Minute })
	s.until("it is live again", func() bool { return seen().Phase == collector.PhaseLive })
	if !seen().Adopted {
		t.Error("it was not adopted")
	}
	kill(t, row.PID, syscall.SIGSTOP) // its parent sees nothing of this
	kill(t, row.PID, syscall.SIGKILL)
	s.untilRow(row.ID, "the next life runs", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID && r.Status == collector.Running })
	s.until("the next life speaks", func() bool {
		list := agent.list()
		return len(list) == 1 && list[0].Vitals.Phase == collector.PhaseLive && list[0].Vitals.Beat.RunID != row.RunID
	})
	if agent.list()[0].Vitals.Adopted {
		t.Error("what was started is called adopted")
	}
}

func TestCollectorThatFallsSilentIsStartedAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(listening)
	for selector, freeze := range map[string]bool{"BEATING": true, "QUIET": false} {
		row := s.start(selector)
		if freeze { // a loop that turns no more
			kill(t, row.PID, syscall.SIGSTOP)
		}
		next := s.untilRow(row.ID, "another life runs", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID && r.Status == collector.Running })
		if !strings.Contains(next.LastExit.Reason, "said nothing") || !strings.Contains(next.LastError, "started anew") || alive(row) {
			t.Errorf("%s: %+v", selector, next)
		}
	}
}

func TestCollectorThatBringsNothingIsStartedAnewAndMorePatientlyEachTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(listening)
	row := s.start("BARREN")
	next := s.untilRow(row.ID, "another life runs", func(r collector.Record) bool { return r.Restarts == 1 && r.PID != 0 && r.Status == collector.Running })
	if !strings.Contains(next.LastExit.Reason, "brought no candle") {
		t.Errorf("its record is %+v", next)
	}
	s.until("it is called stale before it is ended again", func() bool {
		return agent.actor(row.ID).report().Vitals.Phase == collector.PhaseStale
	})
}

func TestCollectorThatWorksIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.Silence = 3 * time.Second })
	row := s.start("BEATING")
	begun := time.Now()
	s.until("it has worked for longer than it may be silent", func() bool {
		return time.Since(begun) > agent.cfg.Silence && agent.actor(row.ID).report().Vitals.Beat.Messages > 120
	})
	if now := s.row(row.ID); now.PID != row.PID || now.Restarts != 0 {
		t.Errorf("its record is %+v", now)
	}
}
