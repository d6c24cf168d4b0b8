package collect

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// venue is an exchange that works, over a market that is written down beforehand, on a clock that
// runs speed times as fast as the test's. Its faults are functions of its own time and of the candle,
// so that a run can be told from its table.
type venue struct {
	tf    candle.Timeframe
	rows  map[string][]candle.Candle // what truly happened, by symbol, ascending
	start candle.Millis              // its time when it was born
	speed int64
	born  time.Time

	page       int // rows of a full page
	margin     time.Duration
	maxStreams int
	maxAge     time.Duration
	restDelay  time.Duration // ours

	frame     func(symbol string, open candle.Millis) fate      // of a closing frame
	hidden    func(symbol string, open, now candle.Millis) bool // rows that history lacks
	refuses   func(symbol string, now candle.Millis) error      // history's error, if any
	unreached func(now candle.Millis) error                     // of a dial
	deaf      func(connection int, symbol string) bool          // no frames, though acknowledged
	cuts      []candle.Millis                                   // when every connection breaks
	shutdowns []candle.Millis                                   // when it is announced that they will, ten seconds later
	extra     func(symbol string) []arrival                     // frames that tell lies
	wrong     func(symbol string, open candle.Millis) bool      // closing frames with values that are not the market's

	mu       sync.Mutex
	asked    []candle.Millis // when history was asked
	told     int             // how often the time was
	dialed   []candle.Millis
	open     int // connections
	mostOpen int
}

// fate is what becomes of a closing frame.
type fate struct {
	lost  bool
	late  time.Duration
	again bool // it comes a second time, a second later
}

func newVenue(tf candle.Timeframe, start string, have map[string]string) *venue {
	v := &venue{
		tf: tf, rows: make(map[string][]candle.Candle), start: instant(start), speed: 1, born: time.Now(),
		page: 100, margin: 3 * time.Second, maxStreams: 100, maxAge: 24 * time.Hour, restDelay: 50 * time.Millisecond,
	}
	for symbol, text := range have {
		v.rows[symbol] = bars(tf, text)
	}
	return v
}

// bars makes the candles of stretches such as "10:00..10:05 10:08".
func bars(tf candle.Timeframe, stretches string) []candle.Candle {
	var rows []candle.Candle
	for _, stretch := range strings.Fields(stretches) {
		from, to, _ := strings.Cut(stretch, "..")
		first, last := instant(from), instant(cmp.Or(to, from))
		for open := first; open <= last; open = tf.Next(open) {
			c := bar(open)
			c.CloseTime = tf.Next(open) - 1
			rows = append(rows, c)
		}
	}
	return rows
}

func (v *venue) now() candle.Millis {
	return v.start.Add(time.Since(v.born) * time.Duration(v.speed))
}

// until gives how long, in our time, it takes the venue's clock to reach at.
func (v *venue) until(at candle.Millis) time.Duration {
	return max(0, (at.Sub(v.now())+time.Duration(v.speed)-1)/time.Duration(v.speed))
}

func (v *venue) Name() string { return "test" }

func (v *venue) Time(ctx context.Context) (candle.Millis, error) {
	v.mu.Lock()
	v.told++
	v.mu.Unlock()
	if v.refuses != nil {
		if err := v.refuses("", v.now()); err != nil {
			return 0, err
		}
	}
	return v.now(), nil
}

func (v *venue) Markets(context.Context) ([]exchange.Market, error) {
	var all []exchange.Market
	for symbol, rows := range v.rows {
		all = append(all, exchange.Market{Symbol: symbol, Trading: rows[0].OpenTime <= v.now() && !strings.HasPrefix(symbol, "OLD")})
	}
	slices.SortFunc(all, func(a, b exchange.Market) int { return strings.Compare(a.Symbol, b.Symbol) })
	return all, nil
}

func (v *venue) Candles(ctx context.Context, symbol string, tf candle.Timeframe, r candle.Range) (exchange.Page, error) {
	v.mu.Lock()
	v.asked = append(v.asked, v.now())
	v.mu.Unlock()
	page := exchange.Page{AsOf: v.now()}
	if !sleep(ctx, v.restDelay) {
		return page, ctx.Err()
	}
	if v.refuses != nil {
		if err := v.refuses(symbol, v.now()); err != nil {
			return page, err
		}
	}
	n := 0
	for _, c := range v.rows[symbol] {
		if !r.Contains(c.OpenTime) || c.OpenTime > v.now() || v.hidden != nil && v.hidden(symbol, c.OpenTime, v.now()) {
			continue
		}
		if n++; n > v.page {
			page.Full = true
			break
		}
		if max(c.CloseTime, tf.Next(c.OpenTime)-1).Add(v.margin) < page.AsOf {
			page.Candles = append(page.Candles, c)
		} else if page.Unclosed == 0 {
			page.Unclosed = c.OpenTime
		}
	}
	page.Full = n >= v.page
	return page, nil
}

func (v *venue) MaxStreams() int       { return v.maxStreams }
func (v *venue) MaxAge() time.Duration { return v.maxAge }

// Dial opens a connection that brings, from now on, frames of each candle two seconds after its open
// and in its middle, and its closing frame.
func (v *venue) Dial(ctx context.Context, tf candle.Timeframe, symbols []string) (exchange.Conn, error) {
	now := v.now()
	if v.unreached != nil {
		if err := v.unreached(now); err != nil {
			return nil, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dialed = append(v.dialed, now)
	v.open++
	v.mostOpen = max(v.mostOpen, v.open)
	c := &wire{venue: v, closed: make(chan struct{}), events: []arrival{{now + 1, exchange.Event{Kind: exchange.Subscribed}}}}
	for _, symbol := range symbols {
		if v.deaf != nil && v.deaf(len(v.dialed), symbol) {
			continue
		}
		c.events = append(c.events, v.frames(symbol, now)...)
	}
	for _, at := range v.shutdowns {
		if at <= now {
			continue // that server is another one
		}
		c.events = append(c.events, arrival{at, exchange.Event{Kind: exchange.Shutdown, At: at}})
		c.cuts = append(c.cuts, at.Add(10*time.Second))
	}
	c.cuts = append(c.cuts, v.cuts...)
	c.events = slices.DeleteFunc(c.events, func(e arrival) bool { return e.at <= now })
	c.cuts = slices.DeleteFunc(c.cuts, func(at candle.Millis) bool { return at <= now })
	slices.Sort(c.cuts)
	slices.SortStableFunc(c.events, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return c, nil
}

func (v *venue) frames(symbol string, from candle.Millis) []arrival {
	var events []arrival
	add := func(e exchange.Event) { events = append(events, arrival{e.At, e}) }
	for _, c := range v.rows[symbol] {
		end := max(c.CloseTime, v.tf.Next(c.OpenTime)-1)
		if end.Add(10*time.Minute) < from {
			continue
		}
		forming := c
		forming.Close, forming.Volume, forming.Trades = c.Open, candle.MustDecimal("0"), 0
		for _, at := range []candle.Millis{c.OpenTime.Add(2 * time.Second), c.OpenTime + (end-c.OpenTime)/2} {
			add(exchange.Event{Kind: exchange.Update, Symbol: symbol, Candle: forming, At: at})
		}
		var f fate
		if v.frame != nil {
			f = v.frame(symbol, c.OpenTime)
		}
		closing := exchange.Event{Kind: exchange.Update, Symbol: symbol, Candle: c, Closed: true, At: (end + 5).Add(f.late)}
		if v.wrong != nil && v.wrong(symbol, c.OpenTime) {
			closing.Candle.Close, closing.Candle.Trades = c.Open, c.Trades/2
		}
		if !f.lost {
			add(closing)
		}
		if f.again {
			closing.At = closing.At.Add(time.Second)
			add(closing)
		}
	}
	if v.extra != nil {
		events = append(events, v.extra(symbol)...)
	}
	return events
}

// arrival is an event and when it comes, whatever it says itself.
type arrival struct {
	at    candle.Millis
	event exchange.Event
}

// wire is one connection of a venue.
type wire struct {
	venue  *venue
	events []arrival
	cuts   []candle.Millis
	once   sync.Once
	closed chan struct{}
}

var errCut = errors.New("the connection was cut")

func (w *wire) Receive(ctx context.Context) (exchange.Event, error) {
	next, cut := time.Duration(1<<62), time.Duration(1<<62)
	if len(w.events) > 0 {
		next = w.venue.until(w.events[0].at)
	}
	if len(w.cuts) > 0 {
		cut = w.venue.until(w.cuts[0])
	}
	timer := time.NewTimer(min(next, cut))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return exchange.Event{}, ctx.Err()
	case <-w.closed:
		return exchange.Event{}, net.ErrClosed
	case <-timer.C:
	}
	if cut < next {
		return exchange.Event{}, errCut
	}
	e := w.events[0].event
	w.events = w.events[1:]
	return e, nil
}

func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.venue.mu.Lock()
		w.venue.open--
		w.venue.mu.Unlock()
	})
	return nil
}
