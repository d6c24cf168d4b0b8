package server

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/store"
)

// Market tells what moves at this moment. It may miss something: what is stored, the store knows.
type Market interface {
	// Forming calls show for the forms of a series' candle that is not closed, one at a time.
	Forming(series candle.Series, show func(candle.Candle)) (stop func(), err error)
	// Stored calls tell with a stretch of open times when candles of it have been stored.
	Stored(series candle.Series, tell func(candle.Range)) (stop func(), err error)
}

const (
	// catchUp is how many candles are read at once for a stream.
	catchUp = 500
	// maxHoles bounds the stretches that a stream remembers as not sent; of more the oldest are forgotten.
	maxHoles = 1000
	// watchedHoles are the newest of them, in which the stream looks by itself from time to time.
	watchedHoles = 8
)

// candleStreamInput names a series, and where to begin.
type candleStreamInput struct {
	Symbol    string `query:"symbol" required:"true" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string `query:"timeframe" required:"true" enum:"1s,1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d,3d,1w,1M" doc:"Length of a candle; case matters." example:"1m"`
	Exchange  string `query:"exchange" unset:"binance" doc:"The venue." example:"binance"`
	After     string `query:"after" doc:"Closed candles that open later are sent first: epoch milliseconds or RFC 3339. Left out: those that are stored from now on." example:"1762252200000"`
	LastID    string `header:"Last-Event-ID" doc:"Where a stream broke off, as browsers send it: the open time of the newest closed candle that came, epoch milliseconds. It counts instead of after." example:"1762252200000"`
}

// candleStream answers GET /api/candles/stream.
func (s *Server) candleStream(ctx context.Context, in *candleStreamInput) (*stream, error) {
	series, err := s.parseSeries(in.Symbol, in.Timeframe, in.Exchange)
	if err != nil {
		return nil, err
	}
	f := &follower{series: series, candles: s.cfg.Candles, cursor: candle.MinMillis - 1}
	name, text := "after", in.After
	if in.LastID != "" {
		name, text = "Last-Event-ID", in.LastID
	}
	if text != "" {
		if f.cursor, err = candle.ParseMillis(text); err != nil {
			return nil, invalid(api.CodeInvalidTime, err, "name", name, "value", text)
		}
	} else {
		// Asked first, because a stream has said 200 before its first event.
		newest := store.Query{Series: series, Limit: 1, Descending: true}
		if err := s.cfg.Candles.EachCandle(ctx, newest, func(c candle.Candle) error {
			f.cursor = c.OpenTime
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return &stream{func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		s.sendEvents(w, r, func(ctx context.Context, events *eventWriter) error {
			f.events = events
			return s.followCandles(ctx, f)
		})
	}}, nil
}

// followCandles sends what is stored, and how the next one forms, until ctx ends. What is sent as closed
// is read from the store: whoever tells that something was stored only says when to look. So a slow
// client delays nobody, and nothing is kept for it.
func (s *Server) followCandles(ctx context.Context, f *follower) error {
	box := newMailbox()
	// Listening begins before the first look, so that nothing falls between the two.
	for _, listen := range []func() (func(), error){
		func() (func(), error) { return s.cfg.Market.Stored(f.series, box.stored) },
		func() (func(), error) { return s.cfg.Market.Forming(f.series, box.form) },
	} {
		stop, err := listen()
		if err != nil {
			return err
		}
		defer stop()
	}
	look := time.NewTicker(s.patience.look)
	defer look.Stop()
	var calm <-chan time.Time // while it is not nil, the forming candle is not shown
	troubled := false
	due, owed := f.recent(), nothing() // where to look now, and what was not looked at
	for {
		owed = together(owed, due)
		err := f.send(ctx, due)
		var unread *readError
		switch {
		case errors.As(err, &unread):
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !troubled {
				troubled = true
				body, err := s.fail(ctx, unread.err).MarshalJSON()
				if err == nil {
					err = f.events.event("trouble", string(body))
				}
				if err != nil {
					return err
				}
			}
		case err != nil:
			return err
		case !due.Empty():
			troubled, owed = false, nothing()
		}
		if calm == nil {
			if forming, ok := box.takeForming(); ok && forming.OpenTime > f.cursor {
				if err := f.events.say("forming", wireCandle(forming)); err != nil {
					return err
				}
				calm = time.After(s.patience.forming)
			}
		}
		due = nothing()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-box.signal:
			if owed = together(owed, box.takeStored()); !troubled {
				due = owed
			}
		case <-calm:
			calm = nil
		case <-look.C:
			due = together(f.recent(), owed)
		}
	}
}

// follower is how far one stream of candles has come.
type follower struct {
	series  candle.Series
	candles Candles
	events  *eventWriter
	cursor  candle.Millis  // open time of the newest candle that was sent, or behind which the stream begins
	holes   []candle.Range // stretches before it of which nothing was sent, oldest first
}

// readError tells that the store could not be read, from a client that has gone.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// recent is the stretch in which to look without having been told.
func (f *follower) recent() candle.Range {
	from := f.cursor + 1
	if n := len(f.holes); n > 0 {
		from = f.holes[max(0, n-watchedHoles)].From
	}
	return candle.Range{From: from, To: candle.MaxMillis}
}

// send sends what is stored in a stretch and was not sent before: first what lies in holes, then what is
// new.
func (f *follower) send(ctx context.Context, due candle.Range) error {
	if due.Empty() {
		return nil
	}
	for i := 0; i < len(f.holes); i++ {
		within := candle.Range{From: max(f.holes[i].From, due.From), To: min(f.holes[i].To, due.To)}
		for !within.Empty() {
			page, err := f.read(ctx, within)
			if err != nil {
				return err
			}
			for _, c := range page {
				// Without an id: a client that comes back begins where the newest one was.
				if err := f.events.say("closed", wireCandle(c)); err != nil {
					return err
				}
				hole := f.holes[i]
				before, after := candle.Range{From: hole.From, To: c.OpenTime - 1}, candle.Range{From: c.OpenTime + 1, To: hole.To}
				f.holes = slices.Replace(f.holes, i, i+1, before, after)
				i++
				within.From = c.OpenTime + 1
			}
			if len(page) < catchUp {
				break
			}
		}
	}
	f.tidy()
	for due.To > f.cursor {
		page, err := f.read(ctx, candle.Range{From: f.cursor + 1, To: candle.MaxMillis})
		if err != nil {
			return err
		}
		for _, c := range page {
			if err := f.sendClosed(c); err != nil {
				return err
			}
		}
		if len(page) < catchUp {
			break
		}
	}
	return nil
}

// read gives the first candles of a stretch, at most catchUp. No store is held while they are sent.
func (f *follower) read(ctx context.Context, r candle.Range) (page []candle.Candle, err error) {
	err = f.candles.EachCandle(ctx, store.Query{Series: f.series, Range: r, Limit: catchUp}, func(c candle.Candle) error {
		page = append(page, c)
		return nil
	})
	if err != nil {
		return nil, &readError{err}
	}
	return page, nil
}

// sendClosed sends the next candle.
func (f *follower) sendClosed(c candle.Candle) error {
	if err := f.events.sayAs(strconv.FormatInt(int64(c.OpenTime), 10), "closed", wireCandle(c)); err != nil {
		return err
	}
	if next := f.series.Timeframe.Next(f.cursor); f.cursor < candle.MinMillis || next < c.OpenTime {
		f.holes = append(f.holes, candle.Range{From: f.cursor + 1, To: c.OpenTime - 1})
	}
	f.cursor = c.OpenTime
	return nil
}

// tidy drops holes that hold no open time any more, and the oldest ones where there are too many.
func (f *follower) tidy() {
	f.holes = slices.DeleteFunc(f.holes, func(r candle.Range) bool {
		open, anchored := f.series.Timeframe.Floor(r.To)
		return r.Empty() || (anchored && open < r.From)
	})
	if over := len(f.holes) - maxHoles; over > 0 {
		f.holes = slices.Delete(f.holes, 0, over)
	}
}

// mailbox keeps what was told until the stream comes round to it: one stretch, and one candle.
type mailbox struct {
	signal chan struct{} // holds one when there is something

	mu      sync.Mutex
	due     candle.Range
	forming *candle.Candle
}

func newMailbox() *mailbox { return &mailbox{signal: make(chan struct{}, 1), due: nothing()} }

func (m *mailbox) change(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
	select {
	case m.signal <- struct{}{}:
	default: // it is about to look
	}
}

func (m *mailbox) stored(r candle.Range) {
	m.change(func() { m.due = together(m.due, r) })
}

func (m *mailbox) form(c candle.Candle) { m.change(func() { m.forming = &c }) }

func (m *mailbox) takeStored() candle.Range {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := m.due
	m.due = nothing()
	return due
}

func (m *mailbox) takeForming() (c candle.Candle, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forming == nil {
		return c, false
	}
	c, m.forming = *m.forming, nil
	return c, true
}

// nothing is a stretch without an open time.
func nothing() candle.Range { return candle.Range{From: 0, To: -1} }

// together gives the stretch from the beginning of one to the end of the other.
func together(a, b candle.Range) candle.Range {
	switch {
	case a.Empty():
		return b
	case b.Empty():
		return a
	}
	return candle.Range{From: min(a.From, b.From), To: max(a.To, b.To)}
}
