// Package exchange is the contract between the loops that collect and the adapters of the venues.
// exchangetest holds what every adapter must pass. An adapter hides a venue's spelling and order,
// its pages and its pings; it never hides what the venue said: times and digits are the venue's.
//
// Errors carry a problem.Kind: Invalid or NotFound for an unknown symbol, Unavailable for what may
// be tried again, Banned (a *BanError in the chain) when the venue named a time to stay away until.
package exchange

import (
	"context"
	"fmt"
	"time"

	"velador/internal/candle"
)

// Exchange is one venue, spot market.
type Exchange interface {
	// Name is the venue's name in lower case, as in candle.Series.
	Name() string
	Clock
	Catalogue
	History
	Streamer
}

// Clock reads the venue's clock. It is the only clock that says whether a candle has closed: a
// simulator runs a thousand times faster than ours.
type Clock interface {
	Time(ctx context.Context) (candle.Millis, error)
}

// Market is one symbol of a venue.
type Market struct {
	Symbol  string // the venue's own spelling
	Base    string // asset traded
	Quote   string // asset paid with
	Trading bool   // orders are matched now; history is served either way
	Status  string // the venue's word for its condition
}

// Catalogue lists the venue's markets, those that do not trade now included.
type Catalogue interface {
	Markets(ctx context.Context) ([]Market, error)
}

// SettlesAfter is how long after a candle's close what a venue's history says of it is taken for final:
// frames were seen that were older than what they closed, and history trails the matching engine
// (EXCHANGES.md 2.3, 2.12).
const SettlesAfter = 5 * time.Minute

// Page is one answer of a venue's history.
type Page struct {
	// Candles are the closed candles of the range, ascending by open time, without doubles. A
	// candle is closed when its close time lies before AsOf by the adapter's safety margin: the
	// venue's history may trail its matching engine.
	Candles []candle.Candle
	// Unclosed is the open time of the oldest row of the answer that was not closed yet, 0 when
	// every row was. Such a row is proof that the venue has data up to there.
	Unclosed candle.Millis
	// AsOf is a time that the venue's clock had reached before it answered.
	AsOf candle.Millis
	// Full tells that the page held as many rows as the venue gives at once: more may follow.
	Full bool
}

// History reads candles of the past.
type History interface {
	// Candles asks for the candles that opened within r and answers with the oldest page of them.
	// No rows and no error means that the venue has none there, or none yet.
	Candles(ctx context.Context, symbol string, tf candle.Timeframe, r candle.Range) (Page, error)
}

// Sparse is what an adapter offers beside the contract whose venue has no row for an interval in which
// nothing was traded. There a step that is missing between two rows is absent by the venue's word, and
// nobody asks for it again; elsewhere, as at Binance, it takes several answers to believe that.
type Sparse interface {
	// Sparse tells whether it is so of a timeframe.
	Sparse(tf candle.Timeframe) bool
}

// Streamer opens live connections.
type Streamer interface {
	// Dial connects and begins to subscribe the symbols' candles; it returns when the connection
	// stands. Subscribed arrives as an event, when the venue has acknowledged all of them.
	Dial(ctx context.Context, tf candle.Timeframe, symbols []string) (Conn, error)
	// MaxStreams is how many symbols one connection may carry.
	MaxStreams() int
	// MaxAge is how long to keep a connection before a new one replaces it.
	MaxAge() time.Duration
}

// Conn is one live connection. A venue never replays what was missed: after an error the caller
// dials again and back-fills by History.
type Conn interface {
	// Receive waits for the next event. It returns an error when the connection is gone, when the
	// venue said nothing at all for longer than its rules allow, or when ctx ends; the connection
	// is of no use then. Only one goroutine may call it.
	Receive(ctx context.Context) (Event, error)
	// Close ends the connection and waits for all that it started. It may be called at any time,
	// and more than once.
	Close() error
}

// EventKind says what an Event is.
type EventKind uint8

const (
	// Update brings a candle as it is now, forming or closed.
	Update EventKind = iota + 1
	// Subscribed tells that the venue has acknowledged every subscription. It proves syntax only: an unknown
	// symbol is acknowledged too, and stays silent (EXCHANGES.md 2.11).
	Subscribed
	// Shutdown tells that the venue will close this connection soon; open another one now.
	Shutdown
)

// Event is what a connection brings.
type Event struct {
	Kind   EventKind
	Symbol string        // of an Update
	Candle candle.Candle // of an Update: a whole snapshot, not a change
	Closed bool          // of an Update: the venue says that this is the candle's last word
	At     candle.Millis // the venue's time of the event; 0 when it names none
}

// BanError tells that a venue refuses every request until a time.
type BanError struct {
	Exchange string
	Status   int       // the HTTP status: 429 or 418
	Until    time.Time // by our own clock
}

// Error names the venue and the time.
func (e *BanError) Error() string {
	return fmt.Sprintf("%s refuses requests until %s (HTTP status %d)", e.Exchange, e.Until.UTC().Format(time.RFC3339), e.Status)
}

// Budget is what a venue allows one address. All that talk to the venue from here draw on it.
type Budget interface {
	// Spend waits until weight more may be spent, or until ctx ends. While the venue has banned us
	// it returns a *BanError at once.
	Spend(ctx context.Context, weight int) error
	// Connect waits until another connection may be attempted.
	Connect(ctx context.Context) error
	// Observe notes the venue's own count of the weight used in the window that runs now.
	Observe(used int)
	// SetLimit sets the weight that the venue allows in one window.
	SetLimit(weight int, window time.Duration)
	// Ban stops all spending until a time.
	Ban(ban BanError)
}
