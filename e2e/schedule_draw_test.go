package e2e

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// Each fault that a schedule may hold is in a hundred of them, for each database, and a seed always
// means the same.
func TestAHundredSchedulesHoldEveryFault(t *testing.T) {
	t.Parallel()
	faults := []klineapi.FaultKind{
		klineapi.FrameDrop, klineapi.FrameDuplicate, klineapi.FrameStale, klineapi.FrameGarbage, klineapi.FrameReset, klineapi.FrameExtraKey,
		klineapi.FrameTimeUnit, klineapi.FrameUnknownEvent, klineapi.StreamWrongOrder, klineapi.StreamLostClose, klineapi.StreamLateClose, klineapi.StreamSilence,
		klineapi.ConnHalfOpen, klineapi.HandshakeRefused, klineapi.HandshakeSlow,
		klineapi.Rest429, klineapi.Rest418, klineapi.RestServerError, klineapi.RestSlow, klineapi.RestTimeout, klineapi.RestTruncated, klineapi.RestReset,
		klineapi.RestEmpty, klineapi.RestContentType, klineapi.RestForbidden, klineapi.RestRestricted,
	}
	anywhere := []string{"cut", "goodbye", "half-open", "handshake", "stall", "frames", "closes", "silence", "rest", "ban", "kill collectors", "freeze collectors",
		"kill server", "kill both", "freeze server", "stop and start", "kill server meanwhile"}
	var symbols []string
	for i := range 30 {
		symbols = append(symbols, fmt.Sprintf("S%02dUSDT", i))
	}
	for _, database := range []struct {
		name     string
		postgres bool
		deeds    []string
	}{
		{"sqlite", false, append(anywhere[:len(anywhere):len(anywhere)], "lock database")},
		{"postgres", true, append(anywhere[:len(anywhere):len(anywhere)], "restart database", "pause database", "end its sessions")},
	} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel()
			s := scope{symbols: symbols, recorded: candle.Range{From: recordedFrom, To: recordedTo}, day: 24 * time.Hour, before: 8 * time.Hour, count: 20, deeds: deeds(database.postgres)}
			done, set := make(map[string]int), make(map[klineapi.FaultKind]int)
			for seed := range uint64(enough) {
				plan := s.draw(seed + 1)
				if !reflect.DeepEqual(plan, s.draw(seed+1)) {
					t.Fatalf("seed %d means two schedules", seed+1)
				}
				if len(plan.symbols) != 10 || plan.day.To.Sub(plan.day.From) != 24*time.Hour-time.Minute {
					t.Errorf("seed %d: %s", seed+1, plan)
				}
				for _, h := range plan.happenings {
					done[h.what]++
					for _, f := range h.faults {
						set[f.Kind]++
					}
				}
			}
			for _, what := range database.deeds {
				if done[what] < 10 {
					t.Errorf("%q happens %d times", what, done[what])
				}
			}
			for _, kind := range faults {
				if set[kind] < 10 {
					t.Errorf("%s is set %d times", kind, set[kind])
				}
			}
		})
	}
}
