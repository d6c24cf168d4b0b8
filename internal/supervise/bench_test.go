package supervise

import (
	"strconv"
	"sync"
	"testing"

	"velador/internal/collector"
)

// BenchmarkStart measures a start from the call to the answer: two rows read and written, an order
// over the bus, a process.
func BenchmarkStart(b *testing.B) {
	s := newSite(b)
	s.runAgent(nil)
	for b.Loop() {
		row := s.start("QUIET")
		b.StopTimer()
		if _, err := s.fleet.Stop(within(b), collector.Ref{ID: row.ID}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkStatusOf100 measures a listing of a hundred living collectors.
func BenchmarkStatusOf100(b *testing.B) {
	s := hundred(b)
	for b.Loop() {
		if live := s.status(); len(live) != 100 {
			b.Fatalf("%d are listed", len(live))
		}
	}
}

// BenchmarkStopAllOf100 measures the stop of a hundred collectors, their groups gone.
func BenchmarkStopAllOf100(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := hundred(b)
		b.StartTimer()
		if stopped, err := s.fleet.StopAll(within(b)); err != nil || len(stopped) != 100 {
			b.Fatalf("%d are stopped, error %v", len(stopped), err)
		}
	}
}

func hundred(b *testing.B) *site {
	b.Helper()
	s := newSite(b)
	symbols := make([]string, 100)
	for i := range symbols {
		symbols[i] = "S" + strconv.Itoa(i)
	}
	s.fleet.cfg.Catalogue = catalogue{more: symbols}
	s.runAgent(nil)
	var starting sync.WaitGroup
	for _, symbol := range symbols {
		starting.Go(func() {
			if _, err := s.fleet.Start(within(b), spec(symbol)); err != nil {
				b.Error(err)
			}
		})
	}
	starting.Wait()
	return s
}

// BenchmarkMeasureOne measures one measurement of what a process uses.
func BenchmarkMeasureOne(b *testing.B) {
	s := newSite(b)
	agent, _ := s.runAgent(nil)
	row := s.start("QUIET")
	for b.Loop() {
		agent.measureOne(agent.actor(row.ID))
	}
}
