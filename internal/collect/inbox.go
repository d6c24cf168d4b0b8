package collect

import (
	"context"
	"sync"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// event is what a feed brings to the loop.
type event struct {
	kind exchange.EventKind // Update or Subscribed

	symbol string // of an Update
	candle candle.Candle
	closed bool
	at     candle.Millis

	symbols  []string // of a Subscribed: what the connection carries
	overlaps bool     // the connection before it was still there: nothing was missed
}

// older tells that another frame of the same symbol says more: of two connections that overlap, the
// slower one may repeat what the other has said.
func (e event) older(than event) bool {
	if e.candle.OpenTime != than.candle.OpenTime {
		return e.candle.OpenTime < than.candle.OpenTime
	}
	return e.at < than.at
}

// inboxBase is how many closed candles an inbox holds beside two for each symbol: a minute of one
// symbol's at 1s, so that a bus that starts anew breaks no connection, in some 16 KiB.
const inboxBase = 64

// inbox stands between a connection, which must be read at once or the exchange drops it, and the
// loop, which may wait for the bus. Closed candles queue up to a bound; of the forming ones, each of
// which is a whole snapshot, only the newest of a symbol is kept.
type inbox struct {
	wake chan<- struct{}

	mu      sync.Mutex
	queue   []event
	limit   int
	forming map[string]event
	spare   map[string]event // the empty one that take puts in its place
	taken   chan struct{}    // cap 1: something was taken since the inbox was full
}

func newInbox(wake chan<- struct{}) *inbox {
	return &inbox{wake: wake, limit: inboxBase, forming: make(map[string]event), spare: make(map[string]event), taken: make(chan struct{}, 1)}
}

// widen makes room for further symbols.
func (i *inbox) widen(symbols int) {
	i.mu.Lock()
	i.limit += 2 * symbols
	i.mu.Unlock()
}

// put keeps an event; false means that there is no room.
func (i *inbox) put(e event) bool {
	i.mu.Lock()
	switch {
	case e.kind == exchange.Update && !e.closed:
		if newer, ok := i.forming[e.symbol]; !ok || !e.older(newer) {
			i.forming[e.symbol] = e
		}
	case len(i.queue) >= i.limit:
		select { // only what is taken from now on makes room
		case <-i.taken:
		default:
		}
		i.mu.Unlock()
		return false
	default:
		i.queue = append(i.queue, e)
	}
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
	return true
}

// take hands over what was there when it was called: what queued in its order, then the forming
// candles. A closed candle thereby never comes after a forming one that it preceded.
func (i *inbox) take(each func(event)) {
	i.mu.Lock()
	queue, forming := i.queue, i.forming
	if len(queue) == 0 && len(forming) == 0 {
		i.mu.Unlock()
		return
	}
	i.queue, i.forming = nil, i.spare
	i.mu.Unlock()
	for _, e := range queue {
		each(e)
	}
	for _, e := range forming {
		each(e)
	}
	clear(forming)
	i.spare = forming
	select {
	case i.taken <- struct{}{}:
	default:
	}
}

// awaitTaken waits, after put has found no room, until the loop has taken what there was, or until
// ctx ends.
func (i *inbox) awaitTaken(ctx context.Context) {
	select {
	case <-i.taken:
	case <-ctx.Done():
	}
}
