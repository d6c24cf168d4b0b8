package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/collector"
	"velador/internal/problem"
)

// failed waits until a collector's record tells of a failure.
func (s *site) failed(id int64) collector.Record {
	s.t.Helper()
	return s.untilRow(id, "it has failed", func(r collector.Record) bool { return r.Status == collector.Failed })
}

// rarely has an agent try again once an hour.
func rarely(cfg *AgentConfig) { cfg.Backoff = backoff.Policy{First: time.Hour, Cap: time.Hour} }

func TestLastWordsOfTheProcessAreTheReason(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(rarely)
	for selector, want := range map[string]struct {
		code  int
		words string
	}{"FAREWELL": {0, "no agent has been heard for 15m0s"}, "PANICS": {2, "panic: a series without a symbol"}, "EXITS": {3, "its log ends with “the market is closed for ever”"}} {
		row := s.startOnce(selector)
		failed := s.failed(row.ID)
		exit := failed.LastExit
		if !exit.Known || exit.Code != want.code || exit.Signal != 0 || exit.Reason != want.words || exit.At.IsZero() {
			t.Errorf("%s: its last exit is %+v", selector, exit)
		}
		if !strings.HasSuffix(failed.LastError, ": "+want.words) || time.Until(failed.NextAttempt) < 50*time.Minute {
			t.Errorf("%s: its record is %+v", selector, failed)
		}
		s.until("its life is written down", func() bool {
			lives, err := s.db.Lives(within(t), row.ID, 10)
			return err == nil && len(lives) == 1 && lives[0].RunID == row.RunID && lives[0].PID == row.PID && lives[0].Exit == exit
		})
		stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID})
		if err != nil || !stopped.NextAttempt.IsZero() || stopped.LastExit != exit {
			t.Errorf("%s: stopped %+v, error %v", selector, stopped, err)
		}
	}
}

func TestBannedCollectorIsNotStartedBeforeTheBanEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, end := s.runAgent(nil)
	row := s.startOnce("BANNED")
	failed := s.failed(row.ID)
	if wait := time.Until(failed.NextAttempt); wait < 55*time.Minute || wait > time.Hour || !strings.Contains(failed.LastError, "banned") {
		t.Fatalf("its record is %+v", failed)
	}
	if seen := agent.actor(row.ID).report(); seen.Vitals.Phase != collector.PhaseBackoff || seen.PID != 0 {
		t.Errorf("it is %+v", seen)
	}
	end()
	// The ban outlives whoever heard of it.
	s.runAgent(nil)
	again := s.failed(row.ID)
	if wait := time.Until(again.NextAttempt); wait < 55*time.Minute || again.Restarts != 0 {
		t.Errorf("after the next start: %+v", again)
	}
	if stopped, err := s.fleet.Stop(within(t), collector.Ref{ID: row.ID}); err != nil || !stopped.Over() {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
}

func TestCollectorThatWritesWithoutEndIsEndedAndItsLogHasABound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const size = 64 << 10
	agent, _ := s.runAgent(func(cfg *AgentConfig) { cfg.LogSize = size })
	row := s.startOnce("ENDLESS")
	again := s.untilRow(row.ID, "it has been started anew", func(r collector.Record) bool { return r.Restarts >= 2 && r.Status == collector.Running && r.PID != 0 })
	if !again.LastExit.Known || again.LastExit.Signal == 0 && again.LastExit.Code == 0 {
		t.Errorf("its last exit is %+v", again.LastExit)
	}
	files, err := filepath.Glob(agent.LogPath(row.Spec) + "*")
	if err != nil || len(files) < 2 {
		t.Errorf("its log is %v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() > 2*logsOfLimit*size { // the bound comes some instants after the start
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
}

func TestNextLifeRunsTheBinaryThatIsOnTheDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	binary := filepath.Join(s.dir, "collector")
	if err := os.Symlink(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	agent, _ := s.runAgent(func(cfg *AgentConfig) {
		command := cfg.Command
		cfg.Command = func(r collector.Record, wanted time.Time) (string, []string, []string) {
			_, args, env := command(r, wanted)
			return binary, args, env
		}
	})
	row := s.start("QUIET")
	s.untilLog(agent, "QUIET", "ready")
	next := binary + ".next"
	if err := os.WriteFile(next, []byte("#!/bin/sh\necho of the next release\nexec sleep 100\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, binary); err != nil {
		t.Fatal(err)
	}
	if !alive(row) {
		t.Fatal("it has ended")
	}
	kill(t, row.PID, syscall.SIGKILL)
	s.untilLog(agent, "QUIET", "of the next release")
	now := s.untilRow(row.ID, "it runs again", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID })
	if stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: now.PID}); err != nil || alive(stopped) {
		t.Errorf("stopped %+v, error %v", stopped, err)
	}
}

func TestCollectorThatDiedUnseenLeavesALife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("QUIET")
	end()
	kill(t, row.PID, syscall.SIGKILL)
	s.until("it is dead", func() bool { return !alive(row) })
	s.runAgent(nil)
	now := s.untilRow(row.ID, "it is resumed", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID && r.Status == collector.Running })
	if now.Restarts != 1 || now.LastExit.Known || now.LastExit.At.IsZero() || !strings.Contains(now.LastError, "while nobody watched") {
		t.Errorf("its record is %+v", now)
	}
	s.until("its life is written down", func() bool {
		lives, err := s.db.Lives(within(t), row.ID, 10)
		return err == nil && len(lives) == 1 && lives[0].RunID == row.RunID && !lives[0].Exit.Known
	})
}

// TestEveryLifeIsToldSinceWhenItsCollectorIsWanted: whoever is started again before it has brought anything
// must not begin later than the one before.
func TestEveryLifeIsToldSinceWhenItsCollectorIsWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var mu sync.Mutex
	var told []time.Time
	listen := func(cfg *AgentConfig) {
		stub := cfg.Command
		cfg.Detach = true
		cfg.Command = func(r collector.Record, wanted time.Time) (string, []string, []string) {
			mu.Lock()
			defer mu.Unlock()
			if r.Spec.Selector == "QUIET" {
				told = append(told, wanted)
			} else if !wanted.IsZero() {
				t.Errorf("%s is told %s beside its since", r.Spec.Selector, wanted)
			}
			return stub(r, wanted)
		}
	}
	_, end := s.runAgent(listen)
	since := spec("BTCUSDT")
	since.Since = 1_700_000_000_000
	if _, err := s.fleet.Start(within(t), since); err != nil {
		t.Fatal(err)
	}
	asked := stored(time.Now())
	first := s.start("QUIET")
	again := func(before collector.Record) collector.Record {
		kill(t, before.PID, syscall.SIGKILL)
		return s.untilRow(before.ID, "it runs again", func(r collector.Record) bool {
			return r.PID != 0 && r.PID != before.PID && r.Status == collector.Running
		})
	}
	second := again(first)
	third := again(second)
	s.until("two lives are written down", func() bool {
		lives, err := s.db.Lives(within(t), first.ID, 10)
		return err == nil && len(lives) == 2
	})
	end()
	kill(t, third.PID, syscall.SIGKILL)
	s.until("it is dead", func() bool { return !alive(third) })
	s.runAgent(listen)
	s.untilRow(first.ID, "it is resumed", func(r collector.Record) bool {
		return r.PID != 0 && r.PID != third.PID && r.Status == collector.Running
	})
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 4 {
		t.Fatalf("%d lives: %s", len(told), told)
	}
	for i, wanted := range told {
		if wanted.Before(asked) || wanted.After(first.StartedAt) {
			t.Errorf("life %d is told %s, it was asked for at %s and ran from %s on", i+1, wanted, asked, first.StartedAt)
		}
	}
}

func TestStartBeyondTheLimitIsRefusedInWordsAndAdoptedOnesStay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	limited := func(cfg *AgentConfig) { cfg.MaxCollectors, cfg.Detach = 1, true }
	_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	first, second := s.start("QUIET"), s.start("BTCUSDT")
	end()
	_, end = s.runAgent(limited)
	defer end()
	for _, row := range []collector.Record{first, second} {
		if now := s.row(row.ID); now.PID != row.PID || !alive(now) {
			t.Errorf("it was dropped: %+v", now)
		}
	}
	_, err := s.fleet.Start(within(t), spec("BTCEUR"))
	wantProblem(t, err, problem.Unavailable, problem.CodeCollectorFailed)
	var p *problem.Error
	if errors.As(err, &p); !strings.Contains(p.Error(), "looks after 1 collectors already") || !strings.Contains(p.Error(), "raise the limit") {
		t.Errorf("the refusal says %q", p.Error())
	}
	if refused := s.row(3); !refused.Over() || refused.RunID != "" {
		t.Errorf("the refused one: %+v", refused)
	}
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: first.ID}); err != nil {
		t.Fatal(err)
	}
	kill(t, second.PID, syscall.SIGKILL)
	s.untilRow(second.ID, "the adopted one is started again", func(r collector.Record) bool { return r.PID != second.PID && r.Status == collector.Running && alive(r) })
}

func TestOrphansAreReplacedWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("DEAF")
	end()
	s.runAgent(func(cfg *AgentConfig) { cfg.StopOrphans = true })
	now := s.untilRow(row.ID, "it is started anew", func(r collector.Record) bool { return r.PID != 0 && r.PID != row.PID && r.Status == collector.Running })
	if alive(row) || !alive(now) || now.Restarts != 1 || !strings.Contains(now.LastError, "outlived") {
		t.Errorf("its record is %+v", now)
	}
	if pids := s.copies("DEAF"); len(pids) != 1 {
		t.Errorf("%v run", pids)
	}
}

func TestWhatWasWantedWaitsForRoomAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(nil)
	rows := []collector.Record{s.start("QUIET"), s.start("BTCUSDT")}
	end()
	s.runAgent(func(cfg *AgentConfig) { cfg.MaxCollectors = 1 })
	var waits, runs collector.Record
	s.until("one runs and the other one waits", func() bool {
		waits, runs = collector.Record{}, collector.Record{}
		for _, row := range rows {
			switch now := s.row(row.ID); now.Status {
			case collector.Failed:
				waits = now
			case collector.Running:
				runs = now
			}
		}
		return waits.ID != 0 && runs.ID != 0
	})
	if !waits.Wanted || !strings.Contains(waits.LastError, "which is its limit") {
		t.Errorf("the one that waits: %+v", waits)
	}
	if _, err := s.fleet.Stop(within(t), collector.Ref{ID: runs.ID}); err != nil {
		t.Fatal(err)
	}
	s.untilRow(waits.ID, "there is room for it", func(r collector.Record) bool { return r.Status == collector.Running && r.PID != 0 && alive(r) })
}
