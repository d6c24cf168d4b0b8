package bus

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"velador/internal/backoff"
	"velador/internal/candle"
)

// refusedAgain is how long a publisher waits after a refusal. It stays below dedupeWindow.
var refusedAgain = backoff.Policy{First: 100 * time.Millisecond, Cap: 5 * time.Second, Jitter: 0.3}

var errNoAck = errors.New("no acknowledgement came in time")

// run sends again what was not acknowledged: after a refusal, after a time without an answer, and
// when the connection is back.
func (p *Publisher) run() {
	defer close(p.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	changed := p.conn.watch()
	for {
		p.mu.Lock()
		at := p.at
		p.mu.Unlock()
		due := timer.C
		if at.IsZero() {
			due = nil
		} else {
			timer.Reset(time.Until(at))
		}
		select {
		case <-p.done:
			return
		case <-p.kick:
		case <-changed:
			changed = p.conn.watch()
			p.mu.Lock()
			if p.conn.Connected() && p.first < p.next {
				p.ask()
			}
			p.mu.Unlock()
		case <-due:
			p.mu.Lock()
			p.overdue()
			p.mu.Unlock()
		}
	}
}

// overdue does what the mode asks for when its time has come. The caller holds mu.
func (p *Publisher) overdue() {
	switch {
	case p.at.IsZero() || time.Now().Before(p.at): // it was put off meanwhile
	case p.first == p.next: // acknowledgements came late
		p.resend()
	case p.mode == waiting:
		p.ask()
	default:
		p.retry(errNoAck)
		if p.failed == 1 {
			p.ask()
		}
	}
}

// ask sends the oldest message alone. Its answer tells whether the stream takes messages again:
// sending the whole window into a full stream would be refused as a whole. The caller holds mu.
func (p *Publisher) ask() {
	if p.dropSuperseded(); p.first == p.next {
		p.resend()
		return
	}
	p.mode, p.probe = probing, p.first
	p.act(time.Now().Add(p.wait))
	if err := p.send(p.first); err != nil {
		p.retry(err)
	}
}

// retry notes a failure: the messages wait for a time that grows from failure to failure. A lost
// connection is the connection's to tell. The caller holds mu.
func (p *Publisher) retry(err error) {
	p.mode = waiting
	p.act(time.Now().Add(refusedAgain.Draw(p.failed)))
	p.failed++
	if p.told || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrDisconnected) {
		return
	}
	p.told = true
	p.conn.log.Warn("the bus does not take candles at the moment; they are kept and sent again", "error", err, "kept", p.next-p.first)
}

// resend sends everything that is not acknowledged, in order, after the bus has taken the oldest
// message, or all of them. The caller holds mu.
func (p *Publisher) resend() {
	p.mode, p.failed = flowing, 0
	if p.told {
		p.told = false
		p.conn.log.Info("the bus takes candles again", "kept", p.next-p.first)
	}
	p.dropSuperseded()
	if p.first == p.next {
		p.at = time.Time{}
		return
	}
	p.act(time.Now().Add(p.wait))
	for n := p.first; n < p.next; n++ {
		if p.ring[n%p.window].acked || !p.ready(n) {
			continue
		}
		if err := p.send(n); err != nil {
			p.retry(err)
			return
		}
	}
}

// dropSuperseded takes the older forms of a candle out of what is sent again; gaps and audits come in their turn. Sent behind a newer form
// that the stream has, an older one would win; and the stream may have it though its acknowledgement is under
// way, or was lost with a connection. So an older form of which a newer one was acknowledged is not sent any
// more, and else the newest form is sent in its place. The caller holds mu.
func (p *Publisher) dropSuperseded() {
	type identity struct {
		subject string
		key     candle.Millis
	}
	type state struct {
		newest []byte
		taken  bool // some form behind this place is acknowledged
	}
	newer := make(map[identity]state)
	for n := p.next; n > p.first; n-- {
		m := &p.ring[(n-1)%p.window]
		id := identity{m.subject, m.key}
		known, ok := newer[id]
		switch {
		case !ok:
			known.newest = m.payload
		case known.taken:
			m.acked = true
		case !m.acked && !m.last:
			m.payload = append(m.payload[:0], known.newest...)
		}
		known.taken = known.taken || m.acked
		newer[id] = known
	}
	for p.first < p.next && p.ring[p.first%p.window].acked {
		p.first++
	}
	p.progress()
}
