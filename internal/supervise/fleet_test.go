package supervise

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
	"velador/internal/store"
)

func TestCollectorIsStartedListedAndStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	row := s.start("QUIET")
	if !alive(row) {
		t.Fatal("its process does not run")
	}
	live := s.status()
	if len(live) != 1 || live[0].PID != row.PID || live[0].ID != row.ID || live[0].Uptime < 0 || live[0].Uptime > bound {
		t.Errorf("status %+v", live)
	}
	stopped, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
	if err != nil || stopped.PID != row.PID || !stopped.Over() || stopped.StoppedAt.IsZero() {
		t.Fatalf("stopped %+v, error %v", stopped, err)
	}
	if alive(row) || len(s.status()) != 0 {
		t.Error("it runs, or is listed, after the stop")
	}
	s.until("the order is done", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(t))
		return err == nil && len(outstanding) == 0
	})
	for _, ref := range []collector.Ref{{PID: row.PID}, {ID: row.ID}, {ID: 999}, {PID: 1 << 22}} {
		_, err := s.fleet.Stop(within(t), ref)
		wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	}
	if got, err := s.fleet.Collector(within(t), row.ID); err != nil || got.ID != row.ID {
		t.Errorf("collector %+v, error %v", got, err)
	}
	_, err = s.fleet.Collector(within(t), 999)
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	again := s.start("QUIET")
	if again.ID == row.ID {
		t.Error("a new start went on under the old record")
	}
}

func TestStartOfWhatTheExchangeDoesNotHaveIsInvalid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for selector, want := range map[string]problem.Code{
		"NOPE": problem.CodeUnknownSymbol, "ETHUSDT,NOPE": problem.CodeUnknownSymbol, "ethusdt": problem.CodeUnknownSymbol,
		"*XYZ": problem.CodeNoSymbolMatches, "a b": problem.CodeInvalidSelector, "": problem.CodeInvalidSelector,
	} {
		_, err := s.fleet.Start(within(t), spec(selector))
		wantProblem(t, err, problem.Invalid, want)
	}
	other := spec("ETHUSDT")
	other.Exchange = "mtgox"
	_, err := s.fleet.Start(within(t), other)
	wantProblem(t, err, problem.Invalid, problem.CodeUnknownExchange)
	rows, err := s.registry.Collectors(within(t))
	if err != nil || len(rows) != 0 {
		t.Errorf("rows %+v, error %v", rows, err)
	}
}

func TestStartOfACollectedSymbolConflictsWithThePID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	list := s.start("ETHUSDT, BTCUSDT")
	if list.Spec.Selector != "ETHUSDT,BTCUSDT" {
		t.Errorf("selector %q", list.Spec.Selector)
	}
	for _, selector := range []string{"ETHUSDT", "BTCUSDT,QUIET", "*USDT", "BTC*", "ETHUSDT,BTCUSDT"} {
		_, err := s.fleet.Start(within(t), spec(selector))
		p := wantProblem(t, err, problem.Conflict, problem.CodeAlreadyRunning)
		if p.Params["pid"] != strconv.Itoa(list.PID) || p.Params["id"] != assignmentID(list.ID) {
			t.Errorf("%s: params %v", selector, p.Params)
		}
	}
	s.start("BTCEUR") // another symbol
	other := spec("ETHUSDT")
	other.Timeframe++
	if _, err := s.fleet.Start(within(t), other); err != nil {
		t.Errorf("another timeframe: %v", err)
	}
}

func TestOfAHundredRacingStartsOneWins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	var (
		racing  sync.WaitGroup
		mu      sync.Mutex
		winners []collector.Record
		losers  []error
	)
	for range 100 {
		racing.Go(func() {
			row, err := s.fleet.Start(within(t), spec("QUIET"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				losers = append(losers, err)
			} else {
				winners = append(winners, row)
			}
		})
	}
	racing.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d winners, errors %v", len(winners), losers)
	}
	for _, err := range losers {
		p := wantProblem(t, err, problem.Conflict, problem.CodeAlreadyRunning)
		if p.Params["pid"] != strconv.Itoa(winners[0].PID) {
			t.Fatalf("a loser hears of PID %s, the winner has %d", p.Params["pid"], winners[0].PID)
		}
	}
}

func TestStartWithoutAnAgentLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fleet.cfg.StartTimeout = 50 * time.Millisecond
	_, err := s.fleet.Start(within(t), spec("QUIET"))
	p := wantProblem(t, err, problem.Unavailable, problem.CodeCollectorFailed)
	if p.Params["symbol"] != "QUIET" || p.Params["timeframe"] != "1m" || p.Params["detail"] == "" {
		t.Errorf("params %v", p.Params)
	}
	s.nothingLeft()
	// An agent that comes later finds nothing to do.
	s.fleet.cfg.StartTimeout = bound
	s.runAgent(nil)
	s.start("BTCUSDT")
	if live := s.status(); len(live) != 1 {
		t.Errorf("status %+v", live)
	}
}

func (s *site) nothingLeft() {
	s.t.Helper()
	rows, err := s.registry.Collectors(within(s.t))
	if err != nil || len(rows) != 1 || !rows[0].Over() || rows[0].LastError == "" {
		s.t.Errorf("rows %+v, error %v", rows, err)
	}
	s.until("no order is left", func() bool {
		outstanding, err := s.conn.OutstandingAssignments(within(s.t))
		return err == nil && len(outstanding) == 0
	})
}

func TestStartThatCannotBeDoneIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	_, err := s.fleet.Start(within(t), spec("MISSING"))
	p := wantProblem(t, err, problem.Internal, problem.CodeCollectorFailed)
	if !strings.Contains(p.Params["detail"], "no such file") {
		t.Errorf("detail %q", p.Params["detail"])
	}
	s.nothingLeft()
	_, err = s.fleet.Start(within(t), spec("MISSING"))
	wantProblem(t, err, problem.Internal, problem.CodeCollectorFailed)
}

func TestStopOfAStrangersPIDLeavesTheStrangerAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(nil)
	row := s.start("QUIET")
	stranger := exec.Command(os.Args[0])
	stranger.Env = []string{"SUPERVISE_TEST_COLLECTOR=QUIET"}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Wait() }() // killed
	defer func() { _ = stranger.Process.Kill() }()
	livesOn := func() {
		t.Helper()
		if id := proc.NewHost(nil).Self(""); id.PID == 0 || stranger.Process.Signal(syscall.Signal(0)) != nil {
			t.Fatal("the stranger was hurt")
		}
	}
	_, err := s.fleet.Stop(within(t), collector.Ref{PID: stranger.Process.Pid})
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	livesOn()
	// After a crash, the row's PID has gone to the stranger.
	end()
	recycle := func() {
		t.Helper()
		s.change(row.ID, func(r *collector.Record) {
			r.PID, r.Status, r.StoppedAt = stranger.Process.Pid, collector.Running, time.Time{}
		})
	}
	recycle()
	if live := s.status(); len(live) != 0 {
		t.Errorf("the stranger is listed: %+v", live)
	}
	if got := s.row(row.ID); got.Status != collector.Stopped || !got.Wanted {
		t.Errorf("the row of the dead is %+v", got)
	}
	recycle()
	_, err = s.fleet.Stop(within(t), collector.Ref{PID: stranger.Process.Pid})
	wantProblem(t, err, problem.NotFound, problem.CodeCollectorNotFound)
	livesOn()
	// The agent that comes back resumes the collector, and leaves the stranger alone too.
	recycle()
	s.runAgent(nil)
	resumed := s.untilRow(row.ID, "it is resumed", func(r collector.Record) bool {
		return r.PID != 0 && r.PID != stranger.Process.Pid && r.Status == collector.Running
	})
	if !alive(resumed) {
		t.Error("the resumed collector does not run")
	}
	livesOn()
}

func TestWishWithoutAnOrderIsOrderedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(nil)
	row := s.start("QUIET")
	end()
	if err := s.conn.Withdraw(within(t), assignmentID(row.ID)); err != nil {
		t.Fatal(err) // as if the bus had lost its files
	}
	if got := s.row(row.ID); !got.Wanted || got.Status != collector.Stopped || alive(row) {
		t.Fatalf("after the end of the agent: %+v", got)
	}
	s.runAgent(nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.fleet.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	resumed := s.untilRow(row.ID, "it is resumed", func(r collector.Record) bool { return r.Status == collector.Running && alive(r) })
	cancel()
	running.Wait()
	if resumed.Restarts != 1 || resumed.LastError != "" {
		t.Errorf("resumed: %+v", resumed)
	}
}

func TestOrderOfAnotherDatabaseIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stale := assignment(collector.Record{ID: 1, Spec: spec("BTCUSDT")}, false)
	if err := s.conn.Assign(within(t), stale); err != nil {
		t.Fatal(err)
	}
	agent, _ := s.runAgent(nil)
	s.start("QUIET")
	if _, err := os.Stat(agent.LogPath(spec("BTCUSDT"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale order was followed: %v", err)
	}
}

func TestAllAreStoppedSideBySide(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAgent(nil)
	for _, selector := range []string{"QUIET", "DEAF", "CHATTY", "ETHUSDT", "BTCUSDT"} {
		s.start(selector)
	}
	stopped, err := s.fleet.StopAll(within(t))
	if err != nil || len(stopped) != 5 {
		t.Fatalf("stopped %+v, error %v", stopped, err)
	}
	for _, row := range stopped {
		if alive(row) || !row.Over() {
			t.Errorf("after the stop: %+v", row)
		}
	}
}

func TestStopWithTheAgentAwayIsFinishedWhenItIsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, end := s.runAgent(func(cfg *AgentConfig) { cfg.Detach = true })
	row := s.start("CHATTY")
	end()
	if live := s.status(); len(live) != 1 || live[0].PID != row.PID {
		t.Errorf("without an agent: %+v", live)
	}
	s.fleet.cfg.StopPatience = 50 * time.Millisecond
	_, err := s.fleet.Stop(within(t), collector.Ref{PID: row.PID})
	wantProblem(t, err, problem.Unavailable, problem.CodeStopFailed)
	if got := s.row(row.ID); got.Wanted || got.Status != collector.Running || !alive(row) {
		t.Fatalf("after the wish: %+v", got)
	}
	s.runAgent(nil)
	s.untilRow(row.ID, "the stop is finished", func(r collector.Record) bool { return r.Over() })
	if alive(row) {
		t.Error("it runs after the stop")
	}
}

func TestCleanupKeepsWhatIsWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := time.Now().Add(-8 * 24 * time.Hour)
	var ids []int64
	for i, wanted := range []bool{true, false, false} {
		row, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("S" + strconv.Itoa(i)), StartedAt: long})
		if err != nil {
			t.Fatal(err)
		}
		row.Wanted, row.Status, row.StoppedAt = wanted, collector.Stopped, long
		if i == 2 {
			row.StoppedAt = time.Now()
		}
		if err := s.registry.UpdateCollector(within(t), row); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	n, err := NewFleet(FleetConfig{Rows: s.rows}).Cleanup(within(t), 7*24*time.Hour)
	if err != nil || n != 1 {
		t.Errorf("%d removed, error %v", n, err)
	}
	if row := s.row(ids[0]); !row.Wanted || row.Status != collector.Failed || row.LastError == "" {
		t.Errorf("the wanted one: %+v", row)
	}
	if _, err := s.registry.CollectorByID(within(t), ids[1]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old one: %v", err)
	}
	s.row(ids[2])
}

func TestThirtyAreStartedListedAndStoppedTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var symbols []string
	for i := range 30 {
		symbols = append(symbols, "S"+strconv.Itoa(i))
	}
	s.fleet.cfg.Catalogue = catalogue{more: symbols}
	_, end := s.runAgent(nil)
	var starting sync.WaitGroup
	for _, symbol := range symbols {
		starting.Go(func() {
			if _, err := s.fleet.Start(within(t), spec(symbol)); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	live := s.status()
	if len(live) != len(symbols) {
		t.Fatalf("%d are listed", len(live))
	}
	if !slices.IsSortedFunc(live, func(a, b collector.Live) int { return int(a.ID - b.ID) }) {
		t.Error("they are not listed oldest first")
	}
	end()
	for _, one := range live {
		if row := s.row(one.ID); alive(row) || !row.Wanted || row.Status != collector.Stopped {
			t.Errorf("after the end of the agent: %+v", row)
		}
	}
}
