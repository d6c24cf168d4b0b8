package collect_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/collect"
	"velador/internal/collector"
	"velador/internal/exchange/binance"
	"velador/internal/klineapi"
	"velador/internal/simulate"
)

// rig is collectors on the real adapter and a simulated exchange that runs fast, with pipes for a network
// and a bubble's time: what takes minutes takes none, on a busy machine too.
type rig struct {
	t     *testing.T
	sim   *simulate.Simulator
	venue *binance.Exchange
	log   safeBuffer
	sinks []*sink
}

const patience = 10 * time.Minute // of a test that waits for what must come

// At fast a minute takes a fifth of a second. At slow it takes two, so that what is waited for in our own
// time, as between two attempts to connect, is not long in the exchange's.
const (
	fast = 300
	slow = 30
)

var symbols = []string{"BTCUSDT", "ETHUSDT", "SOLUSDT"}

func newRig(t *testing.T, speed float64, faults ...klineapi.Fault) *rig {
	t.Helper()
	r := &rig{t: t}
	profile := klineapi.DefaultProfile()
	profile.PingInterval, profile.PongDeadline = klineapi.Duration(300*time.Millisecond), klineapi.Duration(2*time.Second)
	sim, err := simulate.New(simulate.Options{Symbols: symbols, Speed: speed, Seed: 7, Profile: profile, From: candle.MillisOf(time.Date(2026, time.November, 24, 10, 0, 17, 0, time.UTC))})
	if err != nil {
		t.Fatal(err)
	}
	r.sim = sim
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = sim.Run(ctx); close(ended) }()
	client := serve(t, sim.Handler())
	r.venue = binance.New(binance.Config{
		HTTPClient: client, RESTURL: "http://venue", WSURL: "ws://venue", Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Silence: 1200 * time.Millisecond, MessageTimeout: 400 * time.Millisecond,
	})
	t.Cleanup(func() {
		stop()
		<-ended
	})
	r.fault(faults...)
	t.Cleanup(func() {
		if t.Failed() && len(r.log.String()) < 20_000 {
			t.Log(r.log.String())
		}
	})
	return r
}

func (r *rig) fault(faults ...klineapi.Fault) {
	r.t.Helper()
	for _, f := range faults {
		if _, err := r.sim.API().Faults().Add(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// collect runs a collector until the test ends; then it holds what came against what the exchange served.
func (r *rig) collect() *sink {
	s := &sink{came: make(map[string][]candle.Candle), more: make(chan struct{})}
	r.sinks = append(r.sinks, s)
	s.collector = collect.New(collect.Config{
		Exchange: r.venue, Sink: s, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Spec: collector.Spec{Exchange: binance.Name, Selector: strings.Join(symbols, ","), Timeframe: candle.Minute1},
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.collector.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Errorf("the collector ended with %v", err)
		}
		for symbol, came := range s.came {
			served := r.sim.Served(candle.Series{Symbol: symbol, Timeframe: candle.Minute1}, came[0].OpenTime, came[len(came)-1].OpenTime)
			if !slices.Equal(came, served) {
				r.t.Errorf("%s: %d candles came, not the %d that the exchange had", symbol, len(came), len(served))
			}
		}
	})
	return s
}

// until waits until each collector has brought n candles more of every symbol.
func (r *rig) until(n int) {
	r.t.Helper()
	for _, s := range r.sinks {
		s.mu.Lock()
		s.want = make(map[string]int)
		for _, symbol := range symbols {
			s.want[symbol] = len(s.came[symbol]) + n
		}
		s.mu.Unlock()
	}
	for _, s := range r.sinks {
		s.wait(r.t, fmt.Sprintf("%d candles more", n), func() bool {
			return !slices.ContainsFunc(symbols, func(symbol string) bool { return len(s.came[symbol]) < s.want[symbol] })
		})
	}
}

// wait waits until a condition holds; it is looked at whenever a candle has come.
func (s *sink) wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		more, done := s.more, holds()
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// sink keeps what it is given.
type sink struct {
	collector *collect.Collector

	mu   sync.Mutex
	came map[string][]candle.Candle
	want map[string]int
	more chan struct{} // closed and replaced by each candle
}

func (s *sink) Candle(_ context.Context, series candle.Series, c candle.Candle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came[series.Symbol] = append(s.came[series.Symbol], c)
	close(s.more)
	s.more = make(chan struct{})
	return nil
}

func (*sink) Gap(context.Context, candle.Gap) error               { return nil }
func (*sink) Forming(candle.Series, candle.Candle, candle.Millis) {}
func (*sink) Flush(context.Context) error                         { return nil }

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (r *rig) klines() (n int64) {
	for _, calls := range r.sim.API().Counters().KlinesBy {
		n += calls
	}
	return n
}

// A connection fails in a way that TCP does not tell, or tells too much; the next one is well.
func TestAilingConnectionsAreReplacedAndNothingIsMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault klineapi.Fault
		says  string // in the log
	}{
		{klineapi.Fault{Kind: klineapi.FrameStall, Skip: 50, Count: 1}, "gone silent"},
		{klineapi.Fault{Kind: klineapi.FrameEndless, Skip: 50, Count: 1}, "a message has not ended within"},
		{klineapi.Fault{Kind: klineapi.FrameHuge, Skip: 50, Count: 1}, "a message is longer than"},
		{klineapi.Fault{Kind: klineapi.ConnNoPings, Count: 1}, "ours is not answered"},
		{klineapi.Fault{Kind: klineapi.ConnNoData, Count: 1}, "the stream says nothing of a symbol that trades"},
		{klineapi.Fault{Kind: klineapi.SubscribeSilent, Symbol: "SOLUSDT", Count: 1}, "the stream says nothing of a symbol that trades"},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, fast, c.fault)
				s := r.collect()
				s.wait(t, "another connection", func() bool { return r.sim.API().Counters().Upgrades >= 2 })
				r.until(4)
				if n := r.sim.API().Counters().Upgrades; n != 2 {
					t.Errorf("%d connections", n)
				}
				if !strings.Contains(r.log.String(), c.says) {
					t.Errorf("the log does not say %q", c.says)
				}
			})
		})
	}
}

func TestSymbolThatNoConnectionBringsIsFetchedAndNotConnectedForAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fast, klineapi.Fault{Kind: klineapi.StreamSilence, Symbol: "SOLUSDT"})
		r.collect()
		r.until(7)
		if n := r.sim.API().Counters().Upgrades; n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestFloodIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fast, klineapi.Fault{Kind: klineapi.FrameFlood})
		s := r.collect()
		r.until(4)
		if n := r.sim.API().Counters().Upgrades; n != 1 || s.collector.Snapshot().Messages < 1000 {
			t.Errorf("%d connections, %d frames", n, s.collector.Snapshot().Messages)
		}
	})
}

func TestAnnouncedShutdownOfSeveralCollectorsNeedsNoHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many, refusals = 5, 8
		smooth, rough := newRig(t, slow), newRig(t, slow)
		both := []*rig{smooth, rough}
		for range many {
			smooth.collect()
			rough.collect()
		}
		asked := make(map[*rig]int64)
		for _, r := range both {
			r.until(1)
			asked[r] = r.klines()
		}
		// Of one exchange the new connections fail a few times, and take their time.
		rough.fault(klineapi.Fault{Kind: klineapi.HandshakeRefused, Count: refusals},
			klineapi.Fault{Kind: klineapi.HandshakeSlow, Count: 2, Delay: klineapi.Duration(300 * time.Millisecond)})
		for _, r := range both {
			if told := r.sim.API().AnnounceShutdown(20 * time.Second); told != many {
				t.Fatalf("%d connections were told", told)
			}
		}
		for r, want := range map[*rig]int64{smooth: 2 * many, rough: 2*many + refusals} {
			for _, s := range r.sinks {
				s.wait(t, "another connection", func() bool { return s.collector.Snapshot().Reconnects > 0 })
			}
			r.until(2)
			if n := r.klines() - asked[r]; n != 0 {
				t.Errorf("history was asked %d times", n)
			}
			if n := r.sim.API().Counters().Upgrades; n != want {
				t.Errorf("%d connections were tried, not %d", n, want)
			}
		}
	})
}

func TestShutdownWithoutNoticeCostsHistoryButNoCandle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fast)
		r.collect()
		r.until(1)
		for range 2 {
			r.sim.API().AnnounceShutdown(0)
			r.until(2)
		}
		if n := r.sim.API().Counters().Upgrades; n < 3 || n > 6 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestBanAtTheDoorIsKeptToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fast)
		s := r.collect()
		r.until(1)
		const length = 2 * time.Second
		r.fault(klineapi.Fault{Kind: klineapi.HandshakeRefused, Status: 418, RetryAfter: klineapi.Duration(length), Count: 1})
		before, begun := r.sim.API().Counters(), time.Now()
		r.sim.API().CutConnections(true)
		r.until(3)
		if took := time.Since(begun); took < length {
			t.Errorf("candles came again after %s", took)
		}
		time.Sleep(time.Second) // history answers at the end of the ban too, and may be quicker than the door
		after := r.sim.API().Counters()
		if n := after.Upgrades - before.Upgrades; n != 2 {
			t.Errorf("%d handshakes: one that was refused, and one after the ban", n)
		}
		if s.collector.Snapshot().Failures > 3 {
			t.Errorf("history was asked in vain %d times", s.collector.Snapshot().Failures)
		}
	})
}
