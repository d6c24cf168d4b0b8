package collect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// minutely is a venue of long candles that also has their minutes.
type minutely struct {
	*venue
	minutes map[string][]candle.Candle

	mu     sync.Mutex
	probed []candle.Millis // when it was asked for minutes
}

func (m *minutely) Candles(ctx context.Context, symbol string, tf candle.Timeframe, r candle.Range) (exchange.Page, error) {
	if tf != candle.Minute1 {
		return m.venue.Candles(ctx, symbol, tf, r)
	}
	m.mu.Lock()
	m.probed = append(m.probed, m.now())
	m.mu.Unlock()
	page := exchange.Page{AsOf: m.now()}
	for _, c := range m.minutes[symbol] {
		if r.Contains(c.OpenTime) && c.CloseTime.Add(m.margin) < page.AsOf {
			page.Candles = append(page.Candles, c)
		}
	}
	return page, nil
}

// Dial gives connections that speak every twenty seconds of what they are not deaf to.
func (m *minutely) Dial(ctx context.Context, tf candle.Timeframe, symbols []string) (exchange.Conn, error) {
	conn, err := m.venue.Dial(ctx, tf, symbols)
	if err != nil {
		return nil, err
	}
	w := conn.(*wire)
	for _, symbol := range symbols {
		if m.deaf != nil && m.deaf(len(m.dialed), symbol) {
			continue
		}
		rows := m.rows[symbol]
		for at := m.now().Add(20 * time.Second); at < rows[len(rows)-1].OpenTime; at = at.Add(20 * time.Second) {
			open, _ := tf.Floor(at)
			c := bar(open)
			c.CloseTime = tf.Next(open) - 1
			w.events = append(w.events, arrival{at, exchange.Event{Kind: exchange.Update, Symbol: symbol, Candle: c, At: at}})
		}
	}
	slices.SortStableFunc(w.events, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return conn, nil
}

// still makes minutes in which nothing was traded.
func still(stretches string) []candle.Candle {
	rows := bars(candle.Minute1, stretches)
	for i := range rows {
		rows[i].Trades, rows[i].Volume = 0, candle.MustDecimal("0.00000000")
	}
	return rows
}

// An hour's candle would take two hours to prove that the stream is deaf.
func TestSilenceOfALongCandleIsHeldAgainstItsMinutes(t *testing.T) {
	t.Parallel()
	const hours = "2023-03-24T08:00..2023-03-25T20:00"
	for _, c := range []struct {
		name        string
		deaf        int // so many connections bring nothing of BTCUSDT
		minutes     []candle.Candle
		until       string
		dials       int
		first       string // the second connection stands before
		least, most int    // questions for minutes
	}{
		{"it trades, and the next connection brings it", 1, bars(candle.Minute1, "2023-03-24T10:00..2023-03-24T16:00"), "2023-03-24T16:00:30", 2, "2023-03-24T10:34:30", 1, 30},
		{"it trades, and no connection brings it", 1000, bars(candle.Minute1, "2023-03-24T10:00..2023-03-25T16:00"), "2023-03-25T10:30:30", 11, "2023-03-24T10:34:30", 9, 60},
		{"it does not trade", 1000, still("2023-03-24T10:00..2023-03-25T16:00"), "2023-03-25T10:30:30", 1, "", 20, 80},
		{"the exchange has stopped", 1000, nil, "2023-03-25T10:30:30", 1, "", 20, 80},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				have := map[string]string{"ETHUSDT": hours, "BTCUSDT": hours}
				if c.dials == 1 {
					have["BTCUSDT"] = "2023-03-24T08:00..2023-03-24T10:00" // no candle is overdue of what does not trade
				}
				v := newVenue(candle.Hour1, "2023-03-24T10:30:30", have)
				v.maxAge = 1000 * time.Hour
				v.deaf = func(connection int, symbol string) bool { return symbol == "BTCUSDT" && connection <= c.deaf }
				m := &minutely{venue: v, minutes: map[string][]candle.Candle{"BTCUSDT": c.minutes}}
				s := &session{selector: "ETHUSDT,BTCUSDT", venue: v, exchange: m}
				s.run(t, c.until)
				if n := len(v.dialed); n != c.dials && (c.dials < 3 || n < c.dials-2 || n > c.dials+2) {
					t.Errorf("%d connections: %v", n, v.dialed)
				}
				if c.first != "" && (len(v.dialed) < 2 || v.dialed[1] > instant(c.first)) {
					t.Errorf("connected at %v", v.dialed)
				}
				if n := len(m.probed); n < c.least || n > c.most {
					t.Errorf("minutes were asked for %d times: %v", n, m.probed)
				}
				if t.Failed() {
					t.Log(s.log.String())
				}
			})
		})
	}
}

// taciturn is a venue that has no row where nothing was traded.
type taciturn struct{ *venue }

func (taciturn) Sparse(candle.Timeframe) bool { return true }

func TestQuietIntervalsOfAVenueThatHasNoRowsForThemAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..10:34 10:37..10:41 10:44..10:50 10:52..11:59"})
		s := &session{venue: v, exchange: taciturn{v}, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}}}
		s.run(t, "11:30:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..10:34 10:37..10:41 10:44..10:50 10:52..11:29" {
			t.Errorf("came %s", got)
		}
		var told []string
		for _, g := range s.shelf.gaps {
			told = append(told, clockText(g.Range.From)+".."+clockText(g.Range.To)+" "+string(g.State))
		}
		if want := "10:35..10:36 absent, 10:42..10:43 absent, 10:51..10:51 absent"; strings.Join(told, ", ") != want {
			t.Errorf("told %v, not %s", told, want)
		}
		if n := len(v.asked); n > 12 {
			t.Errorf("history was asked %d times: %v", n, v.asked)
		}
	})
}

func TestHealedSilenceIsNoPrejudiceAgainstTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{selector: "ETHUSDT,BTCUSDT", venue: newVenue(candle.Minute1, "10:00:30", map[string]string{"ETHUSDT": "09:00..19:59", "BTCUSDT": "09:00..19:59"})}
		// Each connection is deaf from the hour on.
		s.exchange = &wired{s.venue, func(n int, w *wire) {
			end := instant("11:00").Add(time.Duration(n-1) * time.Hour)
			w.events = slices.DeleteFunc(w.events, func(a arrival) bool { return a.event.Symbol == "BTCUSDT" && a.at > end })
		}}
		s.run(t, "18:30:30")
		if got := s.shelf.opens("BTCUSDT", candle.Minute1); got != "10:00..18:29" {
			t.Errorf("came %s", got)
		}
		for i, at := range s.venue.dialed[1:] {
			if since := at.Sub(instant("11:00").Add(time.Duration(i) * time.Hour)); since < 0 || since > 3*time.Minute {
				t.Errorf("connection %d came %s after its predecessor had gone deaf", i+2, since)
			}
		}
		if n := len(s.venue.dialed); n != 9 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestQuietMarketCostsFewQuestionsForTheTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		speed int64
		most  int // questions in ten minutes of ours
	}{{"an exchange in real time", 1, 45}, {"a simulator", 2, 125}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVenue(candle.Hour1, "2023-03-24T10:02:30", map[string]string{"ETHUSDT": "2023-03-24T08:00..2023-03-24T20:00"})
				v.speed, v.deaf = c.speed, func(int, string) bool { return true }
				s := &session{venue: v, exchange: &minutely{venue: v, minutes: map[string][]candle.Candle{"ETHUSDT": still("2023-03-24T10:00..2023-03-24T20:00")}}}
				s.run(t, map[int64]string{1: "2023-03-24T10:12:30", 2: "2023-03-24T10:22:30"}[c.speed])
				if v.told > c.most || v.told < 20 {
					t.Errorf("the exchange was asked for the time %d times in ten minutes", v.told)
				}
			})
		})
	}
}

func TestCandleThatIsOverdueIsFetchedInTimeThoughNothingIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..11:50"})
		v.deaf = func(int, string) bool { return true }
		s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}}}
		late := time.Duration(0)
		s.shelf.refuses = func(_ candle.Series, row candle.Candle) error {
			late = max(late, v.now().Sub(row.CloseTime))
			return nil
		}
		s.run(t, "11:10:30")
		// Grace, five seconds until the silence is noticed, an answer.
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..11:09" || late > 20*time.Second {
			t.Errorf("came %s, up to %s late", got, late)
		}
	})
}

// The sink takes nothing for three hours: the bus is away.
func TestSinkThatIsAwayBoundsWhatIsHeldAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, flood := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			v := newVenue(candle.Minute1, "10:30:30", map[string]string{"ETHUSDT": "09:00..15:59"})
			s := &session{venue: v, library: &books{found: map[string]candle.Resume{"ETHUSDT": stored("10:29")}}}
			s.shelf.blocked = []candle.Range{{From: instant("10:35"), To: instant("13:35:20")}}
			s.exchange = &wired{v, func(_ int, w *wire) {
				var all []arrival
				for _, a := range w.events {
					for range flood {
						all = append(all, a)
					}
				}
				w.events = all
			}}
			queued, forming := 0, 0
			s.look = func(Snapshot) {
				for _, f := range s.c.feeds {
					f.inbox.mu.Lock()
					queued, forming = max(queued, len(f.inbox.queue)), max(forming, len(f.inbox.forming))
					f.inbox.mu.Unlock()
				}
			}
			s.run(t, "14:10:30")
			if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:30..14:09" || s.err != nil {
				t.Errorf("came %s, %v", got, s.err)
			}
			if queued != inboxBase+2 || forming > 1 {
				t.Errorf("%d candles queued, %d forming", queued, forming)
			}
			// While nothing is taken it does not connect again and again.
			if n := len(v.dialed); n > 2 || s.told("is not taken") != 1 || strings.Count(s.log.String(), "flows again") != 1 {
				t.Errorf("%d connections\n%s", n, s.log.String())
			}
		})
	}
}
