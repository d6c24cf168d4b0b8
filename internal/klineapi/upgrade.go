package klineapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// upgrader has no compression: the exchange offers none. Buffers come from a pool, so that idle
// connections hold none for writing.
func upgrader(pool *sync.Pool) websocket.Upgrader {
	return websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: pool,
		CheckOrigin: func(*http.Request) bool { return true }}
}

// serveStream answers a WebSocket handshake and serves the connection until it ends (SIM-W1).
func (a *API) serveStream(w http.ResponseWriter, r *http.Request, kind string) {
	a.tally.upgrades.Add(1)
	if !a.admit() {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer a.open.Done()
	ip, now := clientIP(r), a.control.Now()
	if retryAfter, allowed := a.limits.upgrade(ip, now); !allowed {
		a.tally.upgradesRefused.Add(1)
		refuseHandshake(w, a.profile.UpgradeRefusal, retryAfter)
		return
	}
	if left := a.limits.bannedFor(ip, now); left > 0 && a.profile.BanCutsWS {
		refuseHandshake(w, http.StatusTeapot, left)
		return
	}
	at := place{path: kind}
	if f, struck := a.faults.strike(at, HandshakeRefused); struck {
		status := f.Status
		if status == 0 {
			status = http.StatusServiceUnavailable
		}
		refuseHandshake(w, status, (f.RetryAfter.millis()+999)/1000)
		return
	}
	if f, struck := a.faults.strike(at, HandshakeSlow); struck && !a.pause(r.Context(), f.delay()) {
		return
	}
	names, micros, refused := requested(r.URL, kind)
	if refused != nil {
		send(w, refused.answer())
		return
	}
	_, mute := a.faults.strike(at, ConnHalfOpen)
	_, noData := a.faults.strike(at, ConnNoData)
	_, noPings := a.faults.strike(at, ConnNoPings)

	tap := &wireTap{ResponseWriter: w, timeout: time.Duration(a.profile.SendTimeout)}
	up := upgrader(&a.buffers)
	ws, err := up.Upgrade(tap, r, nil)
	if err != nil {
		a.log.Debug("a handshake failed", "ip", ip, "error", err)
		if tap.wire != nil {
			tap.wire.Close()
		}
		return
	}
	if err := tap.wire.flush(); err != nil {
		tap.wire.Close()
		return
	}
	c := newConn(a, ip, ws, tap.wire, kind == "/stream", micros)
	c.mute.Store(mute)
	c.noData, c.noPings = noData, noPings
	if !a.register(c) {
		tap.wire.Close()
		return
	}
	defer a.unregister(c)
	c.serve(names)
}

// refuseHandshake answers a handshake with an HTTP status.
func refuseHandshake(w http.ResponseWriter, status int, retryAfter int64) {
	result := answer{status: status, contentType: htmlType, body: []byte(page403), retryAfter: retryAfter}
	switch status {
	case http.StatusForbidden:
	case http.StatusUnavailableForLegalReasons:
		result.contentType, result.body = jsonType, errorBody(0, text451)
	case http.StatusTooManyRequests, http.StatusTeapot:
		result.contentType, result.body = jsonType, errorBody(codeTooManyRequests, "Too many requests queued.")
	default:
		result.body = []byte("<html><head><title>" + strconv.Itoa(status) + "</title></head></html>\n")
	}
	send(w, result)
}
