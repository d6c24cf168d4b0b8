package supervise

import "testing"

func TestAnAgentIsReadyFromItsFirstReviewToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := NewAgent(s.agentConfig()).Ping(t.Context()); err == nil {
		t.Error("one that does not run is ready")
	}
	agent, end := s.runAgent(nil)
	if err := agent.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	if err := agent.Ping(t.Context()); err == nil {
		t.Error("one that has ended is ready")
	}
}
