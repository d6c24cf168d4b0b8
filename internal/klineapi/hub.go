package klineapi

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"velador/internal/candle"
)

// hub drives all streams that have subscribers, on the exchange's clock, from one goroutine.
type hub struct {
	api *API

	mu       sync.Mutex
	feeds    map[string]*feed
	queue    feedQueue
	sleeping candle.Millis // the hub sleeps until then
	wake     context.CancelFunc
}

// feed is one stream with subscribers.
type feed struct {
	topic topic
	push  pusher
	subs  map[*conn]struct{}
	due   candle.Millis
	index int // in the queue

	previous *event   // the last one sent, for stale repeats
	held     []*event // to be sent after the next one, by fault
}

func newHub(a *API) *hub {
	return &hub{api: a, feeds: make(map[string]*feed), wake: func() {}}
}

// subscribe adds a connection to streams, each of which starts if it is the first one. ack, if there
// is one, goes out before any frame; and nothing is pushed between it and the subscription, so whoever
// has read it misses no frame.
func (h *hub) subscribe(c *conn, topics []topic, ack func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ack != nil {
		ack()
	}
	for _, t := range topics {
		h.add(c, t)
	}
}

// add adds a connection to one stream; the lock is held.
func (h *hub) add(c *conn, t topic) {
	if t.kind == topicSilent {
		return
	}
	f := h.feeds[t.name]
	if f == nil {
		f = &feed{topic: t, subs: make(map[*conn]struct{})}
		now := h.api.clock.Now()
		if t.kind == topicKline {
			p := newKlinePush(h.api.source, &h.api.profile, &f.topic, now, func() { h.api.tally.closesLost.Add(1) })
			f.push, f.due = p, p.next(now, p.ticked)
		} else {
			p := newMiniPush(h.api.source, h.api.windows, &f.topic, candle.Millis(h.api.profile.TickMini.millis()), now)
			f.push, f.due = p, p.ticked+p.every
		}
		h.feeds[t.name] = f
		heap.Push(&h.queue, f)
		h.api.tally.streams.Add(1)
		if f.due < h.sleeping {
			h.wake()
		}
	}
	f.subs[c] = struct{}{}
}

// unsubscribe takes a connection off a stream, which ends with its last subscriber.
func (h *hub) unsubscribe(c *conn, t topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.feeds[t.name]
	if f == nil {
		return
	}
	delete(f.subs, c)
	if len(f.subs) == 0 {
		delete(h.feeds, t.name)
		heap.Remove(&h.queue, f.index)
		h.api.tally.streams.Add(-1)
	}
}

// run pushes what is due until ctx ends.
func (h *hub) run(ctx context.Context) {
	pace := time.Duration(h.api.profile.HubPace)
	var round time.Time
	for ctx.Err() == nil {
		if !h.sleep(ctx) {
			continue
		}
		if rest := pace - time.Since(round); rest > 0 && !wait(ctx, rest) {
			return
		}
		round = time.Now()
		h.round()
	}
}

// sleep waits for the next due stream; false when it was woken because an earlier one has come.
func (h *hub) sleep(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.mu.Lock()
	h.wake, h.sleeping = cancel, never
	if len(h.queue) > 0 {
		h.sleeping = h.queue[0].due
	}
	until := h.sleeping
	h.mu.Unlock()
	if until == never {
		<-ctx.Done()
		return false
	}
	return h.api.clock.Sleep(ctx, until) == nil
}

// wait passes wall time; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// round serves each stream that is due once. The clock is read anew for each one: ticks that have
// passed meanwhile are taken together. The lock is free between two streams, so that subscribers
// need not wait for a round.
func (h *hub) round() {
	for range h.size() {
		if !h.serveNext() {
			return
		}
	}
}

func (h *hub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queue)
}

// serveNext serves the stream that is due first, if it is due.
func (h *hub) serveNext() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.api.clock.Now()
	if len(h.queue) == 0 || h.queue[0].due > now {
		return false
	}
	f := h.queue[0]
	events, next := f.push.step(now)
	for _, e := range events {
		h.publish(f, e)
	}
	f.due = next
	heap.Fix(&h.queue, f.index)
	return true
}

// publish hands an event to all subscribers, unless a fault of the stream holds it back (SIM-W18).
func (h *hub) publish(f *feed, e *event) {
	at := place{symbol: f.topic.symbol, stream: f.topic.name}
	if _, silent := h.api.faults.strike(at, StreamSilence); silent {
		h.lose(e)
		return
	}
	if e.final {
		if _, lost := h.api.faults.strike(at, StreamLostClose); lost {
			h.lose(e)
			return
		}
		if _, late := h.api.faults.strike(at, StreamLateClose); late {
			f.held = append(f.held, e)
			return
		}
	}
	if _, wrong := h.api.faults.strike(at, StreamWrongOrder); wrong {
		f.held = append(f.held, e)
		return
	}
	h.deliver(f, e)
	for _, late := range f.held {
		h.deliver(f, late)
	}
	f.held = nil
}

func (h *hub) lose(e *event) {
	h.api.tally.framesLost.Add(1)
	if e.final {
		h.api.tally.closesLost.Add(1)
	}
}

func (h *hub) deliver(f *feed, e *event) {
	if e.final {
		h.api.tally.closesSent.Add(1)
	}
	for c := range f.subs {
		c.deliver(e, f.previous)
	}
	f.previous = e
}

// feedQueue is a heap of streams by the instant they are due.
type feedQueue []*feed

func (q feedQueue) Len() int           { return len(q) }
func (q feedQueue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q feedQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push adds a stream; for container/heap.
func (q *feedQueue) Push(x any) {
	f := x.(*feed)
	f.index = len(*q)
	*q = append(*q, f)
}

// Pop takes the last stream off; for container/heap.
func (q *feedQueue) Pop() any {
	old := *q
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return f
}
