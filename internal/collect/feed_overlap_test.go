package collect

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// wired is a venue whose connections are changed before anything comes over them; n counts from 1.
type wired struct {
	*venue
	change func(n int, w *wire)
}

func (v *wired) Dial(ctx context.Context, tf candle.Timeframe, symbols []string) (exchange.Conn, error) {
	c, err := v.venue.Dial(ctx, tf, symbols)
	if err != nil {
		return nil, err
	}
	v.change(len(v.dialed), c.(*wire))
	return c, nil
}

// late delays all that a connection brings.
func (w *wire) late(by time.Duration) {
	for i := range w.events {
		w.events[i].at = w.events[i].at.Add(by)
	}
}

func TestReplacedConnectionIsReadOnWhileSomethingIsOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:50"})
		// The announcement arrives just after the close; the closing frame a moment later, and only where
		// the subscription stood before it.
		v.shutdowns = []candle.Millis{instant("10:31:59.900")}
		s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}},
			exchange: &wired{v, func(n int, w *wire) {
				if n == 1 {
					w.late(300 * time.Millisecond)
				}
			}}}
		s.run(t, "10:40:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:39" || len(v.asked) != 1 || len(v.dialed) != 2 || v.mostOpen != 2 {
			t.Errorf("came %s with %d questions over %d connections", got, len(v.asked), len(v.dialed))
		}
	})
}

func TestReplacementThatFailsSeveralTimesCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:50"})
		v.maxAge = 4 * time.Minute
		v.unreached = func(now candle.Millis) error { return during("10:33", "10:36:10", away)("", now) }
		s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}}}
		s.run(t, "10:44:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:43" || len(v.asked) != 1 || s.told("interrupted") != 0 {
			t.Errorf("came %s with %d questions\n%s", got, len(v.asked), s.log.String())
		}
		if n := len(v.dialed); n < 3 || v.mostOpen != 2 {
			t.Errorf("%d connections, %d at once", n, v.mostOpen)
		}
	})
}

func TestReplacementThatIsNeverAcknowledgedLeavesTheOldOneInPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:50"})
		v.maxAge = 4 * time.Minute
		s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}},
			exchange: &wired{v, func(n int, w *wire) {
				if n == 2 || n == 3 { // half-open: it stands, and says nothing
					w.events = nil
				}
			}}}
		s.run(t, "10:40:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:39" || len(v.asked) != 1 || v.mostOpen > 2 {
			t.Errorf("came %s with %d questions, %d connections at once", got, len(v.asked), v.mostOpen)
		}
	})
}

func TestOfTwoConnectionsThatDisagreeTheFirstWordIsHandedOverAndOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:50"})
		v.shutdowns = []candle.Millis{instant("10:31:57")} // both stand when the candle closes
		s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}},
			exchange: &wired{v, func(n int, w *wire) {
				if n != 1 {
					return
				}
				for i := range w.events {
					if e := &w.events[i]; e.event.Closed && e.event.Candle.OpenTime == instant("10:31") {
						e.event.Candle.Close, e.at = candle.MustDecimal("1"), e.at.Add(200*time.Millisecond)
					}
				}
			}}}
		s.run(t, "10:40:30") // and holds what came against the market
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:39" || len(v.asked) != 1 {
			t.Errorf("came %s with %d questions", got, len(v.asked))
		}
	})
}

func TestConnectionsThatAreToldToLeaveAtOnceAreNotDialledInARow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration // the announcement; the connection stays
	}{{"at once", time.Millisecond}, {"after ten seconds", 10 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:50"})
				s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}},
					exchange: &wired{v, func(_ int, w *wire) {
						at := v.now().Add(c.after)
						i, _ := slices.BinarySearchFunc(w.events, at, func(a arrival, at candle.Millis) int { return int(a.at - at) })
						w.events = slices.Insert(w.events, max(1, i), arrival{max(at, v.now()+2), exchange.Event{Kind: exchange.Shutdown, At: at}})
					}}}
				s.run(t, "10:40:30")
				if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:39" || len(v.asked) != 1 {
					t.Errorf("came %s with %d questions", got, len(v.asked))
				}
				if n := len(v.dialed); n < 5 || n > 40 || v.mostOpen > 3 {
					t.Errorf("%d connections in ten minutes, %d at once", n, v.mostOpen)
				}
			})
		})
	}
}

// gate is an exchange of which only the door counts.
type gate struct {
	exchange.Exchange
	budget exchange.Budget // what the host allows, if anybody counts
	refuse func() error

	mu     sync.Mutex
	dialed []time.Time
}

func (g *gate) MaxAge() time.Duration { return 23*time.Hour + 30*time.Minute }

// enter dials: a connection that brings its acknowledgement and then nothing.
func (g *gate) enter(ctx context.Context, _ []string) (exchange.Conn, error) {
	if g.budget != nil {
		if err := g.budget.Connect(ctx); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	g.dialed = append(g.dialed, time.Now())
	g.mu.Unlock()
	if g.refuse != nil {
		if err := g.refuse(); err != nil {
			return nil, err
		}
	}
	return &mum{closed: make(chan struct{})}, nil
}

// most gives the largest number of attempts within any stretch of time so long.
func (g *gate) most(within time.Duration) (most int) {
	slices.SortFunc(g.dialed, time.Time.Compare)
	for i, first := range g.dialed {
		n, _ := slices.BinarySearchFunc(g.dialed, first.Add(within), time.Time.Compare)
		most = max(most, n-i)
	}
	return most
}

// feeds runs so many feeds, each of a process of its own, for so long.
func (g *gate) feeds(t *testing.T, n int, long time.Duration) {
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	var all sync.WaitGroup
	for range n {
		c := New(Config{})
		f := &feed{exchange: g, dial: g.enter, log: c.log, inbox: newInbox(c.wake), renew: make(chan struct{}, 1),
			frames: &c.frames, reconnects: func() {}, failed: func(error) {}}
		go func() { // its loop
			for {
				select {
				case <-c.wake:
					f.inbox.take(func(event) {})
				case <-ctx.Done():
					return
				}
			}
		}()
		all.Go(func() { f.run(ctx) })
	}
	all.Wait()
}

type mum struct {
	told   bool
	once   sync.Once
	closed chan struct{}
}

func (m *mum) Receive(ctx context.Context) (exchange.Event, error) {
	if !m.told {
		m.told = true
		return exchange.Event{Kind: exchange.Subscribed}, nil
	}
	select {
	case <-ctx.Done():
		return exchange.Event{}, ctx.Err()
	case <-m.closed:
		return exchange.Event{}, net.ErrClosed
	}
}

func (m *mum) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func TestFiveHundredCollectorsOfOneHourDoNotReconnectTogetherADayLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, begun := &gate{}, time.Now()
		g.feeds(t, 500, 49*time.Hour)
		first := g.dialed[:500]
		g.dialed = g.dialed[500:]
		if len(first) != 500 || first[499].Sub(begun) > time.Second || len(g.dialed) != 1000 {
			t.Fatalf("%d renewals", len(g.dialed))
		}
		if n := g.most(5 * time.Minute); n > 100 {
			t.Errorf("%d connections in five minutes of 300 that are allowed", n)
		}
		if at := g.dialed[0].Sub(begun); at < 22*time.Hour {
			t.Errorf("the first one was replaced after %s", at)
		}
		for i, at := range g.dialed[:500] {
			if at.Sub(begun) > g.MaxAge()+time.Second {
				t.Errorf("number %d was replaced after %s", i, at.Sub(begun))
			}
		}
	})
}

func TestAllWhomABanHasStoppedDoNotDialAtItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(10 * time.Minute)
		g := &gate{refuse: func() error {
			if time.Now().Before(ends) {
				return problem.New(problem.Banned, problem.CodeExchangeBanned, &exchange.BanError{Exchange: "test", Status: 418, Until: ends}, "banned")
			}
			return nil
		}}
		g.feeds(t, 100, time.Hour)
		if early := slices.ContainsFunc(g.dialed[100:], func(at time.Time) bool { return at.Before(ends) }); early || len(g.dialed) != 200 {
			t.Errorf("%d attempts, during the ban: %t", len(g.dialed), early)
		}
		g.dialed = g.dialed[100:]
		if n := g.most(time.Second); n > 40 {
			t.Errorf("%d of 100 within a second", n)
		}
	})
}

func TestExchangeThatWasAwayIsNotStormed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(30 * time.Minute)
		g := &gate{refuse: func() error {
			if time.Now().Before(back) {
				return errors.New("connection refused")
			}
			return nil
		}}
		g.feeds(t, 100, time.Hour)
		if n := len(g.dialed); n > 100*80 { // eight quick ones, then two a minute
			t.Errorf("%d attempts in half an hour", n)
		}
		late := slices.IndexFunc(g.dialed, func(at time.Time) bool { return !at.Before(back) })
		g.dialed = g.dialed[late:]
		if n := g.most(time.Second); len(g.dialed) != 100 || n > 20 {
			t.Errorf("%d came back, %d of them within a second", len(g.dialed), n)
		}
		if last := g.dialed[99].Sub(back); last > time.Minute {
			t.Errorf("the last one came back after %s", last)
		}
	})
}

func TestStormOfFiveHundredKeepsWithinTheHostsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(20 * time.Minute)
		g := &gate{budget: exchange.NewLocalBudget(nil), refuse: func() error {
			if time.Now().Before(back) {
				return errors.New("connection refused")
			}
			return nil
		}}
		g.feeds(t, 500, time.Hour)
		if n := g.most(exchange.ConnectWindow); n > exchange.DefaultConnects {
			t.Errorf("%d attempts in five minutes", n)
		}
		late := slices.IndexFunc(g.dialed, func(at time.Time) bool { return !at.Before(back) })
		if back := g.dialed[late:]; len(back) != 500 {
			t.Errorf("%d came back", len(back))
		}
	})
}
