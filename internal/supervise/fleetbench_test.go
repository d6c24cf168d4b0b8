package supervise

import (
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"velador/internal/collector"
)

// fiveHundred is how many collectors the peers were measured with (SUPERVISION.md 2).
const fiveHundred = 500

// BenchmarkStatus measures a listing of five hundred living collectors, each of them a process,
// beside their agent: as the server does it, without the encoding. The mean tells of the whole
// machine; the median and the best tenth tell of this code.
func BenchmarkStatus(b *testing.B) {
	s := sleepers(b, fiveHundred)
	ctx := within(b)
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		live, err := s.fleet.Status(ctx)
		took = append(took, time.Since(begun))
		if err != nil || len(live) != fiveHundred {
			b.Fatalf("%d are listed, error %v", len(live), err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "median-ns")
	b.ReportMetric(float64(took[len(took)/10].Nanoseconds()), "best-tenth-ns")
}

// BenchmarkStatusOfTheAgent measures the agent's part of it.
func BenchmarkStatusOfTheAgent(b *testing.B) {
	s := sleepers(b, fiveHundred)
	b.ReportAllocs()
	for b.Loop() {
		if list := s.fleet.cfg.Local.list(); len(list) != fiveHundred {
			b.Fatalf("%d are listed", len(list))
		}
	}
}

// BenchmarkStatusOfTheRegistry measures what it costs to know that no record has changed.
func BenchmarkStatusOfTheRegistry(b *testing.B) {
	s := sleepers(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if rec, err := s.fleet.active.read(within(b)); err != nil || len(rec.rows) != 1 {
			b.Fatal(rec, err)
		}
	}
}

// sleepers is a site with that many collectors, whose processes do nothing and cost little.
func sleepers(b *testing.B, count int) *site {
	b.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Skip(err)
	}
	s := newSite(b)
	symbols := make([]string, count)
	for i := range symbols {
		symbols[i] = "S" + strconv.Itoa(i)
	}
	agent, _ := s.runAgent(func(cfg *AgentConfig) {
		cfg.Command = func(collector.Record, time.Time) (string, []string, []string) { return sleep, []string{"300"}, nil }
		cfg.StartsPerSecond, cfg.Silence = 1000, -1
	})
	s.beside(agent, func(cfg *FleetConfig) { cfg.Catalogue = catalogue{more: symbols} })
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
