package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/collect"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

func quietLife() *life {
	return &life{runID: "run", lock: noLock, logger: slog.New(slog.DiscardHandler)}
}

func TestLastWordsSayWhyInASentenceAndWhenToTryAgain(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	unknown := problem.New(problem.Invalid, problem.CodeUnknownSymbol, nil, "{exchange} has no symbol {symbol}", "exchange", "binance", "symbol", "NOPE")
	banned := problem.New(problem.Banned, problem.CodeExchangeBanned, &exchange.BanError{Exchange: "binance", Status: 418, Until: until}, "binance refuses us")
	for _, c := range []struct {
		name   string
		err    error
		code   int
		reason string
		retry  time.Time
	}{
		{"it was stopped", nil, ExitOK, "", time.Time{}},
		{"it was stopped early", fmt.Errorf("ask binance: %w", context.Canceled), ExitOK, "", time.Time{}},
		{"nobody looks after it", errOrphaned, ExitOK, errOrphaned.Error(), time.Time{}},
		{"wrong flags", exitError{usagef("no such timeframe"), ExitConfig}, ExitConfig, "no such timeframe", time.Time{}},
		{"wrong symbol", fmt.Errorf("collector x: %w", unknown), ExitConfig, "binance has no symbol NOPE", time.Time{}},
		{"a ban", fmt.Errorf("collector x: %w", banned), ExitLater, "binance refuses us", until},
		{"a ban without an end", problem.New(problem.Banned, problem.CodeExchangeBanned, nil, "banned"), ExitLater, "banned", time.Time{}},
		{"anything else", errors.New("the disk is gone"), ExitFailure, "the disk is gone", time.Time{}},
	} {
		words, err := lastWords(c.err)
		code := ExitOK
		if err != nil {
			code = exitCode(err)
		}
		if code != c.code || words.Reason != c.reason || !words.RetryAt.Equal(c.retry) {
			t.Errorf("%s: exit code %d, %+v", c.name, code, words)
		}
	}
}

func TestEveryLifeOfACollectorHearsSinceWhenItIsWanted(t *testing.T) {
	t.Parallel()
	wanted := time.Date(2026, 11, 30, 10, 15, 0, 250e6, time.UTC)
	command := new(service).command("velador", "here", "bus", "budgets")
	for name, test := range map[string]struct {
		since  candle.Millis
		wanted time.Time
		want   time.Time
	}{
		"nobody said since when":   {wanted: wanted, want: wanted},
		"somebody did":             {since: 1_700_000_000_000},
		"it is not known of a row": {},
	} {
		spec := collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Hour1, Since: test.since}
		_, args, _ := command(collector.Record{Spec: spec}, test.wanted)
		var f collecting
		cmd := new(program).collectCommandOf(&f)
		cmd.Flags().String("env-file", "", "of all commands")
		if err := cmd.ParseFlags(args[1:]); err != nil {
			t.Fatal(err)
		}
		config, err := f.config(cmd.Flags().Args(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if config.Spec != spec || !config.Wanted.Equal(test.want) {
			t.Errorf("%s: it collects %+v, wanted at %s", name, config.Spec, config.Wanted)
		}
	}
}

func TestSilenceOfFifteenMinutesMakesAnOrphanAndAPulseBeginsItAnew(t *testing.T) {
	t.Parallel()
	const after = 15 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		w := newOrphanWatch(after)
		ended := make(chan bool)
		go func() { ended <- w.run(t.Context()) }()
		for range 12 * 60 * 3 { // three hours of pulses
			time.Sleep(5 * time.Second)
			w.pulse()
			w.pulse() // more than it can take at once
		}
		last := time.Now()
		time.Sleep(after - time.Second)
		w.pulse()
		if again := time.Now(); again.Sub(last) >= after {
			t.Fatal("the test is late")
		}
		last = time.Now()
		if !<-ended {
			t.Error("it ended without a reason")
		}
		if waited := time.Since(last); waited < after || waited > after+orphanLook {
			t.Errorf("ended %s after the last pulse, %s after the start", waited, time.Since(begun))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if newOrphanWatch(after).run(ctx) {
			t.Error("an end that was asked for makes an orphan")
		}
		if newOrphanWatch(0).run(t.Context()) {
			t.Error("0 is not for ever")
		}
	})
}

func TestTimeInWhichNothingCouldBeHeardIsNoSilence(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newSilence(15*time.Minute, now)
	step := func(d time.Duration) bool {
		now = now.Add(d)
		return s.look(now)
	}
	for range 80 {
		if step(orphanLook) {
			t.Fatal("too early")
		}
	}
	// The machine sleeps for a night, three times.
	for range 3 {
		if step(9 * time.Hour) {
			t.Fatal("a suspended machine made an orphan")
		}
	}
	looks := 0
	for ; !step(orphanLook); looks++ {
		if looks > 90 {
			t.Fatal("never")
		}
	}
	if looks < 4 {
		t.Errorf("only %d looks after the night", looks)
	}
	s = newSilence(15*time.Minute, now)
	step(14 * time.Minute)
	s.broken(now)
	if s.lasted != 0 {
		t.Error("it was not broken")
	}
}

// deadVenue is an exchange that is never asked.
type deadVenue struct{ exchange.Exchange }

func (deadVenue) Name() string { return "binance" }

func TestCollectorWhoseBusNeverCameEndsItselfAndOneThatIsStoppedSaysNothing(t *testing.T) {
	t.Parallel()
	config := collect.Config{Exchange: deadVenue{}, Spec: collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1}}
	missing := filepath.Join(t.TempDir(), "bus.json")
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		f := &collecting{agent: "a", orphanAfter: 15 * time.Minute, busFile: missing}
		if err := f.onBus(t.Context(), config, quietLife()); !errors.Is(err, errOrphaned) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(begun); took < 15*time.Minute || took > 16*time.Minute {
			t.Errorf("ended after %s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		f := &collecting{agent: "a", busFile: missing} // waits for ever
		if err := f.onBus(ctx, config, quietLife()); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

// looked is a collector of which only a snapshot can be seen.
type looked struct {
	atomic.Pointer[collect.Snapshot]
}

func newLooked(s collect.Snapshot) *looked {
	l := new(looked)
	l.Store(&s)
	return l
}

func (l *looked) look() collect.Snapshot { return *l.Load() }

func (l *looked) change(how func(*collect.Snapshot)) {
	s := l.look()
	how(&s)
	l.Store(&s)
}

// beaten is a beat that was sent, and when after the beginning.
type beaten struct {
	after time.Duration
	beat  collector.Beat
}

// diary keeps what was sent.
type diary struct {
	mu   sync.Mutex
	sent []beaten
}

func (d *diary) add(b beaten) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, b)
}

func (d *diary) read() []beaten {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sent)
}

func TestBeatsComeAtOnceInTimeAtAChangeAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var all diary
		snap := newLooked(collect.Snapshot{Phase: collect.CatchingUp, Candles: 7})
		var fails atomic.Bool
		b := newBeats("agent", quietLife(), func(agent string, beat collector.Beat) error {
			if agent != "agent" || beat.RunID != "run" || !beat.Sent.Equal(time.Now()) || beat.Sent.Location() != time.UTC {
				t.Errorf("to %s: %+v", agent, beat)
			}
			all.add(beaten{time.Since(begun), beat})
			if fails.Load() {
				return errors.New("refused")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.run(ctx, snap.look)
		}()
		synctest.Wait()
		sent := all.read()
		if len(sent) != 1 || sent[0].after != 0 || sent[0].beat.Phase != collector.PhaseBackfilling || sent[0].beat.Candles != 7 {
			t.Fatalf("began with %+v", sent)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		sent = all.read()
		spread := make(map[time.Duration]bool)
		for i := 1; i < len(sent); i++ {
			d := sent[i].after - sent[i-1].after
			spread[d] = true
			if d < 1600*time.Millisecond || d > 2400*time.Millisecond {
				t.Errorf("two beats %s apart", d)
			}
		}
		if len(sent) < 250 || len(spread) < 100 {
			t.Errorf("%d beats, %d distances", len(sent), len(spread))
		}
		fails.Store(true) // one that is refused changes nothing
		n := len(sent)
		snap.change(func(s *collect.Snapshot) { s.Phase = collect.Live })
		b.soon()
		synctest.Wait()
		sent = all.read()
		if len(sent) != n+1 || sent[n].beat.Phase != collector.PhaseLive {
			t.Errorf("%d beats at a change: %+v", len(sent)-n, sent[n:])
		}
		snap.change(func(s *collect.Snapshot) { s.Phase = collect.Ended })
		cancel()
		<-ended
		sent = all.read()
		if len(sent) != n+2 || sent[n+1].beat.Phase != collector.PhaseStopping {
			t.Errorf("ended with %+v", sent[n+1:])
		}
	})
}

func TestLoopThatStandsStillEndsTheBeatsUnlessTheSinkHoldsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		snap := newLooked(collect.Snapshot{Phase: collect.Resolving})
		var log strings.Builder // written by the beats' goroutine, read when it has ended
		l := quietLife()
		l.logger = slog.New(slog.NewTextHandler(&log, nil))
		b := newBeats("agent", l, func(string, collector.Beat) error {
			n.Add(1)
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.run(ctx, snap.look)
		}()
		minute := func() int64 {
			before := n.Load()
			time.Sleep(time.Minute)
			synctest.Wait()
			return n.Load() - before
		}
		if got := minute(); got < 25 {
			t.Errorf("%d beats while the exchange is waited for, which may take hours", got)
		}
		snap.change(func(s *collect.Snapshot) { s.Phase, s.Turned = collect.Live, time.Now() })
		if got := minute(); got < 12 || got > 20 {
			t.Errorf("%d beats in a minute of which the loop turned for half", got)
		}
		if got := minute(); got != 0 {
			t.Errorf("%d beats of a loop that hangs", got)
		}
		snap.change(func(s *collect.Snapshot) { s.HandingOver = true })
		if got := minute(); got < 25 {
			t.Errorf("%d beats while the bus takes nothing", got)
		}
		snap.change(func(s *collect.Snapshot) { s.HandingOver, s.Turned = false, time.Now() })
		minute()
		snap.change(func(s *collect.Snapshot) { s.Phase = collect.Ended })
		if got := minute(); got < 25 {
			t.Errorf("%d beats at the end", got)
		}
		cancel()
		<-ended
		if stood, turned := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "level=WARN"); stood != 2 || turned != 2 {
			t.Errorf("told %d and %d times:\n%s", stood, turned, log.String())
		}
	})
}
