package klineapi

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"velador/internal/candle"
)

// drive steps a stream from now on to an end, at the instants it asks for and no others.
func drive(p *klinePush, now, end candle.Millis) (events []*event) {
	next := p.next(now, p.ticked)
	for next <= end {
		var some []*event
		before := next
		some, next = p.step(next)
		events = append(events, some...)
		if next <= before {
			next = before + 1
		}
	}
	return events
}

func push(m *market, change func(*Profile), now candle.Millis, lost func()) *klinePush {
	p := DefaultProfile()
	if change != nil {
		change(&p)
	}
	if lost == nil {
		lost = func() {}
	}
	t, _ := parseTopic(ethKline)
	return newKlinePush(m, &p, &t, now, lost)
}

// SIM-W11
func TestFramesComeOnATickOfTwoSecondsAndOnlyOnChange(t *testing.T) {
	t.Parallel()
	m := busy()
	// Half of the third minute is without trades: its numbers stand still.
	p := push(m, nil, t0+10_000, nil)
	var last *event
	forming := 0
	for _, e := range drive(p, t0+10_000, t0+5*minute) {
		if e.final {
			last = nil
			continue
		}
		forming++
		if (e.at-p.phase)%2000 != 0 && last != nil {
			t.Errorf("a forming frame at %s is off the tick", e.at)
		}
		if last != nil && last.row == e.row {
			t.Errorf("the frame at %s repeats that of %s", e.at, last.at)
		}
		if want, _ := m.At("ETHUSDT", candle.Minute1, 0, e.at); want != e.row {
			t.Errorf("at %s the frame shows %v, want %v", e.at, e.row, want)
		}
		last = e
	}
	if forming < 120 || forming > 145 {
		t.Errorf("%d forming frames in 290 s", forming)
	}
	phases := map[uint64]bool{}
	for i := range 20 {
		phases[draw(1, fmt.Sprint("SYM", i))%2000] = true
	}
	if len(phases) < 15 {
		t.Errorf("20 symbols share %d phases", len(phases))
	}
}

// SIM-W11, SIM-W13
func TestAQuietMinuteSendsItsClosingFrameOnly(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, 1)
	m.quiet("ETHUSDT", 2)
	m.minutes("ETHUSDT", t0+3*minute, 2)
	x := start(t, m, 10*time.Second, nil)
	c := x.dial("/ws/" + ethKline)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	x.clock.Advance(4 * time.Minute)
	c.untilFinal()
	for i := range 2 {
		k := c.kline()
		open := t0 + candle.Millis(i+1)*minute
		if !k.final() || k.open() != open {
			t.Fatalf("the quiet minute sends %v", k)
		}
		for key, want := range map[string]string{"f": "-1", "L": "-1", "n": "0", "v": zeroText, "q": zeroText, "V": zeroText, "Q": zeroText} {
			if fmt.Sprint(k.k[key]) != want {
				t.Errorf("%s is %v, want %s", key, k.k[key], want)
			}
		}
		if k.k["o"] != k.k["c"] || k.k["h"] != k.k["c"] || k.k["l"] != k.k["c"] {
			t.Errorf("not flat: %v", k.k)
		}
		if late := k.at - open - minute; late < 2 || late > 300 {
			t.Errorf("its frame comes %d ms after the close", late)
		}
	}
}

// SIM-W12
func TestCloseDelaysKeepToTheirProfile(t *testing.T) {
	t.Parallel()
	const closes = 1000
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, closes+5)
	rest := m.all("ETHUSDT", candle.Minute1, 0, t0+day)
	for _, c := range []struct {
		profile     string
		least, most candle.Millis
	}{{CloseFast, 2, 300}, {CloseLoaded, 2, 30_000}, {CloseWithNextTrade, 1, 4_000}} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			p := push(m, func(p *Profile) { p.Close = c.profile }, t0+1, nil)
			var previous candle.Millis
			n, low, high := 0, never, candle.Millis(0)
			for _, e := range drive(p, t0+1, t0+(closes+1)*minute-1) {
				if e.row.OpenTime < previous {
					t.Fatalf("open times go back at %s", e.at)
				}
				previous = e.row.OpenTime
				if !e.final {
					continue
				}
				if e.row != rest[n] {
					t.Fatalf("close %d is %v, want %v", n, e.row, rest[n])
				}
				n++
				late := e.at - e.row.CloseTime - 1
				low, high = min(low, late), max(high, late)
			}
			if n != closes || low < c.least || high > c.most {
				t.Errorf("%d closes, %d to %d ms late; want %d, %d to %d", n, low, high, closes, c.least, c.most)
			}
			if c.profile != CloseWithNextTrade && high-low < (c.most-c.least)/2 {
				t.Errorf("delays from %d to %d ms only", low, high)
			}
		})
	}
}

// SIM-W12
func TestLostClosesAreAboutTheShareAskedForAndAreInREST(t *testing.T) {
	t.Parallel()
	const closes = 1000
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, closes+5)
	lost := 0
	p := push(m, func(p *Profile) { p.CloseLost = 0.1 }, t0+1, func() { lost++ })
	seen := map[candle.Millis]bool{}
	for _, e := range drive(p, t0+1, t0+(closes+1)*minute-1) {
		if e.final {
			seen[e.row.OpenTime] = true
		}
	}
	if len(seen)+lost != closes || lost < 70 || lost > 130 {
		t.Errorf("%d seen, %d lost", len(seen), lost)
	}
	if rows := m.Rows("ETHUSDT", candle.Minute1, 0, t0+(closes+1)*minute, candle.Range{From: t0, To: t0 + (closes-1)*minute}, closes, false); len(rows) != closes {
		t.Errorf("REST has %d rows", len(rows))
	}
}

// SIM-W12
func TestInAQuietMarketTheCloseWaitsForTheNextTradeWhereTheProfileSaysSo(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, 1)
	m.quiet("ETHUSDT", 3)
	m.minutes("ETHUSDT", t0+4*minute, 2)
	for _, jump := range []candle.Millis{0, 10 * minute} { // stepped through, and leapt over
		p := push(m, func(p *Profile) { p.Close = CloseWithNextTrade }, t0+1, nil)
		var finals []*event
		if jump == 0 {
			for _, e := range drive(p, t0+1, t0+4*minute+10_000) {
				if e.final {
					finals = append(finals, e)
				}
			}
		} else {
			finals, _ = p.step(t0 + 5*minute + 1)
		}
		var opens []candle.Millis
		for _, e := range finals {
			if e.final {
				opens = append(opens, e.row.OpenTime)
			}
			if e.final && e.at < t0+4*minute && e.row.OpenTime > t0-1 {
				t.Errorf("the close of %s came at %s, before the next trade", e.row.OpenTime, e.at)
			}
		}
		if want := []candle.Millis{t0, t0 + minute, t0 + 2*minute, t0 + 3*minute}; len(opens) < 4 || !slices.Equal(opens[:4], want) {
			t.Errorf("closes %v, want %v", opens, want)
		}
	}
}

// SIM-W14, and the promise of every clock: however it jumps, each close comes once and in order.
func TestEveryCloseComesOnceAndInOrderHoweverTheClockJumps(t *testing.T) {
	t.Parallel()
	const closes = 3000
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, closes+5)
	for _, profile := range []string{CloseFast, CloseLoaded, CloseWithNextTrade} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			p := push(m, func(p *Profile) { p.Close = profile }, t0+1, nil)
			now, end := t0+1, t0+(closes+2)*minute
			var finals []candle.Millis
			var open, at candle.Millis
			for i := uint64(0); now < end; i++ {
				now = min(end, now+candle.Millis(draw(3, number(candle.Millis(i)))%uint64(200*minute))) // beyond one chunk in sum
				for next := now; next <= now; {
					var events []*event
					events, next = p.step(now)
					for _, e := range events {
						if e.row.OpenTime < open || e.at < at || e.at > now {
							t.Fatalf("an event of %s at %s follows one of %s at %s; the clock shows %s", e.row.OpenTime, e.at, open, at, now)
						}
						open, at = e.row.OpenTime, e.at
						if e.final {
							finals = append(finals, e.row.OpenTime)
						}
					}
				}
			}
			if len(finals) < closes {
				t.Fatalf("%d closes, want %d", len(finals), closes)
			}
			for i, got := range finals {
				if want := t0 + candle.Millis(i)*minute; got != want {
					t.Fatalf("close %d is of %s, want %s", i, got, want)
				}
			}
		})
	}
}

// A year in one leap is taken in bites, not at once.
func TestALeapOfTheClockIsTakenInChunks(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0, 5000)
	p := push(m, nil, t0+1, nil)
	now := t0 + 5000*minute
	total := 0
	for next := now; next <= now; {
		var events []*event
		events, next = p.step(now)
		n := 0
		for _, e := range events {
			if e.final {
				n++
			}
		}
		if n > chunk+1 {
			t.Fatalf("%d closes in one step", n)
		}
		total += n
	}
	if total < 4999 {
		t.Errorf("%d closes", total)
	}
}

// A subscription between a close and its frame still gets the frame.
func TestASubscriptionJustAfterACloseGetsItsFrame(t *testing.T) {
	t.Parallel()
	m := busy()
	p := push(m, nil, t0+1, nil)
	events := drive(p, t0+1, t0+400)
	if len(events) == 0 || !events[0].final || events[0].row.OpenTime != t0-minute {
		t.Errorf("the close of the minute before comes as %v", events)
	}
}

// SIM-W16
func TestTheMiniTickerOfAllHoldsTheSymbolsThatChanged(t *testing.T) {
	t.Parallel()
	m := busy()
	m.list("QUIET", "QUI", "ET")
	m.bars["QUIET"] = []bar{{open: t0 - minute, o: 100, h: 100, l: 100, c: 100}}
	m.quiet("QUIET", 10)
	x := start(t, m, 10*time.Second, nil)
	all, one, none := x.dial("/stream?streams=!miniTicker@arr"), x.dial("/ws/ethusdt@miniTicker"), x.dial("/ws/quiet@miniTicker")
	for _, c := range []*client{all, one, none} {
		c.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)
		c.read()
	}
	x.clock.Advance(time.Second)
	entry := func(symbol string) string {
		s := x.api.windows.at(symbol, x.clock.Now())
		return fmt.Sprintf(`{"e":"24hrMiniTicker","E":%d,"s":"%s","c":"%s","o":"%s","h":"%s","l":"%s","v":"%s","q":"%s"}`,
			x.clock.Now(), symbol, s.close, s.open, s.high, s.low, s.volume, s.quote)
	}
	if got, want := all.read(), `{"stream":"!miniTicker@arr","data":[`+entry("ETHUSDT")+","+entry("BTCUSDT")+`]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := one.read(), entry("ETHUSDT"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	none.ask(`{"method":"LIST_SUBSCRIPTIONS","id":2}`, `{"result":["quiet@miniTicker"],"id":2}`)
}
