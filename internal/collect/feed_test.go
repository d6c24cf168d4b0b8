package collect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

func TestGlobTakesUpASymbolThatBeginsToTrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{selector: "*USDT", venue: newVenue(candle.Minute1, "10:00:30", map[string]string{
			"BTCUSDT": "09:00..13:59", "ETHUSDT": "09:00..13:59", "NEWUSDT": "11:20..13:59", "OLDUSDT": "09:00..13:59", "ETHBTC": "09:00..13:59",
		})}
		s.run(t, "13:00:30")
		for symbol, want := range map[string]string{"BTCUSDT": "10:00..12:59", "ETHUSDT": "10:00..12:59", "NEWUSDT": "12:00..12:59", "OLDUSDT": "", "ETHBTC": ""} {
			if got := s.shelf.opens(symbol, candle.Minute1); got != want {
				t.Errorf("%s: came %s, want %s", symbol, got, want)
			}
		}
		// One connection, and one that replaced it when the new symbol joined.
		if s.err != nil || len(s.venue.dialed) != 2 || s.venue.mostOpen != 2 {
			t.Errorf("%v, %d connections, %d at once", s.err, len(s.venue.dialed), s.venue.mostOpen)
		}
	})
}

func TestReconnectAsksHistoryAtOnceAndOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:31:05", map[string]string{"ETHUSDT": "09:00..11:59"}),
			library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:30")}}}
		s.venue.cuts = []candle.Millis{instant("10:31:20")}
		s.run(t, "10:31:50")
		if len(s.venue.dialed) != 2 || len(s.venue.asked) != 2 || s.venue.asked[1] > s.venue.dialed[1].Add(time.Second) {
			t.Errorf("connected at %v, asked at %v", s.venue.dialed, s.venue.asked)
		}
	})
}

func TestSymbolsAreSpreadOverConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		have := make(map[string]string)
		for _, symbol := range []string{"A", "B", "C", "D", "E"} {
			have[symbol] = "09:00..10:59"
		}
		s := &session{selector: "A,B,C,D,E", since: "09:30", venue: newVenue(candle.Minute1, "10:00:30", have)}
		s.venue.maxStreams = 2
		s.run(t, "10:10:30")
		for symbol := range have {
			if got := s.shelf.opens(symbol, candle.Minute1); got != "09:30..10:09" {
				t.Errorf("%s: came %s", symbol, got)
			}
		}
		if s.err != nil || len(s.venue.dialed) != 3 {
			t.Errorf("%v, %d connections", s.err, len(s.venue.dialed))
		}
	})
}

func TestSymbolThatStaysSilentIsSubscribedAnewButNotAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		deaf    int // so many connections bring nothing of it
		dials   int
		history int // questions at most
	}{
		{"the next connection brings it", 1, 2, 8},
		{"no connection brings it", 1000, 6, 140},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &session{selector: "ETHUSDT,BTCUSDT", venue: newVenue(candle.Minute1, "10:00:30", map[string]string{
					"ETHUSDT": "09:00..13:59", "BTCUSDT": "09:00..13:59",
				})}
				s.venue.deaf = func(connection int, symbol string) bool { return symbol == "BTCUSDT" && connection <= c.deaf }
				s.run(t, "12:00:30")
				for symbol := range s.venue.rows {
					if got := s.shelf.opens(symbol, candle.Minute1); got != "10:00..11:59" {
						t.Errorf("%s: came %s", symbol, got)
					}
				}
				if n := len(s.venue.dialed); n != c.dials {
					t.Errorf("%d connections: %v", n, s.venue.dialed)
				}
				if n := len(s.venue.asked); n > c.history {
					t.Errorf("history was asked %d times", n)
				}
			})
		})
	}
}

func TestNothingIsAskedWhileTheExchangeHasBannedUs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"}),
			library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("09:00")}}}
		s.venue.page = 20
		banned := candle.Range{From: instant("10:30:30.200"), To: instant("10:35:30")}
		var refused int
		s.venue.refuses = func(_ string, now candle.Millis) error {
			if !banned.Contains(now) {
				return nil
			}
			refused++
			ban := &exchange.BanError{Exchange: "test", Status: 418, Until: time.Now().Add(s.venue.until(banned.To + 1))}
			return problem.New(problem.Banned, problem.CodeExchangeBanned, ban, "banned")
		}
		s.run(t, "10:40:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "09:01..10:39" || s.err != nil {
			t.Errorf("came %s, %v", got, s.err)
		}
		if refused != 1 {
			t.Errorf("asked %d times in the ban", refused)
		}
	})
}

func TestEpisodeOfFailureIsToldOnceAndItsEndOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{selector: "ETHUSDT,BTCUSDT,BAD", since: "08:00", venue: newVenue(candle.Minute1, "10:30:30", map[string]string{
			"ETHUSDT": "08:00..11:59", "BTCUSDT": "08:00..11:59", "BAD": "08:00..11:59",
		})}
		s.venue.page = 10
		// One symbol cannot be read for a long time; the others must not suffer for it.
		broken := during("10:30:00", "10:45:00", errors.New("<html>"))
		s.venue.refuses = func(symbol string, now candle.Millis) error {
			if symbol != "BAD" {
				return nil
			}
			return broken(symbol, now)
		}
		s.venue.cuts = []candle.Millis{instant("10:50:20")}
		s.run(t, "10:40:30")
		for symbol, want := range map[string]string{"ETHUSDT": "08:00..10:39", "BTCUSDT": "08:00..10:39", "BAD": ""} {
			if got := s.shelf.opens(symbol, candle.Minute1); got != want {
				t.Errorf("%s: came %s, want %s", symbol, got, want)
			}
		}
		if n := s.told("cannot be read;"); n != 1 || s.told("can be read again") != 0 {
			t.Errorf("told %d times\n%s", n, s.log.String())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &session{since: "08:00", venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "08:00..11:59"})}
		s.venue.page = 10
		s.venue.refuses = during("10:30:31", "10:35:00", away)
		s.venue.unreached = func(now candle.Millis) error { return during("10:45", "10:49", away)("", now) }
		s.venue.cuts = []candle.Millis{instant("10:45")}
		s.run(t, "10:59:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "08:00..10:58" || s.err != nil {
			t.Errorf("came %s, %v", got, s.err)
		}
		for _, line := range []string{"cannot be read;", "can be read again", "stream is interrupted", "stream flows again"} {
			if n := s.told(line); n != 1 {
				t.Errorf("%q was told %d times\n%s", line, n, s.log.String())
			}
		}
		if n := len(s.venue.asked); n > 70 {
			t.Errorf("history was asked %d times", n)
		}
	})
}

func TestSpecificationThatTheExchangeDoesNotKnowIsInvalid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		selector string
		code     problem.Code
		names    string
	}{
		{"ETHUSD", problem.CodeUnknownSymbol, "ETHUSD"},
		{"ETHUSDT,NOPE,NADA", problem.CodeUnknownSymbol, "NOPE, NADA"},
		{"*EUR", problem.CodeNoSymbolMatches, "*EUR"},
		{"[A-Z]", problem.CodeInvalidSelector, "["},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &session{selector: c.selector, venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})}
			s.run(t, "10:40:30")
			if problem.KindOf(s.err) != problem.Invalid || problem.CodeOf(s.err) != c.code || !strings.Contains(s.err.Error(), c.names) {
				t.Errorf("%s: %v", c.selector, s.err)
			}
		})
	}
}

func TestOnePlainSymbolIsLookedUpWithoutTheCatalogue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})
		for selector, want := range map[string]string{"ETHUSDT": "finds ETHUSDT", "ETHUSDT,NOPE": "finds ETHUSDT, finds NOPE", "ETH*": "filters", "A,B,C,D,E": "filters"} {
			parsed, err := candle.ParseSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			from := &frugal{venue: v}
			markets, err := marketsOf(t.Context(), from, parsed)
			if got := strings.Join(from.did, ", "); err != nil || got != want || len(markets) > 1 {
				t.Errorf("%s: %s, %v, %v", selector, got, markets, err)
			}
		}
	})
}

// frugal is a venue whose adapter has cheaper ways into its catalogue.
type frugal struct {
	*venue
	did []string
}

func (f *frugal) Market(_ context.Context, symbol string) (exchange.Market, error) {
	f.did = append(f.did, "finds "+symbol)
	if _, ok := f.rows[symbol]; !ok {
		return exchange.Market{}, problem.New(problem.NotFound, problem.CodeUnknownSymbol, nil, "unknown")
	}
	return exchange.Market{Symbol: symbol, Trading: true}, nil
}

func (f *frugal) MarketsOf(_ context.Context, follow func(string) bool) ([]exchange.Market, error) {
	f.did = append(f.did, "filters")
	var some []exchange.Market
	for _, symbol := range slices.Sorted(maps.Keys(f.rows)) {
		if follow(symbol) {
			some = append(some, exchange.Market{Symbol: symbol, Trading: true})
		}
	}
	return some, nil
}

func TestSinkThatEndsEndsTheCollectorAndOneBadCandleDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})}
		gone := errors.New("the publisher is closed")
		s.shelf.refuses = func(_ candle.Series, c candle.Candle) error {
			switch c.OpenTime {
			case instant("10:32"):
				return problem.New(problem.Invalid, problem.CodeInternal, nil, "nobody can keep this")
			case instant("10:35"):
				return gone
			}
			return nil
		}
		s.run(t, "10:50")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:31 10:33..10:34" || !errors.Is(s.err, gone) {
			t.Errorf("came %s, %v", got, s.err)
		}
		if n := s.c.Snapshot(); n.Refused != 1 || n.Phase != Ended || s.shelf.flushed != 1 {
			t.Errorf("%+v, flushed %d times", n, s.shelf.flushed)
		}
	})
}

func TestStopWaitsForTheSinkButNotForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})}
		s.shelf.flush = errors.New("not acknowledged")
		s.shelf.blocked = []candle.Range{{From: instant("10:31"), To: instant("11:30")}}
		s.run(t, "10:50")
		if !errors.Is(s.err, s.shelf.flush) {
			t.Errorf("ended with %v", s.err)
		}
		if took := s.venue.now().Sub(instant("10:50")); took < flushTimeout || took > flushTimeout+time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

func TestSnapshotTellsWhereTheCollectorIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:34 10:40..11:59"}), since: "09:00"}
		var seen []Phase
		var last Snapshot
		s.shelf.refuses = func(candle.Series, candle.Candle) error {
			last = s.c.Snapshot()
			if len(seen) == 0 || seen[len(seen)-1] != last.Phase {
				seen = append(seen, last.Phase)
			}
			return nil
		}
		s.run(t, "10:45:10")
		want := Snapshot{
			Phase: Live, Series: 1, LiveNow: 1, Connected: 1, Clock: last.Clock, Progress: last.Progress, LastOpen: instant("10:43"), LastClose: instant("10:44") - 1,
			OpenGaps: 1, Candles: 99, Messages: last.Messages, Requests: last.Requests, Turned: last.Turned, HandingOver: true,
		}
		// Of each minute two frames of the forming candle and its closing one.
		if last.Messages < 24 || last.Messages > 36 || time.Since(last.Turned) > time.Minute {
			t.Errorf("%d frames, turned %s", last.Messages, last.Turned)
		}
		if lag := last.Clock.Sub(last.Progress); lag < 0 || lag > time.Minute+time.Second {
			t.Errorf("no progress for %s", lag)
		}
		if last != want || last.Clock < instant("10:44:30") || last.Clock > instant("10:45:10") {
			t.Errorf("%+v\nnot %+v", last, want)
		}
		if seen[0] != CatchingUp || seen[len(seen)-1] != Live {
			t.Errorf("went through %v", seen)
		}
		if n := s.shelf.forming["ETHUSDT"]; n < 15 || n > 30 {
			t.Errorf("%d forming candles were shown", n)
		}
	})
}

func TestFormingCandlesAreShownFourTimesASecondAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Second1, "10:30:30", map[string]string{"ETHUSDT": "10:29:00..12:00:00"})}
		s.venue.speed, s.venue.restDelay, s.venue.margin = 100, time.Millisecond, time.Second
		s.run(t, "11:30:30") // 36 of our seconds, 3600 candles
		if n := s.shelf.forming["ETHUSDT"]; n < 36 || n > 4*36+1 {
			t.Errorf("%d forming candles were shown", n)
		}
		if got := s.shelf.opens("ETHUSDT", candle.Second1); !strings.HasPrefix(got, "10:30:30..11:30:2") {
			t.Errorf("came %s", got)
		}
	})
}

func TestBanIsWaitedForAndOtherFailuresFollowTheirPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := backoff.Policy{First: time.Second, Cap: time.Minute}
		ban := problem.New(problem.Banned, problem.CodeExchangeBanned, &exchange.BanError{Until: time.Now().Add(time.Hour)}, "banned")
		if d := pauseAfter(ban, policy, 0); d < time.Hour || d > time.Hour+time.Second {
			t.Errorf("a ban of an hour is waited for %s", d)
		}
		over := &exchange.BanError{Until: time.Now().Add(-time.Hour)}
		for _, err := range []error{over, away} {
			if d := pauseAfter(err, policy, 2); d != 4*time.Second {
				t.Errorf("%v is waited for %s", err, d)
			}
		}
	})
}

func TestCollectorOfAnotherExchangeIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:59"})
		c := New(Config{Exchange: v, Sink: &shelf{venue: v}, Spec: collector.Spec{Exchange: "kraken", Selector: "ETHUSDT", Timeframe: candle.Minute1}})
		if err := c.Run(t.Context()); problem.CodeOf(err) != problem.CodeUnknownExchange {
			t.Errorf("ended with %v", err)
		}
		c = New(Config{Exchange: v, Sink: &shelf{venue: v}, Spec: collector.Spec{Exchange: "test", Selector: "ETHUSDT"}})
		if err := c.Run(t.Context()); problem.CodeOf(err) != problem.CodeInvalidTimeframe {
			t.Errorf("ended with %v", err)
		}
	})
}
