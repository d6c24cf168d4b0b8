package supervise

import (
	"context"
	"testing"

	"velador/internal/candle"
)

func TestACollectorWhoseCandlesTheDatabaseLacksIsStartedAnewOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent, _ := s.runAgent(nil)
	s.beside(agent, nil)
	row, other := s.start("QUIET"), s.start("CHATTY")
	renewal := s.fleet.NewRenewal()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- renewal.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	series := func(symbol string) candle.Series {
		return candle.Series{Exchange: row.Spec.Exchange, Symbol: symbol, Timeframe: row.Spec.Timeframe}
	}
	renewal.Lacks([]candle.Series{series("QUIET"), series("NOBODYS"), series("QUIET")})
	s.until("another process runs", func() bool { now := s.row(row.ID); return now.PID != row.PID && now.PID != 0 })
	next := s.row(row.ID)
	if next.LastExit.Reason != lacking || next.Restarts != 1 || !next.Wanted || alive(row) || !alive(next) {
		t.Errorf("started anew %+v", next)
	}
	// What an older audit says afterwards is no reason, and nobody else is.
	renewal.Lacks([]candle.Series{series("QUIET")})
	renewal.Lacks([]candle.Series{series("CHATTY")})
	s.until("the other one is started anew", func() bool { now := s.row(other.ID); return now.PID != other.PID && now.PID != 0 })
	if now := s.row(row.ID); now.PID != next.PID {
		t.Errorf("it was started anew twice within %s: %+v", renewPause, now)
	}
}
