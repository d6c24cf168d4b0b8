package exchange

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"velador/internal/candle"
)

// The kinds of messages to a broker. The first two are requests, which it answers; the others tell
// it something.
const (
	kindWeight  = "weight"  // Amount of weight is asked for
	kindConnect = "connect" // a connection attempt
	kindUsed    = "used"    // Amount is the venue's own count in the running window
	kindLimit   = "limit"   // the venue allows Limit in Window
	kindBan     = "ban"     // the venue refuses everything Until
)

// Bounds of what a broker believes.
const (
	maxBudgetMessage = 2 << 10 // bytes
	maxWho           = 1 << 10
	maxAmount        = 1 << 24
	maxLimit         = 1 << 30
	maxWindow        = 31 * 24 * time.Hour
	maxWaiting       = time.Hour // that a request may claim to have waited
)

// message is what a process says to the broker of its machine; durations are milliseconds, and so is
// the time Until, since 1970.
type message struct {
	Who    string `json:"who,omitempty"`   // the collector: all of a machine take turns
	Kind   string `json:"kind"`            //
	Class  string `json:"class,omitempty"` // of a request
	Amount int    `json:"amount,omitempty"`
	Wait   int64  `json:"wait,omitempty"`   // how long the request may stand in line before it is answered
	Waited int64  `json:"waited,omitempty"` // how long it has stood there already
	// Alone tells that who asks has spent in the running window without the broker.
	Alone  bool  `json:"alone,omitempty"`
	Limit  int   `json:"limit,omitempty"` // what the venue has named, with requests too: the broker may be new
	Window int64 `json:"window,omitempty"`
	Status int   `json:"status,omitempty"`
	Until  int64 `json:"until,omitempty"`
}

// request is a request as the broker sees it.
type request struct {
	who    string
	class  Class
	amount int           // of weight; 0: a connection attempt
	wait   time.Duration // 0: until it is granted
	waited time.Duration
}

// answer is what a broker says to a request: granted, or a ban, or neither, which means to ask again.
type answer struct {
	granted bool
	ban     *BanError
	after   time.Duration // before asking again
	sharers int           // how many draw on the budget
	limit   int           // what the venue has named, as far as the broker knows
	window  time.Duration
}

type answerMessage struct {
	Granted bool  `json:"granted,omitempty"`
	Status  int   `json:"status,omitempty"`
	Until   int64 `json:"until,omitempty"`
	After   int64 `json:"after,omitempty"`
	Sharers int   `json:"sharers,omitempty"`
	Limit   int   `json:"limit,omitempty"`
	Window  int64 `json:"window,omitempty"`
}

func validLimit(limit int, window int64) bool {
	if limit == 0 && window == 0 {
		return true
	}
	return limit > 0 && limit <= maxLimit && window > 0 && window <= maxWindow.Milliseconds()
}

// decodeMessage reads what a process says. What makes no sense is an error.
func decodeMessage(payload []byte) (message, error) {
	var m message
	if len(payload) > maxBudgetMessage {
		return m, fmt.Errorf("a message of %d bytes: at most %d are allowed", len(payload), maxBudgetMessage)
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return message{}, err
	}
	if !validLimit(m.Limit, m.Window) {
		return message{}, fmt.Errorf("a limit of %d in %d ms", m.Limit, m.Window)
	}
	switch m.Kind {
	case kindWeight, kindConnect:
		return m, m.checkRequest()
	case kindUsed:
		if m.Amount < 0 || m.Amount > maxLimit {
			return message{}, fmt.Errorf("a count of %d", m.Amount)
		}
	case kindLimit:
		if m.Limit == 0 {
			return message{}, fmt.Errorf("a limit that is none")
		}
	case kindBan:
		if m.Until <= 0 || m.Until > int64(candle.MaxMillis) {
			return message{}, fmt.Errorf("a ban until %d", m.Until)
		}
	default:
		return message{}, fmt.Errorf("a message of the unknown kind %.20q", m.Kind)
	}
	return m, nil
}

func (m *message) checkRequest() error {
	if _, ok := parseClass(m.Class); !ok {
		return fmt.Errorf("a request of the unknown class %.20q", m.Class)
	}
	switch {
	case m.Who == "" || len(m.Who) > maxWho || !utf8.ValidString(m.Who):
		return fmt.Errorf("a request of somebody whose name has %d bytes", len(m.Who))
	case m.Kind == kindWeight && (m.Amount < 1 || m.Amount > maxAmount):
		return fmt.Errorf("a request for a weight of %d", m.Amount)
	case m.Wait < 1 || m.Waited < 0:
		return fmt.Errorf("a request that waits for %d ms and has waited for %d", m.Wait, m.Waited)
	}
	return nil
}

// request gives a request that decodeMessage has let through. Nobody stands in line for longer than
// maxPoll: who died there must not hold a place.
func (m *message) request() request {
	class, _ := parseClass(m.Class)
	r := request{
		who: m.Who, class: class,
		wait:   time.Duration(min(m.Wait, maxPoll.Milliseconds())) * time.Millisecond,
		waited: time.Duration(min(m.Waited, maxWaiting.Milliseconds())) * time.Millisecond,
	}
	if m.Kind == kindWeight {
		r.amount = m.Amount
	}
	return r
}

// encodeAnswer writes an answer.
func encodeAnswer(a answer) []byte {
	m := answerMessage{Granted: a.granted, After: a.after.Milliseconds(), Sharers: a.sharers, Limit: a.limit, Window: a.window.Milliseconds()}
	if a.ban != nil {
		m.Status, m.Until = a.ban.Status, a.ban.Until.Add(time.Millisecond-1).UnixMilli()
	}
	payload, err := json.Marshal(m)
	if err != nil { // numbers and a boolean
		panic(err)
	}
	return payload
}

// decodeAnswer reads what encodeAnswer wrote. What no broker can mean is an error.
func decodeAnswer(exchange string, payload []byte) (answer, error) {
	if len(payload) > maxBudgetMessage {
		return answer{}, fmt.Errorf("an answer of %d bytes: at most %d are allowed", len(payload), maxBudgetMessage)
	}
	var m answerMessage
	if err := json.Unmarshal(payload, &m); err != nil {
		return answer{}, fmt.Errorf("an answer that makes no sense: %w", err)
	}
	if m.After < 0 || m.Sharers < 0 || m.Until < 0 || m.Until > int64(candle.MaxMillis) || m.Granted && m.Until > 0 || !validLimit(m.Limit, m.Window) {
		return answer{}, fmt.Errorf("an answer that makes no sense: %.200q", payload)
	}
	a := answer{
		granted: m.Granted, after: time.Duration(min(m.After, maxPoll.Milliseconds())) * time.Millisecond,
		sharers: min(m.Sharers, maxSeats), limit: m.Limit, window: time.Duration(m.Window) * time.Millisecond,
	}
	if m.Until > 0 {
		a.ban = &BanError{Exchange: exchange, Status: m.Status, Until: time.UnixMilli(m.Until)}
	}
	return a, nil
}
