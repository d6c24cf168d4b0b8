package klineapi

import (
	"net/http"
	"sync"
	"time"

	"velador/internal/candle"
)

const (
	weightWindow candle.Millis = 60_000  // REQUEST_WEIGHT counts per UTC minute (SIM-R13)
	rawWindow    candle.Millis = 300_000 // RAW_REQUESTS and handshakes count per 5 minutes

	maxClients = 10_000 // client IPs remembered; beyond it those without a ban are forgotten
)

// verdict is what the limits say to one call.
type verdict struct {
	used       int           // weight used in the current minute, this call included
	status     int           // 200, 429 or 418
	retryAfter int64         // seconds, with 429 and 418
	bannedTill candle.Millis // with 418
	newBan     bool          // this very call brought the ban
	forced     bool          // a fault orders it, not the limits
}

// limits keeps what each client IP has used, and its bans (SIM-R12 to R14, SIM-W7).
type limits struct {
	profile *Profile

	mu      sync.Mutex
	clients map[string]*usage
}

// usage is one client IP's account.
type usage struct {
	minute     candle.Millis // start of the window that weight and warned belong to
	weight     int
	warned     int           // 429 answers
	five       candle.Millis // start of the window that raw belongs to
	raw        int
	fiveWS     candle.Millis // start of the window that upgrades belongs to
	upgrades   int
	bannedTill candle.Millis
	bans       int
}

func newLimits(p *Profile) *limits {
	return &limits{profile: p, clients: make(map[string]*usage)}
}

// client gives an IP's account. l.mu is held.
func (l *limits) client(ip string) *usage {
	u := l.clients[ip]
	if u == nil {
		if len(l.clients) >= maxClients {
			for other, v := range l.clients {
				if v.bans == 0 || len(l.clients) >= 2*maxClients {
					delete(l.clients, other)
				}
			}
		}
		u = &usage{}
		l.clients[ip] = u
	}
	return u
}

// charge counts one REST call of the given weight and judges it. Refused calls cost their weight
// too (SIM-R12).
func (l *limits) charge(ip string, weight int, now candle.Millis) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.client(ip)
	if minute := now - now%weightWindow; minute != u.minute {
		u.minute, u.weight, u.warned = minute, 0, 0
	}
	if five := now - now%rawWindow; five != u.five {
		u.five, u.raw = five, 0
	}
	u.weight += weight
	u.raw++
	v := verdict{used: u.weight, status: http.StatusOK}
	if now < u.bannedTill {
		return u.refuse(v, now)
	}
	overWeight, overRaw := u.weight > l.profile.WeightLimit, u.raw > l.profile.RawLimit
	if !overWeight && !overRaw {
		return v
	}
	if u.warned >= l.profile.BanAfter {
		l.ban(u, now, 0)
		v.newBan = true
		return u.refuse(v, now)
	}
	u.warned++
	v.status, v.retryAfter = http.StatusTooManyRequests, untilNext(now, weightWindow)
	if !overWeight {
		v.retryAfter = untilNext(now, rawWindow)
	}
	return v
}

// refuse gives the verdict of a banned client.
func (u *usage) refuse(v verdict, now candle.Millis) verdict {
	v.status, v.bannedTill = http.StatusTeapot, u.bannedTill
	v.retryAfter = max(1, int64(u.bannedTill-now+999)/1000)
	return v
}

// ban starts a ban; a length of 0 is the profile's next one: each doubles the last (SIM-R14).
func (l *limits) ban(u *usage, now candle.Millis, length time.Duration) {
	if length <= 0 {
		length = time.Duration(l.profile.BanFirst)
		for range u.bans {
			if length = min(2*length, time.Duration(l.profile.BanMax)); length == time.Duration(l.profile.BanMax) {
				break
			}
		}
	}
	u.bans++
	u.warned = 0
	u.bannedTill = now.Add(length)
}

// force bans an IP because a fault says so.
func (l *limits) force(ip string, now candle.Millis, length time.Duration, v verdict) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.client(ip)
	l.ban(u, now, length)
	v.newBan, v.forced = true, true
	return u.refuse(v, now)
}

// upgrade counts one handshake and tells whether the IP may still try (SIM-W7).
func (l *limits) upgrade(ip string, now candle.Millis) (retryAfter int64, allowed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.client(ip)
	if five := now - now%rawWindow; five != u.fiveWS {
		u.fiveWS, u.upgrades = five, 0
	}
	u.upgrades++
	if u.upgrades <= l.profile.MaxUpgrades {
		return 0, true
	}
	return untilNext(now, rawWindow), false
}

// untilNext gives the seconds to the next window, at least 1.
func untilNext(now, window candle.Millis) int64 {
	return max(1, int64(window-now%window+999)/1000)
}

// bannedFor gives the seconds until an IP's ban ends, 0 without one.
func (l *limits) bannedFor(ip string, now candle.Millis) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.clients[ip]; u != nil && now < u.bannedTill {
		return max(1, int64(u.bannedTill-now+999)/1000)
	}
	return 0
}
