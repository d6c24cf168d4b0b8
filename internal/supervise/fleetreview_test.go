package supervise

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"velador/internal/collector"
)

// audited counts how often the orders are read.
type audited struct {
	Queue
	read atomic.Int64
}

func (q *audited) OutstandingAssignments(ctx context.Context) ([]string, error) {
	q.read.Add(1)
	return q.Queue.OutstandingAssignments(ctx)
}

// orders tells which collectors are ordered after a review.
func (s *site) orders(last *review) []string {
	s.t.Helper()
	if err := s.fleet.review(within(s.t), last); err != nil {
		s.t.Fatal(err)
	}
	outstanding, err := s.conn.OutstandingAssignments(within(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	return outstanding
}

func TestReviewLeavesToAnotherInstallationWhatItLooksAfter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bus := &audited{Queue: s.conn}
	s.beside(nil, func(cfg *FleetConfig) { cfg.Queue, cfg.LeaseDoubt = bus, -1 })
	db, _ := s.registry.Registry.(database)
	lease, err := db.AcquireLease(within(t), "alive", "there", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	lease, err = db.RenewLease(within(t), lease, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dead, living, stopped := s.elsewhere("QUIET", "dead", 77), s.elsewhere("ETHUSDT", "alive", 78), s.elsewhere("BTCUSDT", "alive", 79)
	s.change(stopped.ID, func(r *collector.Record) { r.Status, r.StoppedAt = collector.Stopped, time.Now() })
	last := &review{}
	if got, want := s.orders(last), []string{assignmentID(dead.ID), assignmentID(stopped.ID)}; !slices.Equal(got, want) {
		t.Errorf("ordered %v, want %v", got, want)
	}
	for range 3 {
		s.orders(last)
	}
	if n := bus.read.Load(); n != 1 {
		t.Errorf("nothing has changed, and the orders were read %d times", n)
	}
	if err := db.ReleaseLease(within(t), lease); err != nil {
		t.Fatal(err)
	}
	s.fleet.tenure = newTenure(db, -1) // as if an hour had passed
	if got := s.orders(last); !slices.Contains(got, assignmentID(living.ID)) {
		t.Errorf("after the end of the installation: %v", got)
	}
}

func TestReviewLeavesTheStartOfAnotherServerAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.beside(nil, nil)
	db, _ := s.registry.Registry.(database)
	row, err := s.registry.CreateCollector(within(t), collector.Record{Spec: spec("QUIET"), StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := db.AcquireLease(within(t), "another", "there", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	last := &review{}
	if got := s.orders(last); len(got) != 0 {
		t.Errorf("ordered %v", got)
	}
	last.waiting[row.ID] = time.Now().Add(-time.Hour)
	if got := s.orders(last); len(got) != 1 {
		t.Errorf("after an hour: %v", got)
	}
	// Without another server nobody can be starting it.
	if err := db.ReleaseLease(within(t), lease); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Withdraw(within(t), assignmentID(row.ID)); err != nil {
		t.Fatal(err)
	}
	if got := s.orders(&review{}); len(got) != 1 {
		t.Errorf("without another server: %v", got)
	}
}

func TestReviewComesSoonAfterAChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, func(cfg *FleetConfig) { cfg.ReviewEvery = 10 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.fleet.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	// As another server leaves it that is stopped: wanted, and its process ended.
	row := s.elsewhere("QUIET", "left", 77)
	s.change(row.ID, func(r *collector.Record) { r.Status, r.StoppedAt = collector.Stopped, time.Now() })
	s.untilRow(row.ID, "it runs here", func(r collector.Record) bool {
		return r.Instance == agent.cfg.Name && r.Status == collector.Running && alive(r)
	})
}
