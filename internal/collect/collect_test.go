package collect

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// session is one run of a collector against a venue.
type session struct {
	selector string
	since    string
	wanted   time.Duration // so long ago
	library  *books
	venue    *venue
	shelf    shelf
	log      bytes.Buffer
	look     func(Snapshot)    // sees one each second of ours
	sink     Sink              // nil: the shelf
	exchange exchange.Exchange // nil: the venue
	c        *Collector
	err      error
}

// run collects until the venue's clock has reached until.
func (s *session) run(t *testing.T, until string) {
	t.Helper()
	s.shelf.venue = s.venue
	config := Config{
		Exchange: s.venue, Sink: &s.shelf, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		Spec: collector.Spec{Exchange: "test", Selector: s.selector, Timeframe: s.venue.tf},
	}
	if s.selector == "" {
		config.Spec.Selector = "ETHUSDT"
	}
	if s.sink != nil {
		config.Sink = s.sink
	}
	if s.exchange != nil {
		config.Exchange = s.exchange
	}
	if s.library != nil {
		config.Library = s.library
	}
	if s.since != "" {
		config.Spec.Since = instant(s.since)
	}
	if s.wanted != 0 {
		config.Wanted = time.Now().Add(-s.wanted)
	}
	s.c = New(config)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.c.Run(ctx) }()
	timer, seconds := time.NewTimer(s.venue.until(instant(until))), time.NewTicker(time.Second)
	defer timer.Stop()
	defer seconds.Stop()
	for running := true; running; {
		select {
		case s.err = <-ended:
			running = false
		case <-timer.C:
			cancel()
		case <-seconds.C:
			if s.look != nil {
				s.look(s.c.Snapshot())
			}
		}
	}
	if s.venue.open != 0 {
		t.Errorf("%d connections are left open", s.venue.open)
	}
	// Digit for digit what the market had.
	for symbol, came := range s.shelf.candles {
		had := make(map[candle.Millis]candle.Candle)
		for _, c := range s.venue.rows[symbol] {
			had[c.OpenTime] = c
		}
		for _, c := range came {
			if c != had[c.OpenTime] {
				t.Errorf("%s %s came as %v, the market had %v", symbol, c.OpenTime, c, had[c.OpenTime])
			}
		}
	}
}

func (s *session) told(line string) int { return strings.Count(s.log.String(), line) }

var away = problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, nil, "away")

func during(from, to string, err error) func(string, candle.Millis) error {
	r := candle.Range{From: instant(from), To: instant(to)}
	return func(_ string, now candle.Millis) error {
		if r.Contains(now) {
			return err
		}
		return nil
	}
}

// on gives a closing frame's fate by open times: "10:31 lost, 10:33 again, 10:35 90s".
func on(table string) func(string, candle.Millis) fate {
	fates := make(map[candle.Millis]fate)
	for entry := range strings.SplitSeq(table, ",") {
		words := strings.Fields(entry)
		var f fate
		switch words[1] {
		case "lost":
			f.lost = true
		case "again":
			f.again = true
		default:
			late, err := time.ParseDuration(words[1])
			if err != nil {
				panic(err)
			}
			f.late = late
		}
		fates[instant(words[0])] = f
	}
	return func(_ string, open candle.Millis) fate { return fates[open] }
}

// Each session: what the market has, what is stored, what goes wrong, and what must have come.
func TestCollectorBringsHomeWhatTheMarketHas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		tf           candle.Timeframe
		have         string
		start, until string
		stored       string // "" and since "": fresh
		since        string
		fault        func(*session)
		want         string
		ledger       string
		questions    int // at most; 0: as many as it likes
		dials        int // exactly; 0: as many as it likes
	}{
		{name: "history and stream without a seam, while history is slow over a close",
			have: "09:00..10:50", start: "10:30:55", until: "10:40:30", stored: "09:10",
			fault: func(s *session) { s.venue.page, s.venue.restDelay = 20, 9*time.Second },
			want:  "09:11..10:39", dials: 1},
		{name: "history only begins where it should",
			have: "09:00..10:50", start: "10:30:55", until: "10:33:30", since: "09:30", want: "09:30..10:32"},
		{name: "nothing stored and no beginning named",
			have: "09:00..10:50", start: "10:30:55", until: "10:33:30", want: "10:30..10:32", questions: 1},
		{name: "a reconnect over a close",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.cuts = []candle.Millis{instant("10:31:59.500")}
				s.venue.unreached = func(now candle.Millis) error { return during("10:31:59.500", "10:33:10", away)("", now) }
			},
			want: "10:30..10:39"},
		{name: "a broken connection while history is away, and history back before the connection",
			have: "09:00..10:50", start: "10:30:30", until: "10:45:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.cuts = []candle.Millis{instant("10:31:30")}
				s.venue.unreached = func(now candle.Millis) error { return during("10:31:30", "10:44:10", away)("", now) }
				s.venue.refuses = during("10:31:30", "10:36:10", away)
			},
			want: "10:30..10:44"},
		{name: "closing frames lost, late, doubled and out of order",
			have: "09:00..10:50", start: "10:30:30", until: "10:45:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.frame = on("10:31 lost, 10:33 again, 10:35 5s, 10:37 70s, 10:39 lost, 10:40 lost, 10:41 1s")
			},
			want: "10:30..10:44", questions: 10, dials: 1},
		{name: "every closing frame lost",
			have: "09:00..10:50", start: "10:30:30", until: "10:45:30", stored: "10:29",
			fault: func(s *session) { s.venue.frame = func(string, candle.Millis) fate { return fate{lost: true} } },
			want:  "10:30..10:44", questions: 45},
		{name: "history that answers nonsense for a while",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:00",
			fault: func(s *session) {
				s.venue.refuses = during("10:30:35", "10:33:05", errors.New("<html>"))
				s.venue.restDelay = 6 * time.Second
			},
			want: "10:01..10:39"},
		{name: "a hole that history fills after a while",
			have: "09:00..10:59", start: "10:30:30", until: "10:50:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.frame = on("10:31 lost, 10:32 lost")
				s.venue.hidden = func(_ string, open, now candle.Millis) bool {
					return (open == instant("10:31") || open == instant("10:32")) && now < instant("10:40")
				}
			},
			want: "10:30 10:33..10:44 10:31..10:32 10:45..10:49", ledger: "10:31..10:32 repaired 2"},
		{name: "a hole that is one",
			have: "09:00..10:30 10:33..10:59", start: "10:30:30", until: "10:59:30", stored: "10:29",
			want: "10:30 10:33..10:58", ledger: "10:31..10:32 absent 3", questions: 9, dials: 1},
		{name: "holes of history",
			have: "09:00..09:10 09:20..09:30 09:40..10:59", start: "10:30:30", until: "10:59:30", since: "09:05",
			fault: func(s *session) { s.venue.page = 7 },
			want:  "09:05..09:10 09:20..09:30 09:40..10:58", ledger: "09:11..09:19 absent 3, 09:31..09:39 absent 3"},
		{name: "a halt of eighty minutes",
			have: "11:00..12:39 14:00..14:59", start: "12:30:30", until: "14:30:30", stored: "12:29",
			want: "12:30..12:39 14:00..14:29", ledger: "12:40..13:59 absent 3", questions: 14, dials: 1},
		{name: "a halt of eighty minutes, a thousand times as fast",
			have: "11:00..12:39 14:00..14:59", start: "12:00:30", until: "14:50:30", stored: "11:29",
			fault: func(s *session) { s.venue.speed, s.venue.restDelay = 1000, 3*time.Millisecond },
			want:  "11:30..12:39 14:00..14:49", ledger: "12:40..13:59 absent 3", questions: 30, dials: 1},
		{name: "a market that is listed later",
			have: "15:00..15:59", start: "12:00:30", until: "15:30:30", since: "12:00",
			want: "15:00..15:29", questions: 12, dials: 1},
		{name: "months", tf: candle.Month1,
			have: "2023-01-01..2024-12-01", start: "2023-03-15", until: "2024-06-15", stored: "2023-01-01",
			fault: func(s *session) {
				s.venue.speed, s.venue.restDelay = 1e6, time.Millisecond
				s.venue.frame = on("2023-08-01 lost, 2023-11-01 5h")
			},
			want: "2023-02-01..2024-05-01"},
		{name: "weeks without anything stored", tf: candle.Week1,
			have: "2023-01-03..2024-12-01", start: "2023-03-15", until: "2023-06-15",
			fault: func(s *session) { s.venue.speed, s.venue.restDelay = 1e6, time.Millisecond },
			want:  "2023-03-14..2023-06-06"},
		{name: "a sink that takes nothing for half an hour",
			have: "09:00..11:59", start: "10:30:30", until: "11:20:30", stored: "10:29",
			fault: func(s *session) {
				s.shelf.blocked = []candle.Range{{From: instant("10:35"), To: instant("11:10:20")}}
			},
			want: "10:30..11:19", questions: 12},
		{name: "a sink that takes nothing for ten minutes needs no question",
			have: "09:00..11:59", start: "10:30:30", until: "10:50:30", stored: "10:29",
			fault: func(s *session) {
				s.shelf.blocked = []candle.Range{{From: instant("10:35"), To: instant("10:45:02")}}
			},
			want: "10:30..10:49", dials: 1},
		{name: "connections that are announced to close",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.shutdowns = []candle.Millis{instant("10:31:55"), instant("10:35:59.900")}
			},
			want: "10:30..10:39", questions: 1, dials: 3},
		{name: "connections that grow old",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:29",
			fault: func(s *session) { s.venue.maxAge = 3 * time.Minute },
			want:  "10:30..10:39", questions: 1, dials: 4},
		{name: "an exchange that does not answer at first",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:00",
			fault: func(s *session) { s.venue.refuses = during("10:30:00", "10:32:00", away) },
			want:  "10:01..10:39"},
		{name: "a store that does not answer at first",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:00",
			fault: func(s *session) { s.library.fails, s.library.delay = 4, 10*time.Second },
			want:  "10:01..10:39"},
		{name: "candles that close before the store answers for the first time",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30",
			fault: func(s *session) { s.library = &books{fails: 4, delay: 30 * time.Second} },
			want:  "10:30..10:39"},
		{name: "a candle that closed before a life that found nothing stored", tf: candle.Hour1,
			have: "07:00..15:00", start: "11:00:30", until: "13:00:30",
			fault: func(s *session) { s.wanted, s.library = 40*time.Minute, &books{} },
			want:  "10:00..12:00"},
		{name: "a day on which nothing was stored", tf: candle.Day1,
			have: "2023-03-20..2023-03-26", start: "2023-03-24T00:10", until: "2023-03-25T00:10",
			fault: func(s *session) { s.wanted, s.library = 14*time.Hour, &books{} },
			want:  "2023-03-23..00:00"},
		{name: "a life that follows another one of the same candle", tf: candle.Hour1,
			have: "07:00..15:00", start: "11:20:30", until: "12:00:30",
			fault: func(s *session) { s.wanted, s.library = 20*time.Minute, &books{} },
			want:  "11:00"},
		{name: "a clock of ours that was set back since", tf: candle.Hour1,
			have: "07:00..15:00", start: "11:20:30", until: "12:00:30",
			fault: func(s *session) { s.wanted, s.library = -time.Hour, &books{} },
			want:  "11:00"},
		{name: "stretches that the store misses",
			have: "08:00..10:50", start: "10:30:30", until: "10:50:30", stored: "10:29",
			fault: func(s *session) {
				r := s.library.found["ETHUSDT"]
				r.Missing = []candle.Range{{From: instant("08:10"), To: instant("08:29")}, {From: instant("09:00"), To: instant("09:00")}}
				s.library.found["ETHUSDT"] = r
				s.venue.page = 8
			},
			want:   "08:10..08:29 09:00 10:30..10:49",
			ledger: "08:17..08:23 repaired 0, 08:10..08:16 repaired 0, 08:24..08:29 repaired 0, 09:00..09:00 repaired 0"},
		{name: "frames that lie about the time",
			have: "09:00..10:50", start: "10:30:30", until: "10:40:30", stored: "10:29",
			fault: func(s *session) {
				s.venue.extra = func(symbol string) []arrival {
					lie := func(at, open, says string) arrival {
						return arrival{instant(at), exchange.Event{Kind: exchange.Update, Symbol: symbol, Candle: bar(instant(open)), Closed: true, At: instant(says)}}
					}
					return []arrival{
						lie("10:31:10", "2099-01-01", "2099-01-01"), lie("10:32:10", "2099-01-01", "10:32:10"),
						lie("10:33:10", "20:00", "10:33:10"), lie("10:34:10", "20:00", "20:01"), lie("10:35:10", "10:34", "20:00"),
						lie("10:36:10", "2017-01-01", "2017-01-01"), lie("10:37:10", "20:00", "1970-01-01"),
					}
				}
			},
			want: "10:30..10:39"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tf := c.tf
				if tf == 0 {
					tf = candle.Minute1
				}
				s := &session{since: c.since, venue: newVenue(tf, c.start, map[string]string{"ETHUSDT": c.have})}
				if c.stored != "" {
					s.library = &books{found: map[string]candle.Resume{"ETHUSDT": stored(c.stored)}}
				}
				if c.fault != nil {
					c.fault(s)
				}
				s.run(t, c.until)
				if s.err != nil {
					t.Errorf("ended with %v", s.err)
				}
				if got := s.shelf.opens("ETHUSDT", tf); got != c.want {
					t.Errorf("came %s\nwant %s", got, c.want)
				}
				if got := s.shelf.ledger("ETHUSDT"); got != c.ledger {
					t.Errorf("the ledger says %q\nand should say %q", got, c.ledger)
				}
				if n := len(s.venue.asked); c.questions > 0 && n > c.questions {
					t.Errorf("history was asked %d times, not %d: %v", n, c.questions, s.venue.asked)
				}
				if n := len(s.venue.dialed); c.dials > 0 && n != c.dials {
					t.Errorf("%d connections, not %d", n, c.dials)
				}
				if t.Failed() {
					t.Log(s.log.String())
				}
			})
		})
	}
}
