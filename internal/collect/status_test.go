package collect

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Each run: what goes wrong, and whether anybody may say that it is the collector's own fault.
func TestOnlyACollectorThatBringsNothingByItsOwnFaultLooksSilent(t *testing.T) {
	t.Parallel()
	const have = "09:00..12:30"
	unknown := problem.New(problem.NotFound, problem.CodeUnknownSymbol, nil, "unknown symbol")
	for _, c := range []struct {
		name   string
		have   string
		since  string
		stored string
		fault  func(*session)
		silent bool
	}{
		{name: "nothing goes wrong"},
		{name: "a back-fill of hours, slowly", since: "09:00", fault: func(s *session) { s.venue.page, s.venue.restDelay = 2, 20*time.Second }},
		{name: "the exchange is away as a whole", fault: func(s *session) {
			s.venue.cuts = []candle.Millis{instant("10:40")}
			s.venue.refuses = during("10:40", "11:40", away)
			s.venue.unreached = func(now candle.Millis) error { return during("10:40", "11:40", away)("", now) }
		}},
		{name: "it is away when the collector begins", fault: func(s *session) {
			s.venue.refuses = during("10:30", "11:00", away)
		}},
		{name: "streams cannot be had from the beginning", fault: func(s *session) {
			s.venue.unreached = func(now candle.Millis) error { return during("10:30", "11:30", away)("", now) }
		}},
		{name: "streams break, history goes on", fault: func(s *session) {
			s.venue.cuts = []candle.Millis{instant("10:40")}
			s.venue.unreached = func(now candle.Millis) error { return during("10:40", "11:40", away)("", now) }
		}},
		{name: "history breaks in a back-fill, streams go on", since: "09:00", fault: func(s *session) {
			s.venue.page = 5
			s.venue.refuses = during("10:30:31", "11:30", away)
		}},
		{name: "it no longer knows the symbol", have: "09:00..10:40", fault: func(s *session) {
			s.venue.refuses = during("10:41", "12:00", unknown)
		}},
		{name: "a halt", have: "09:00..10:40 12:00..12:30"},
		{name: "a market that never trades again", have: "09:00..09:20", stored: "09:20"},
		{name: "a halt just before the collector begins", have: "09:00..10:20 11:50..12:30", stored: "10:20"},
		{name: "the store does not answer", stored: "10:29", fault: func(s *session) { s.library.delay = 40 * time.Minute }},
		{name: "the sink takes nothing", fault: func(s *session) {
			s.shelf.blocked = []candle.Range{{From: instant("10:40"), To: instant("11:30")}}
		}},
		{name: "it brings candles that nobody can keep", silent: true, fault: func(s *session) {
			s.shelf.refuses = func(_ candle.Series, c candle.Candle) error {
				if c.OpenTime > instant("10:40") {
					return problem.New(problem.Invalid, problem.CodeInternal, nil, "nobody can keep this")
				}
				return nil
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				market := have
				if c.have != "" {
					market = c.have
				}
				s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": market}), since: c.since}
				if c.stored != "" {
					s.library = &books{found: map[string]candle.Resume{"ETHUSDT": stored(c.stored)}}
				}
				if c.fault != nil {
					c.fault(s)
				}
				looks, seen, stuck := 0, 0, 0
				s.look = func(n Snapshot) {
					looks++
					if n.Beat().Silent() > 5*time.Minute {
						if seen++; !c.silent {
							t.Fatalf("at %s it looks silent: %+v", s.venue.now(), n)
						}
					}
					if !n.Turned.IsZero() && time.Since(n.Turned) > 10*time.Second && !n.HandingOver {
						stuck++
					}
				}
				s.run(t, "12:10")
				if looks < 90*60 || stuck > 0 || (seen > 0) != c.silent {
					t.Errorf("of %d looks %d were silent and %d stuck", looks, seen, stuck)
				}
			})
		})
	}
}

// wedged is a sink that breaks its promise not to block.
type wedged struct {
	*shelf
	from candle.Millis
	free chan struct{}
}

func (w wedged) Forming(candle.Series, candle.Candle, candle.Millis) {
	if w.venue.now() > w.from {
		<-w.free
	}
}

func TestLoopThatHangsNoLongerTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})}
		sink := wedged{&s.shelf, instant("10:40"), make(chan struct{})}
		s.sink = sink
		var last Snapshot
		s.look = func(n Snapshot) {
			last = n
			if s.venue.now() > instant("10:49:30") && sink.free != nil {
				close(sink.free)
				sink.free = nil
				if age := time.Since(n.Turned); age < 9*time.Minute || age > 10*time.Minute || n.HandingOver {
					t.Errorf("turned %s ago, handing over %t", age, n.HandingOver)
				}
			}
		}
		s.run(t, "10:55")
		if time.Since(last.Turned) > 2*time.Second {
			t.Errorf("it never turned again: %+v", last)
		}
	})
}

func TestBanAtTheStartIsWaitedOutAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..14:59"})}
		until := time.Now().Add(2 * time.Hour)
		asked := 0
		s.venue.refuses = func(string, candle.Millis) error {
			if !time.Now().Before(until) {
				return nil
			}
			asked++
			return problem.New(problem.Banned, problem.CodeExchangeBanned, &exchange.BanError{Exchange: "test", Status: 418, Until: until}, "banned")
		}
		told, free := 0, 0
		s.look = func(n Snapshot) {
			b := n.Beat()
			switch {
			case time.Now().Before(until):
				if told++; b.Phase != collector.PhaseStarting || !b.BannedUntil.Equal(until) || !b.Quiet || b.Clock != 0 {
					t.Fatalf("in the ban: %+v", b)
				}
			case !b.BannedUntil.IsZero():
				t.Fatalf("after the ban: %+v", b)
			default:
				free++
			}
		}
		s.run(t, "12:40:30")
		if s.err != nil || asked != 1 || told < 7000 || free < 500 {
			t.Errorf("ended with %v, asked %d times, told %d times, free %d times", s.err, asked, told, free)
		}
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "12:30..12:39" {
			t.Errorf("came %s", got)
		}
	})
}

func TestBanThatADialMeetsIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})}
		s.venue.cuts = []candle.Millis{instant("10:40")}
		until := time.Now().Add(20 * time.Minute)
		s.venue.unreached = func(now candle.Millis) error {
			if now < instant("10:40") || !time.Now().Before(until) {
				return nil
			}
			return problem.New(problem.Banned, problem.CodeExchangeBanned, &exchange.BanError{Exchange: "test", Status: 429, Until: until}, "banned")
		}
		var told []bool
		s.look = func(n Snapshot) {
			if is := n.BannedUntil.Equal(until); len(told) == 0 || told[len(told)-1] != is {
				told = append(told, is)
			}
		}
		s.run(t, "11:00")
		if !slices.Equal(told, []bool{false, true, false}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestPhasesAreToldAsTheyBeginAndAsSupervisionSpeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})
		v.page = 20
		var told []Phase
		c := New(Config{
			Exchange: v, Sink: &shelf{venue: v}, Spec: collector.Spec{Exchange: "test", Selector: "ETHUSDT", Timeframe: candle.Minute1, Since: instant("09:00")},
			OnPhase: func(p Phase) { told = append(told, p) },
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(told, []Phase{Subscribing, CatchingUp, Live, Ended}) {
			t.Errorf("told %v", told)
		}
	})
	for phase, want := range map[Phase]collector.Phase{
		Resolving: collector.PhaseStarting, Subscribing: collector.PhaseStarting, CatchingUp: collector.PhaseBackfilling,
		Live: collector.PhaseLive, Ended: collector.PhaseStopping,
	} {
		if got := (Snapshot{Phase: phase}).Beat().Phase; got != want {
			t.Errorf("%s is told as %s", phase, got)
		}
	}
}

func TestCandleFoundStoredIsTheNewestUntilOneComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Hour1, "10:30:30", map[string]string{"ETHUSDT": "05:00..23:00"}),
			library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("09:00")}}}
		var last collector.Beat
		s.look = func(n Snapshot) { last = n.Beat() }
		s.run(t, "10:50")
		if last.LastOpen != instant("09:00") || last.LastClose != instant("10:00")-1 || last.Candles != 0 || last.Age() < 49*time.Minute {
			t.Errorf("%+v, %s old", last, last.Age())
		}
	})
}
