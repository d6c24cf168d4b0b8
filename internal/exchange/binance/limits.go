package binance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"velador/internal/exchange"
)

// What Binance allows (EXCHANGES.md 2.3 to 2.12).
const (
	pageRows          = 1000 // rows of one klines answer
	maxStreams        = 1024 // streams of one connection
	subscribeNames    = 200  // names of one SUBSCRIBE; very long lists once failed silently
	subscribeInterval = 250 * time.Millisecond
	connectionAge     = 23*time.Hour + 30*time.Minute // a connection lives 24 h at most

	weightTime         = 1
	weightKlines       = 2
	weightExchangeInfo = 20
)

// closeMargin is how far, by the exchange's clock, a candle's close must lie behind before its REST
// row counts as final: the database behind REST may trail the matching engine (EXCHANGES.md 2.3).
const closeMargin = 3 * time.Second

// Bounds of what an answer may weigh, in bytes.
const (
	maxHeader    = 64 << 10
	maxTimeBody  = 4 << 10
	maxErrorBody = 4 << 10
	maxPageBody  = 2 << 20  // a thousand rows of digits are some 200 KiB
	maxInfoBody  = 64 << 20 // 3,710 symbols are some 10 MiB
	maxElement   = 128 << 10
	maxFrame     = 64 << 10 // a kline frame is some 350 bytes
)

// How long to stay away when a refusal does not say so (EXCHANGES.md 2.8), and the longest that is
// believed.
const (
	retryAfter429 = 60 * time.Second
	retryAfter418 = 120 * time.Second
	maxRetryAfter = 72 * time.Hour
)

// weightHeaderName is the header in which Binance counts the weight used in a window: the number
// of intervals and the first letter of the interval's name.
func weightHeaderName(interval string, count int64) string {
	return fmt.Sprintf("X-MBX-USED-WEIGHT-%d%.1s", count, interval)
}

// observe hands Binance's own count of the used weight to the budget.
func (e *Exchange) observe(header http.Header) {
	name := "X-MBX-USED-WEIGHT-1M"
	if named := e.weightHeader.Load(); named != nil {
		name = *named
	}
	text := header.Get(name)
	if text == "" {
		text = header.Get("X-MBX-USED-WEIGHT") // the older twin
	}
	if used, err := strconv.Atoi(text); err == nil && used >= 0 {
		e.budget.Observe(used)
	}
}

// rateLimit is one element of exchangeInfo's rateLimits.
type rateLimit struct {
	kind, interval string
	count, limit   int64
}

// adopt takes over the limit that exchangeInfo names. Limits of other kinds than weight cannot be
// reached by who keeps the weight.
func (e *Exchange) adopt(l rateLimit) {
	length, ok := map[string]time.Duration{"SECOND": time.Second, "MINUTE": time.Minute, "HOUR": time.Hour, "DAY": 24 * time.Hour}[l.interval]
	if l.kind != "REQUEST_WEIGHT" || !ok || l.count < 1 || l.count > 1000 || l.limit < 1 || l.limit > 1<<30 {
		return
	}
	name := weightHeaderName(l.interval, l.count)
	e.weightHeader.Store(&name)
	e.budget.SetLimit(int(l.limit), time.Duration(l.count)*length)
}

// banOf reads how long a refusal wants us to stay away.
func banOf(status int, header http.Header, now time.Time) *exchange.BanError {
	wait := retryAfter429
	if status == http.StatusTeapot {
		wait = retryAfter418
	}
	if seconds, err := strconv.ParseInt(strings.TrimSpace(header.Get("Retry-After")), 10, 32); err == nil && seconds >= 0 {
		wait = min(max(time.Duration(seconds)*time.Second, time.Second), maxRetryAfter)
	}
	return &exchange.BanError{Exchange: Name, Status: status, Until: now.Add(wait)}
}
