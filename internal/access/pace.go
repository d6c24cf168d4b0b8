package access

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxPaced bounds the clients whose pace is known. With one more, those at rest are forgotten, and
// where all are busy, all: a flood of addresses must not take the memory, nor shut out everybody.
const maxPaced = 10_000

// Pace lets each client do something so often, with a burst. It is safe for use by several goroutines.
type Pace struct {
	every time.Duration
	burst int

	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

// NewPace lets a client do something once in every, and burst times at once after a rest.
func NewPace(every time.Duration, burst int) *Pace {
	return &Pace{every: every, burst: burst, clients: make(map[string]*rate.Limiter)}
}

// Take counts one, and gives how long the client has to wait before it may; 0 when it may now.
func (p *Pace) Take(client string, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.clients[client]
	if limiter == nil {
		p.makeRoom(now)
		limiter = rate.NewLimiter(rate.Every(p.every), p.burst)
		p.clients[client] = limiter
	}
	taken := limiter.ReserveN(now, 1)
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now) // who is refused is not made to wait longer for it
	}
	return wait
}

// Wait gives how long the client has to wait before it may do one more, without counting it.
func (p *Pace) Wait(client string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.clients[client]
	if limiter == nil {
		return 0
	}
	if missing := 1 - limiter.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(p.every))
	}
	return 0
}

func (p *Pace) makeRoom(now time.Time) {
	if len(p.clients) < maxPaced {
		return
	}
	for client, limiter := range p.clients {
		if limiter.TokensAt(now) >= float64(p.burst) {
			delete(p.clients, client)
		}
	}
	if len(p.clients) >= maxPaced {
		clear(p.clients)
	}
}
