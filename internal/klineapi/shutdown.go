package klineapi

import (
	"context"
	"time"

	"github.com/gorilla/websocket"

	"velador/internal/candle"
)

// AnnounceShutdown sends serverShutdown to all connections that are open now, and closes them after
// lead by the control clock (SIM-W10, EXCHANGES.md 2.14). Connections that come later stay: they
// stand for those to another server. It gives the number of connections told.
func (a *API) AnnounceShutdown(lead time.Duration) int {
	if !a.admit() { // what waits below ends before Run returns
		return 0
	}
	var told []*conn
	now, closeAt := a.clock.Now(), a.control.Now().Add(lead)
	a.each(func(c *conn) {
		c.send(websocket.TextMessage, appendShutdown(nil, now, c.combined.Load(), c.micros))
		told = append(told, c)
	})
	a.log.Info("shutdown announced", "connections", len(told), "lead", lead)
	go func() {
		defer a.open.Done()
		if a.control.Sleep(a.life, closeAt) != nil {
			return // the API stops and closes all of them itself
		}
		for _, c := range told {
			c.end(closeGoingAway, "")
		}
	}()
	return len(told)
}

// appendShutdown appends the notice, raw or wrapped.
func appendShutdown(dst []byte, now candle.Millis, combined, micros bool) []byte {
	if combined {
		dst = appendWrapper(dst, "!serverShutdown")
	}
	dst = append(appendTime(append(dst, `{"e":"serverShutdown","E":`...), now, micros), '}')
	if combined {
		dst = append(dst, '}')
	}
	return dst
}

// announceRegularly follows the profile's schedule.
func (a *API) announceRegularly(ctx context.Context) {
	for a.control.Sleep(ctx, a.control.Now().Add(time.Duration(a.profile.ShutdownEvery))) == nil {
		a.AnnounceShutdown(time.Duration(a.profile.ShutdownLead))
	}
}

// CutConnections ends all connections at once, with a close frame or a TCP reset, and gives their
// number.
func (a *API) CutConnections(withReset bool) int {
	return a.each(func(c *conn) {
		if withReset {
			c.abort()
			return
		}
		c.end(closeGoingAway, "")
	})
}
