package collect

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"velador/internal/backoff"
	"velador/internal/exchange"
)

// How connections are kept, in our own time.
const (
	subscribeTimeout = time.Minute      // from a connection that stands to Subscribed
	steadyAfter      = time.Minute      // a connection that lived so long ends a run of failures
	overlapFor       = 5 * time.Second  // a connection that was replaced is read on
	afterBan         = 10 * time.Second // those that a ban has stopped dial within that time of its end
	renewEvery       = 5 * time.Minute  // between two reconnects for the sake of a silent symbol
	renewAtMost      = 6 * time.Hour    // the same when they do not help
)

// ageSpread is by what share of its age, at most, a connection is replaced early: of 23 h 30 min some
// 70 minutes. Five hundred collectors that were started together then dial 36 times in five minutes,
// where 300 are allowed.
const ageSpread = 0.05

// dialPolicy spaces the attempts to connect. Binance allows 300 in five minutes for one address
// (EXCHANGES.md 2.10), which the adapter's budget watches over.
var dialPolicy = backoff.Policy{First: 250 * time.Millisecond, Cap: 30 * time.Second, Jitter: 0.5}

var (
	errOverflow    = errors.New("what the connection brings is not taken: the bus is away, or this machine is too slow")
	errUnconfirmed = errors.New("the subscriptions were not confirmed in time")
)

// feed keeps one connection for a part of the symbols: it dials, dials again when the connection
// breaks, and replaces it by another one, make-before-break, when it is old, when the exchange is
// about to close it, or when it was asked to.
type feed struct {
	exchange   exchange.Exchange
	dial       func(ctx context.Context, symbols []string) (exchange.Conn, error)
	log        *slog.Logger
	inbox      *inbox
	renew      chan struct{} // cap 1: replace the connection
	up         atomic.Bool   // the subscriptions of a connection stand
	frames     *atomic.Uint64
	reconnects func()
	failed     func(error) // hears why a connection could not be had, or was lost

	mu       sync.Mutex
	symbols  []string
	standing int // lines whose subscriptions stand: two while one replaces the other

	// Of the goroutine in run.
	hurried  int            // replacements in a row, none of which lived for steadyAfter
	leave    func()         // ends the line that was replaced last, if it is still read
	retiring sync.WaitGroup // the goroutine that does so

	// Of the loop's goroutine.
	renewals   int       // for silent symbols, in a row
	renewAt    time.Time // no such one before
	renewedFor *follower // whose silence was the reason of the last one
	renewedAt  time.Time
}

// line is one connection with the goroutine that reads it.
type line struct {
	conn       exchange.Conn
	born       time.Time
	subscribed chan struct{} // closed when the exchange has confirmed all subscriptions
	shutdown   chan struct{} // closed when the exchange says that it will close the connection
	ended      chan struct{} // closed when nothing more is read
	err        error         // why; read it after ended
}

// connect spreads new symbols over connections: those with room first, then further ones.
func (c *Collector) connect(ctx context.Context, symbols []string) {
	most := max(1, c.config.Exchange.MaxStreams())
	assign := func(f *feed, some []string) {
		for _, symbol := range some {
			c.bySymbol[symbol].feed = f
		}
		f.inbox.widen(len(some))
	}
	for _, f := range c.feeds {
		f.mu.Lock()
		some := symbols[:min(len(symbols), most-len(f.symbols))]
		f.symbols = append(f.symbols[:len(f.symbols):len(f.symbols)], some...)
		f.mu.Unlock()
		if len(some) > 0 {
			assign(f, some)
			f.replaceSoon()
		}
		symbols = symbols[len(some):]
	}
	for len(symbols) > 0 {
		some := symbols[:min(len(symbols), most)]
		symbols = symbols[len(some):]
		f := &feed{
			exchange: c.config.Exchange, log: c.log, symbols: some, inbox: newInbox(c.wake), renew: make(chan struct{}, 1),
			dial: func(ctx context.Context, symbols []string) (exchange.Conn, error) {
				return c.config.Exchange.Dial(ctx, c.config.Spec.Timeframe, symbols)
			},
			frames:     &c.frames,
			reconnects: func() { c.count(func(n *Snapshot) { n.Reconnects++ }) },
			failed:     c.noteBan,
		}
		assign(f, some)
		c.feeds = append(c.feeds, f)
		c.running.Go(func() { f.run(ctx) })
	}
}

// replaceSoon asks for another connection.
func (f *feed) replaceSoon() {
	select {
	case f.renew <- struct{}{}:
	default:
	}
}

// run keeps the feed connected until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.retiring.Wait()
	var current *line
	failures := 0
	var down time.Time // since when there is no connection, while that is worth a word
	lost := func(err error) {
		f.failed(err)
		if down.IsZero() {
			down = time.Now()
			f.log.Warn("the stream is interrupted; connecting again", "error", err)
		}
	}
	for opened := false; ctx.Err() == nil; {
		if current == nil {
			next, err := f.open(ctx, nil)
			if ctx.Err() != nil {
				f.close(next)
				return
			}
			if err != nil {
				lost(err)
				sleep(ctx, dialPause(err, failures))
				failures++
				continue
			}
			if opened {
				f.reconnects()
			}
			current, opened = next, true
			if !down.IsZero() {
				f.log.Info("the stream flows again", "after", time.Since(down).Round(time.Millisecond))
				down = time.Time{}
			}
		}
		var err error
		current, err = f.keep(ctx, current)
		if err == nil || ctx.Err() != nil {
			continue
		}
		lived := time.Since(current.born)
		f.close(current)
		current = nil
		lost(err)
		if lived > steadyAfter {
			failures = 0
		}
		if errors.Is(err, errOverflow) {
			f.inbox.awaitTaken(ctx)
		}
		sleep(ctx, dialPause(err, failures))
		failures++
	}
	f.close(current)
}

// dialPause gives the wait after a failure. All whom a ban has stopped would return in the second in
// which it ends, and be banned for that.
func dialPause(err error, attempt int) time.Duration {
	pause := pauseAfter(err, dialPolicy, attempt)
	var ban *exchange.BanError
	if errors.As(err, &ban) && time.Now().Before(ban.Until) {
		pause += time.Duration(rand.Int64N(int64(min(afterBan, pause))))
	}
	return pause
}

// lifetime is for how long a connection is kept of which the exchange bears age; random is in [0, 1).
func lifetime(age time.Duration, random float64) time.Duration {
	return age - time.Duration(float64(age)*ageSpread*random)
}

// keep waits until the connection ends, which is the error, or until it is time for another one,
// which takes its place without a moment in between: it stands before the old one is let go.
func (f *feed) keep(ctx context.Context, current *line) (*line, error) {
	timer := time.NewTimer(time.Until(current.born.Add(lifetime(f.exchange.MaxAge(), rand.Float64()))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return current, nil
	case <-current.ended:
		return current, current.err
	case <-timer.C:
	case <-current.shutdown:
	case <-f.renew:
	}
	if time.Since(current.born) >= steadyAfter {
		f.hurried = 0
	}
	// The first replacement comes at once. An exchange that stops all its servers says so to every new
	// connection: those that follow soon have to wait, and so have those that fail.
	var err error
	for attempt := f.hurried; ; attempt++ {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return current, nil
			case <-current.ended:
				return current, current.err
			case <-time.After(dialPause(err, attempt-1)):
			}
		}
		var next *line
		if next, err = f.open(ctx, current); err == nil {
			f.hurried++
			f.retire(ctx, current)
			f.reconnects()
			return next, nil
		}
		if ctx.Err() != nil {
			return current, nil
		}
		f.failed(err)
	}
}

// retire reads on what a connection that was replaced still brings, and then ends it: a closing frame
// may be on its way in it that was sent before the new one was subscribed, and what comes twice is
// told from what is new by its open time.
func (f *feed) retire(ctx context.Context, old *line) {
	if f.leave != nil {
		f.leave() // never more than two
		f.retiring.Wait()
	}
	ctx, f.leave = context.WithTimeout(ctx, overlapFor)
	f.retiring.Go(func() {
		select {
		case <-ctx.Done():
		case <-old.ended:
		}
		f.close(old)
	})
}

// open dials and waits until the subscriptions stand. before is the connection that it will replace.
func (f *feed) open(ctx context.Context, before *line) (*line, error) {
	f.mu.Lock()
	symbols := f.symbols
	f.mu.Unlock()
	conn, err := f.dial(ctx, symbols)
	if err != nil {
		return nil, err
	}
	l := &line{conn: conn, born: time.Now(), subscribed: make(chan struct{}), shutdown: make(chan struct{}), ended: make(chan struct{})}
	go f.read(ctx, l, before, symbols) // close waits for it
	timer := time.NewTimer(subscribeTimeout)
	defer timer.Stop()
	select {
	case <-l.subscribed:
		return l, nil
	case <-l.ended:
		f.close(l)
		return nil, l.err
	case <-timer.C:
		f.close(l)
		return nil, errUnconfirmed
	}
}

// read passes on what the connection brings, until it ends.
func (f *feed) read(ctx context.Context, l *line, before *line, symbols []string) {
	confirmed, leaving := false, false
	defer func() {
		if confirmed {
			f.stands(-1)
		}
		close(l.ended)
	}()
	for {
		e, err := l.conn.Receive(ctx)
		if err != nil {
			l.err = err
			return
		}
		kept := true
		switch e.Kind {
		case exchange.Subscribed:
			if confirmed {
				continue
			}
			confirmed = true
			f.stands(+1)
			kept = f.inbox.put(event{kind: exchange.Subscribed, symbols: symbols, overlaps: before != nil && !before.gone()})
			close(l.subscribed)
		case exchange.Shutdown:
			if !leaving {
				leaving = true
				close(l.shutdown)
			}
		case exchange.Update:
			f.frames.Add(1)
			kept = f.inbox.put(event{kind: exchange.Update, symbol: e.Symbol, candle: e.Candle, closed: e.Closed, at: e.At})
		}
		if !kept {
			l.err = errOverflow
			return
		}
	}
}

// stands counts the lines whose subscriptions stand.
func (f *feed) stands(more int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.standing += more
	f.up.Store(f.standing > 0)
}

func (l *line) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// close ends a connection and waits for its reader. A connection that is gone already has told why;
// what closing it says is of no more use.
func (f *feed) close(l *line) {
	if l == nil {
		return
	}
	_ = l.conn.Close()
	<-l.ended
}
