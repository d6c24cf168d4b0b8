package collector

import (
	"slices"
	"testing"
	"time"
)

func TestThePhaseIsWhatIsKnownElseWhatTheRecordTells(t *testing.T) {
	t.Parallel()
	process := Identity{PID: 12345}
	soon := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		live  Live
		want  Phase
		alive bool
	}{
		"it says how it is":             {Live{Record: Record{Status: Running, Identity: process}, Vitals: Vitals{Phase: PhaseStale}}, PhaseStale, true},
		"it has said nothing":           {Live{Record: Record{Status: Running, Identity: process}}, PhaseStarting, true},
		"it has no process yet":         {Live{Record: Record{Status: Running}}, PhaseStarting, false},
		"it waits, its last PID known":  {Live{Record: Record{Status: Running, Identity: process, NextAttempt: soon}}, PhaseBackoff, false},
		"it failed":                     {Live{Record: Record{Status: Failed, Identity: process}}, PhaseBackoff, false},
		"it failed before and runs now": {Live{Record: Record{Status: Failed, Identity: process}, Vitals: Vitals{Phase: PhaseLive}}, PhaseLive, true},
		"it stopped and is wanted":      {Live{Record: Record{Status: Stopped, Wanted: true, Identity: process}, Vitals: Vitals{Phase: PhaseLive}}, PhaseStopped, false},
	} {
		if got := test.live.Phase(); got != test.want || test.live.Alive() != test.alive {
			t.Errorf("%s: the phase is %q, alive %t", name, got, test.live.Alive())
		}
		if !slices.Contains(Phases(), test.want) {
			t.Errorf("%s is not listed", test.want)
		}
	}
}
