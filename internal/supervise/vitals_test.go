package supervise

import (
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/proc"
)

func TestPhaseFollowsTheActorFirstAndThenTheBeat(t *testing.T) {
	t.Parallel()
	now := time.Now()
	said := func(phase collector.Phase) vigil {
		return vigil{heard: now, beat: collector.Beat{RunID: "run", Phase: phase}}
	}
	p := &proc.Process{}
	for name, c := range map[string]struct {
		seen condition
		want collector.Phase
	}{
		"before the fork":            {condition{stage: launching}, collector.PhaseStarting},
		"before the first beat":      {condition{stage: tending, process: p, vigil: vigil{heard: now}}, collector.PhaseStarting},
		"back-filling":               {condition{stage: tending, process: p, vigil: said(collector.PhaseBackfilling)}, collector.PhaseBackfilling},
		"live":                       {condition{stage: tending, process: p, vigil: said(collector.PhaseLive)}, collector.PhaseLive},
		"ending by itself":           {condition{stage: tending, process: p, vigil: said(collector.PhaseStopping)}, collector.PhaseStopping},
		"a word of another time":     {condition{stage: tending, process: p, vigil: said("dancing")}, collector.PhaseStarting},
		"told to end":                {condition{stage: halting, process: p, vigil: said(collector.PhaseLive)}, collector.PhaseStopping},
		"between two lives":          {condition{stage: resting}, collector.PhaseBackoff},
		"silent for a minute":        {condition{stage: tending, process: p, vigil: vigil{heard: now.Add(-time.Minute), beat: said(collector.PhaseLive).beat}}, collector.PhaseStale},
		"without a candle":           {condition{stage: tending, process: p, vigil: vigil{heard: now, moved: now, barren: now.Add(-2 * time.Minute), beat: said(collector.PhaseLive).beat}}, collector.PhaseStale},
		"without a candle, a little": {condition{stage: tending, process: p, vigil: vigil{heard: now, moved: now, barren: now.Add(-time.Minute), beat: said(collector.PhaseLive).beat}}, collector.PhaseLive},
	} {
		if got := c.seen.phase(now, now.Add(-time.Hour), time.Minute); got != c.want {
			t.Errorf("%s: %s instead of %s", name, got, c.want)
		}
	}
	for before, want := range map[collector.Phase]collector.Phase{
		collector.PhaseLive: collector.PhaseBackoff, collector.PhaseStarting: collector.PhaseStarting, collector.PhaseStopping: collector.PhaseStopping,
	} {
		r := running{Vitals: collector.Vitals{Phase: before}}
		if r.die(); r.Vitals.Phase != want {
			t.Errorf("%s, dead: %s", before, r.Vitals.Phase)
		}
	}
}

func TestUsageIsADifferenceOfTheSameProcess(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p, other := &proc.Process{}, &proc.Process{}
	c := condition{process: p}
	c.measure(p, proc.Usage{CPU: time.Second, RSS: 7, USS: 5}, now)
	if c.percent != 0 || c.usage.RSS != 7 {
		t.Errorf("after one: %+v", c)
	}
	c.measure(p, proc.Usage{CPU: 2 * time.Second, RSS: 8}, now.Add(10*time.Second))
	if c.percent != 10 || c.usage.RSS != 8 {
		t.Errorf("after two: %+v", c)
	}
	c.measure(other, proc.Usage{CPU: time.Hour, RSS: 9}, now.Add(11*time.Second))
	if c.percent != 10 || c.usage.RSS != 8 {
		t.Errorf("after that of a former process: %+v", c)
	}
	c.take(other, false, now)
	if c.percent != 0 || c.usage != (proc.Usage{}) {
		t.Errorf("of a new process: %+v", c)
	}
}
