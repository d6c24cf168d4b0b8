package supervise

import (
	"sync"
	"time"

	"velador/internal/collector"
	"velador/internal/store"
)

// strangers are the other installations whose collectors this one was offered. Their leases tell
// whether they live; and since a collector outlives its agent, their beats tell whether it does.
type strangers struct {
	tenure *tenure
	every  time.Duration // between two questions about the same one
	doubt  time.Duration // for how long a collector must have been silent

	mu   sync.Mutex
	know map[string]*stranger // by installation
}

type stranger struct {
	next  time.Time            // no question about it before
	since time.Time            // its collectors are listened to
	heard map[string]time.Time // when a run was heard last
}

func newStrangers(leases store.Leases, ttl time.Duration) *strangers {
	doubt := min(leaseDoubt, ttl*2/5)
	return &strangers{
		tenure: newTenure(leases, doubt), every: min(time.Second, doubt/2), doubt: doubt, know: make(map[string]*stranger),
	}
}

// about gives the installation that has a row, and whether it is time to ask for its lease. One that was
// unknown is introduced, with what notes that a run was heard.
func (s *strangers) about(row collector.Record, introduce func(row collector.Record, heard func(runID string))) (other *stranger, ask bool) {
	now := time.Now()
	s.mu.Lock()
	other, known := s.know[row.Instance]
	if !known {
		other = &stranger{since: now, heard: make(map[string]time.Time)}
		s.know[row.Instance] = other
	}
	if ask = !now.Before(other.next); ask {
		other.next = now.Add(s.every)
	}
	s.mu.Unlock()
	if !known {
		introduce(row, func(runID string) { s.hear(other, runID) })
	}
	return other, ask
}

func (s *strangers) askAtOnce(other *stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other.next = time.Time{}
}

// manyRuns bounds what is remembered of one installation.
const manyRuns = 10_000

func (s *strangers) hear(other *stranger, runID string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(other.heard) >= manyRuns {
		for run, at := range other.heard {
			if now.Sub(at) > s.doubt {
				delete(other.heard, run)
			}
		}
	}
	if len(other.heard) < manyRuns {
		other.heard[runID] = now
	}
}

// beats tells whether a run was heard of late, or could not have been.
func (s *strangers) beats(other *stranger, runID string) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(other.since) < s.doubt || now.Sub(other.heard[runID]) < s.doubt
}
