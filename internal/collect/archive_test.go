package collect

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
)

// archive is a sink that keeps candles as a store does, and takes audits: a candle that comes again
// replaces what is kept. What came for the first time is on the shelf too.
type archive struct {
	shelf
	kept      map[string]map[candle.Millis]candle.Candle
	again     int // candles that came again
	corrected int // of them, with other values
	audits    map[string][]candle.Audit
	at        map[string]map[candle.Millis]candle.Millis // when a correction came, by the venue's clock
}

func newArchive(v *venue) *archive {
	return &archive{
		shelf: shelf{venue: v}, kept: make(map[string]map[candle.Millis]candle.Candle),
		audits: make(map[string][]candle.Audit), at: make(map[string]map[candle.Millis]candle.Millis),
	}
}

func (a *archive) Candle(ctx context.Context, series candle.Series, c candle.Candle) error {
	rows := a.kept[series.Symbol]
	if rows == nil {
		rows = make(map[candle.Millis]candle.Candle)
		a.kept[series.Symbol], a.at[series.Symbol] = rows, make(map[candle.Millis]candle.Millis)
	}
	former, ok := rows[c.OpenTime]
	if !ok {
		if err := a.shelf.Candle(ctx, series, c); err != nil {
			return err
		}
	}
	if ok {
		a.again++
	}
	if ok && former != c {
		a.corrected++
		a.at[series.Symbol][c.OpenTime] = a.venue.now()
	}
	rows[c.OpenTime] = c
	return nil
}

func (a *archive) Audit(_ context.Context, audit candle.Audit) error {
	a.audits[audit.Series.Symbol] = append(a.audits[audit.Series.Symbol], audit)
	return nil
}

// verify checks that what is kept is what the market had, digit for digit, and that the audits leave
// nothing out between them. It gives where the last one ends.
func (a *archive) verify(t *testing.T, symbol string) candle.Millis {
	t.Helper()
	for _, c := range a.venue.rows[symbol] {
		if kept, ok := a.kept[symbol][c.OpenTime]; ok && kept != c {
			t.Errorf("%s %s is kept as %v, the market had %v", symbol, c.OpenTime, kept, c)
		}
	}
	var end candle.Millis
	for i, audit := range a.audits[symbol] {
		if audit.Range.Empty() || i > 0 && audit.Range.From != end+1 {
			t.Errorf("%s: audit %d is of %s, the one before ended at %s", symbol, i, audit.Range, end)
		}
		end = audit.Range.To
		had := 0
		for _, c := range a.venue.rows[symbol] {
			if audit.Range.Contains(c.OpenTime) {
				had++
			}
		}
		if audit.Rows > had || a.venue.tf.Next(end).Add(auditDelay) > audit.At {
			t.Errorf("%s: the audit of %s at %s knows %d candles of %d", symbol, audit.Range, audit.At, audit.Rows, had)
		}
	}
	return end
}

// Each session: what the market has, what the stream says wrongly or not at all, and what is put right
// within an hour and the audit's delay.
func TestWhatTheStreamSaidWronglyIsPutRight(t *testing.T) {
	t.Parallel()
	const within = auditEvery + auditDelay + time.Minute
	for _, c := range []struct {
		name         string
		have         string
		start, until string
		stored       candle.Resume
		fault        func(*venue)
		want         string // in the order in which it came for the first time
		corrected    int
		ledger       string
		questions    int // at most
	}{
		{name: "nothing was wrong", have: "09:00..13:59", start: "10:00:30", until: "13:10:30", stored: stored("09:59"),
			want: "10:00..13:09", questions: 5},
		{name: "a closing frame that was older than its candle", have: "09:00..13:59", start: "10:00:30", until: "13:10:30", stored: stored("09:59"),
			fault: func(v *venue) {
				v.wrong = func(_ string, open candle.Millis) bool { return open == instant("10:31") || open == instant("11:59") }
			},
			want: "10:00..13:09", corrected: 2, questions: 5},
		{name: "the last candle of an earlier life was wrong", have: "09:00..13:59", start: "10:20:30", until: "10:30:30",
			stored: candle.Resume{Last: instant("09:59"), HasLast: true, ConfirmedTo: instant("09:29")},
			want:   "09:30..10:29"},
		{name: "a candle off the grid that the stream never showed", have: "09:00..10:31 10:31:30 10:32..13:59", start: "10:00:30", until: "13:10:30", stored: stored("09:59"),
			fault: func(v *venue) { v.frame = on("10:31:30 lost") },
			want:  "10:00..11:26 10:31:30 11:27..13:09", questions: 5},
		{name: "a candle that history does not have is believed missing, and stays", have: "09:00..13:59", start: "10:00:30", until: "13:10:30", stored: stored("09:59"),
			fault: func(v *venue) {
				v.hidden = func(_ string, open, _ candle.Millis) bool { return open == instant("10:31") }
			},
			want: "10:00..13:09", questions: 7},
		{name: "history is away for hours", have: "09:00..15:59", start: "10:00:30", until: "15:10:30", stored: stored("09:59"),
			fault: func(v *venue) {
				v.refuses = during("10:02", "13:50", away)
				v.wrong = func(_ string, open candle.Millis) bool { return open == instant("10:31") }
			},
			want: "10:00..15:09", corrected: 1},
		{name: "what was proved absent is mended days later", have: "2023-03-24T09:00..2023-03-26T03:59", start: "10:00:30", until: "2023-03-26T03:30:30", stored: stored("09:59"),
			fault: func(v *venue) {
				v.speed, v.restDelay = 60, time.Millisecond
				v.frame = on("10:31 lost, 10:32 lost")
				v.hidden = func(_ string, open, now candle.Millis) bool {
					return (open == instant("10:31") || open == instant("10:32")) && now < instant("11:30")
				}
			},
			ledger: "10:31..10:32 repaired 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVenue(candle.Minute1, c.start, map[string]string{"ETHUSDT": c.have})
				if c.fault != nil {
					c.fault(v)
				}
				kept := newArchive(v)
				s := &session{venue: v, sink: kept, library: &books{found: map[string]candle.Resume{"ETHUSDT": c.stored}}}
				s.run(t, c.until)
				if s.err != nil {
					t.Errorf("ended with %v", s.err)
				}
				if got := kept.opens("ETHUSDT", v.tf); c.want != "" && got != c.want {
					t.Errorf("came %s\nwant %s", got, c.want)
				}
				if got := kept.ledger("ETHUSDT"); got != c.ledger {
					t.Errorf("the ledger says %q\nand should say %q", got, c.ledger)
				}
				if kept.corrected != c.corrected {
					t.Errorf("%d corrections, not %d", kept.corrected, c.corrected)
				}
				if n := len(v.asked); c.questions > 0 && n > c.questions {
					t.Errorf("history was asked %d times, not %d: %v", n, c.questions, v.asked)
				}
				for open, at := range kept.at["ETHUSDT"] {
					if late := at.Sub(v.tf.Next(open)); v.refuses == nil && late > within {
						t.Errorf("%s was put right %s after its close", open, late)
					}
				}
				late := instant(c.until).Add(-within)
				if end := kept.verify(t, "ETHUSDT"); end < late && end != v.rows["ETHUSDT"][len(v.rows["ETHUSDT"])-1].OpenTime {
					t.Errorf("at %s no more is confirmed than up to %s", c.until, end)
				}
				if t.Failed() {
					t.Log(s.log.String())
				}
			})
		})
	}
}

func TestAuditsOfManySeriesAreSpreadOverTheHourAndCheap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		have := make(map[string]string)
		for i := range 200 {
			have["S"+string(rune('A'+i/26))+string(rune('A'+i%26))] = "10:00..14:59"
		}
		v := newVenue(candle.Minute1, "10:00:30", have)
		v.speed, v.restDelay = 10, time.Millisecond
		kept := newArchive(v)
		s := &session{venue: v, sink: kept, selector: "S*"}
		s.run(t, "14:00:30")
		perMinute := make(map[candle.Millis]int)
		for _, at := range v.asked {
			minute, _ := candle.Minute1.Floor(at)
			perMinute[minute]++
		}
		// The first question about each is in its first hour: three to four rounds.
		if n := len(v.asked); n < 3*200 || n > 4*200+20 {
			t.Errorf("%d questions about 200 series in four hours", n)
		}
		for minute, n := range perMinute {
			if n > 14 { // 3.3 is the mean
				t.Errorf("%d questions in the minute %s", n, minute)
			}
		}
		for symbol := range have {
			if end := kept.verify(t, symbol); end < instant("12:54") {
				t.Errorf("%s is confirmed up to %s", symbol, end)
			}
		}
		if n := s.c.Snapshot().Reread; kept.corrected != 0 || int(n) != kept.again || n < 200*174 {
			t.Errorf("%d candles were handed over again, %d came again, %d of them changed", n, kept.again, kept.corrected)
		}
	})
}

// A sink that only shows candles must not be shown them twice.
func TestWithoutAnAuditorNothingIsHandedOverTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{venue: newVenue(candle.Minute1, "10:00:30", map[string]string{"ETHUSDT": "09:00..14:59"})}
		s.run(t, "14:00:30")
		if got := s.shelf.opens("ETHUSDT", candle.Minute1); got != "10:00..13:59" || len(s.venue.asked) > 1 {
			t.Errorf("%d questions; came %s", len(s.venue.asked), got)
		}
	})
}

func TestHoursOfSeriesAreAllOverTheHour(t *testing.T) {
	t.Parallel()
	var quarters [4]int
	for i := range 400 {
		s := splice{auditing: true, series: candle.Series{Exchange: "test", Symbol: "S" + string(rune('A'+i%20)) + string(rune('A'+i/20)), Timeframe: candle.Minute1}}
		s.start(candle.Resume{}, 0, instant("10:00"))
		quarters[s.audit.phase/(15*60_000)]++
	}
	if least := slices.Min(quarters[:]); least < 60 {
		t.Errorf("of 400 series the quarters of an hour have %v", quarters)
	}
}
