package klineapi

import (
	"net/http"
	"strconv"
	"time"
)

// defaultFaultDelay is how long slow faults take where they do not say (the exchange's own
// processing limit, EXCHANGES.md 2.2).
const defaultFaultDelay = Duration(10 * time.Second)

const (
	page403 = "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center></body></html>\n"
	page5xx = "<html><head><title>Bad Gateway</title></head><body><center><h1>The server is temporarily unable to answer</h1></center></body></html>\n"
	text451 = "Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms. Please contact customer service if you believe you received this message in error."
	text504 = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
)

// instead answers a call in the place of its endpoint, where the fault is of such a kind (SIM-R15).
func (a *API) instead(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch f.Kind {
	case RestForbidden:
		send(w, answer{status: http.StatusForbidden, contentType: htmlType, body: []byte(page403)})
	case RestRestricted:
		send(w, answer{status: http.StatusUnavailableForLegalReasons, contentType: jsonType, body: errorBody(0, text451)})
	case RestServerError:
		status := f.Status
		if status == 0 {
			status = http.StatusBadGateway
		}
		send(w, answer{status: status, contentType: htmlType, body: []byte(page5xx)})
	case RestTimeout:
		if a.pause(r.Context(), f.delay()) {
			send(w, answer{status: http.StatusGatewayTimeout, contentType: jsonType, body: errorBody(codeTimeout, text504)})
		}
	case RestEmpty:
		send(w, answer{status: http.StatusOK, contentType: jsonType})
	default:
		return false
	}
	return true
}

// spoil sends an endpoint's answer the way the fault wants it.
func (a *API) spoil(w http.ResponseWriter, r *http.Request, f Fault, good answer) {
	half := len(good.body) / 2
	switch f.Kind {
	case RestTruncated:
		good.body = good.body[:half]
		send(w, good)
	case RestContentType:
		good.contentType = htmlType
		send(w, good)
	case RestSlow:
		a.sendSlowly(w, r, good, f.delay())
	default: // RestReset
		a.sendAndReset(w, good, half)
	}
}

// slowPieces is in how many pieces a slow body comes.
const slowPieces = 10

func (a *API) sendSlowly(w http.ResponseWriter, r *http.Request, good answer, over time.Duration) {
	w.Header().Set("Content-Type", good.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(good.body)))
	w.WriteHeader(good.status)
	flush := http.NewResponseController(w)
	for i := range slowPieces {
		from, to := len(good.body)*i/slowPieces, len(good.body)*(i+1)/slowPieces
		if _, err := w.Write(good.body[from:to]); err != nil || flush.Flush() != nil {
			return // the client has gone
		}
		if i < slowPieces-1 && !a.pause(r.Context(), over/slowPieces) {
			return
		}
	}
}

// sendAndReset promises the whole body, sends its first half and resets the connection.
func (a *API) sendAndReset(w http.ResponseWriter, good answer, half int) {
	netConn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		a.log.Error("a connection cannot be reset", "error", err)
		panic(http.ErrAbortHandler)
	}
	defer reset(netConn)
	_, _ = rw.WriteString("HTTP/1.1 " + strconv.Itoa(good.status) + " " + http.StatusText(good.status) +
		"\r\nContent-Type: " + good.contentType + "\r\nContent-Length: " + strconv.Itoa(len(good.body)) + "\r\n\r\n")
	_, _ = rw.Write(good.body[:half])
	_ = rw.Flush() // what arrives of it is the client's luck
}

func (x *Fault) delay() time.Duration {
	if x.Delay == 0 {
		return time.Duration(defaultFaultDelay)
	}
	return time.Duration(x.Delay)
}
