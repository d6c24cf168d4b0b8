package supervise

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
)

// blur makes a process unverifiable: its lock and its row say that it lives in a PID namespace that is
// not ours, as those of another container do that shares the directory.
func (s *site) blur(agent *Agent, row collector.Record) {
	s.t.Helper()
	id := identityOf(row)
	id.Namespace = "pid:[1]@7"
	text, err := json.Marshal(id)
	if err != nil {
		s.t.Fatal(err)
	}
	file, err := os.OpenFile(agent.lockPath(row.Spec), os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(append(text, bytes.Repeat([]byte{' '}, 400-len(text))...), 0); err != nil {
		s.t.Fatal(err)
	}
	s.change(row.ID, func(r *collector.Record) { r.Namespace = id.Namespace })
}

// said gathers a log.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) count(words string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), words)
}

func TestProcessThatCannotBeVerifiedIsNeitherSignalledNorDoubledNorCalledStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	former, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("QUIET")
	s.untilLog(former, "QUIET", "ready") // it has claimed its lock
	end()
	s.blur(former, row)
	var log said
	agent, _ := s.runAgent(func(cfg *AgentConfig) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	s.beside(agent, nil)
	failed := s.untilRow(row.ID, "it is an error in words", func(r collector.Record) bool { return r.Status == collector.Failed })
	if !strings.Contains(failed.LastError, "cannot be verified") || failed.NextAttempt.IsZero() || agent.OrphansRefused() == 0 {
		t.Errorf("its record is %+v, refused %d", failed, agent.OrphansRefused())
	}
	for range 2 {
		_, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
		p := wantProblem(t, err, problem.Internal, problem.CodeStopFailed)
		if !strings.Contains(p.Params["detail"], "cannot be verified") {
			t.Errorf("the stop says %v", p.Params)
		}
	}
	if got := s.row(row.ID); got.Wanted || got.Status == collector.Stopped {
		t.Errorf("while it runs its record is %+v", got)
	}
	if pids := s.copies("QUIET"); !alive(row) || len(pids) != 1 || pids[0] != row.PID {
		t.Errorf("%v run instead of %d", pids, row.PID)
	}
	agent.reviewSoon()
	agent.reviewSoon()
	kill(t, row.PID, syscall.SIGKILL) // as somebody does who knows what it is
	s.untilRow(row.ID, "it is closed when its lock is free", collector.Record.Over)
	if n := log.count("a collector's process cannot be verified"); n != 1 {
		t.Errorf("that it cannot be verified was said %d times", n)
	}
	if _, held, err := proc.ProbeLock(agent.lockPath(row.Spec)); held || err != nil {
		t.Errorf("its lock is held, %v", err)
	}
}
