package klineapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"velador/internal/candle"
)

// call is one REST request on its way through an endpoint.
type call struct {
	params *params
	micros bool // times in the answer are in microseconds
	now    candle.Millis
}

// endpoint is one path of the REST surface.
type endpoint struct {
	weight func(a *API, query url.Values) int
	answer func(a *API, c *call) ([]byte, *refusal)
}

// endpoint is the whole surface (SIM-R1). Weights are known before parameters are checked, because
// a refused call costs its weight too (SIM-R12).
func (a *API) endpoint(path string) (endpoint, bool) {
	fixed := func(weight int) func(*API, url.Values) int { return func(*API, url.Values) int { return weight } }
	w := &a.profile.Weights
	switch path {
	case "/api/v3/ping":
		return endpoint{fixed(w.Ping), (*API).ping}, true
	case "/api/v3/time":
		return endpoint{fixed(w.Time), (*API).time}, true
	case "/api/v3/klines":
		return endpoint{fixed(w.Klines), (*API).klines}, true
	case "/api/v3/uiKlines":
		return endpoint{fixed(w.UIKlines), (*API).klines}, true
	case "/api/v3/exchangeInfo":
		return endpoint{fixed(w.ExchangeInfo), (*API).exchangeInfo}, true
	case "/api/v3/ticker/24hr":
		return endpoint{(*API).weigh24hr, (*API).ticker24hr}, true
	case "/api/v3/ticker/price":
		return endpoint{(*API).weighPrice, (*API).tickerPrice}, true
	}
	return endpoint{}, false
}

// serveREST answers one REST call: limits first, then faults, then the endpoint.
func (a *API) serveREST(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	end, served := a.endpoint(path)
	if served && r.Method != http.MethodGet {
		end, served = endpoint{}, false
	}
	now := a.clock.Now()
	query := r.URL.Query() // lenient: for weights, counters and faults only
	weight, counted := a.profile.Weights.Unknown, "other"
	if served {
		weight, counted = end.weight(a, query), path
	}
	klinesSymbol := ""
	if path == "/api/v3/klines" || path == "/api/v3/uiKlines" {
		if klinesSymbol = "?"; served {
			if m, known := a.market(query.Get("symbol"), now); known {
				klinesSymbol = m.Symbol
			}
		}
	}
	a.tally.call(counted, klinesSymbol)
	a.tally.weight.Add(int64(weight))

	ip, controlNow := clientIP(r), a.control.Now()
	v := a.limits.charge(ip, weight, controlNow)
	a.tally.weighed(int64(v.used))
	at := place{path: path, symbol: query.Get("symbol")}
	if v.status == http.StatusOK {
		if f, struck := a.faults.strike(at, Rest429, Rest418); struck {
			v = a.forced(f, ip, controlNow, v)
		}
	}
	h := w.Header()
	h.Set("X-MBX-USED-WEIGHT", strconv.Itoa(v.used))
	h.Set("X-MBX-USED-WEIGHT-1M", strconv.Itoa(v.used))
	if v.status != http.StatusOK {
		a.overLimit(w, v, ip)
		return
	}
	if !served {
		send(w, notFound(r))
		return
	}
	f, struck := a.faults.strike(at, RestForbidden, RestRestricted, RestServerError, RestTimeout, RestReset,
		RestTruncated, RestSlow, RestEmpty, RestContentType)
	if struck {
		a.log.Debug("fault", "kind", f.Kind, "path", path, "symbol", at.symbol)
		if a.instead(w, r, f) {
			return
		}
	}
	result := a.answer(end, r, now)
	if struck {
		a.spoil(w, r, f, result)
		return
	}
	send(w, result)
}

// answer runs an endpoint. Parameters come first, the header X-MBX-TIME-UNIT last (SIM-R2).
func (a *API) answer(end endpoint, r *http.Request, now candle.Millis) answer {
	p, refused := parseQuery(r.URL.RawQuery)
	if refused != nil {
		return refused.answer()
	}
	micros, badUnit := timeUnit(r.Header.Get("X-MBX-TIME-UNIT"))
	body, refused := end.answer(a, &call{params: p, micros: micros, now: now})
	switch {
	case refused != nil:
		return refused.answer()
	case badUnit != nil:
		return badUnit.answer()
	}
	return ok(body)
}

// overLimit answers 429 or 418 (SIM-R13, SIM-R14).
func (a *API) overLimit(w http.ResponseWriter, v verdict, ip string) {
	a.tally.refused(v)
	var msg string
	switch {
	case v.status == http.StatusTeapot:
		msg = "Way too much request weight used; IP banned until " + strconv.FormatInt(int64(v.bannedTill), 10) +
			". Please use WebSocket Streams for live updates to avoid bans."
	case v.used > a.profile.WeightLimit:
		msg = "Too much request weight used; current limit is " + strconv.Itoa(a.profile.WeightLimit) +
			" request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
	default:
		msg = "Too many requests queued."
	}
	if v.newBan {
		a.log.Info("a client was banned", "ip", ip, "until", v.bannedTill.String())
		if a.profile.BanCutsWS {
			a.each(func(c *conn) {
				if c.ip == ip {
					c.end(closePolicy, "")
				}
			})
		}
	}
	send(w, answer{status: v.status, contentType: jsonType, body: errorBody(codeTooManyRequests, msg), retryAfter: v.retryAfter})
}

// forced gives the verdict of a 429 or 418 that a fault orders.
func (a *API) forced(f Fault, ip string, now candle.Millis, v verdict) verdict {
	if f.Kind == Rest418 {
		return a.limits.force(ip, now, time.Duration(f.RetryAfter), v)
	}
	v.status, v.retryAfter, v.forced = http.StatusTooManyRequests, untilNext(now, weightWindow), true
	if f.RetryAfter > 0 {
		v.retryAfter = max(1, (f.RetryAfter.millis()+999)/1000)
	}
	return v
}

// notFound answers a path that is not served; HTML only where it is asked for (SIM-R1).
func notFound(r *http.Request) answer {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return answer{status: http.StatusNotFound, contentType: htmlType,
			body: []byte("<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center></body></html>\n")}
	}
	return answer{status: http.StatusNotFound}
}

// send writes an answer as it is.
func send(w http.ResponseWriter, a answer) {
	h := w.Header()
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	} else {
		h["Content-Type"] = nil // no guess by net/http
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(a.retryAfter, 10))
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone needs no answer
}

func (a *API) ping(c *call) ([]byte, *refusal) {
	return []byte("{}"), c.params.unread()
}

func (a *API) time(c *call) ([]byte, *refusal) {
	return append(appendTime([]byte(`{"serverTime":`), c.now, c.micros), '}'), c.params.unread()
}
