package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"velador/internal/candle"
)

// The streams, and the first token of each family of subjects.
const (
	streamCandles = "CANDLES" // candles, gaps and audits on their way to the writer
	streamAssign  = "ASSIGN"  // one message for each collector that is to run

	familyCandle  = "candles" // candles.<exchange>.<symbol>.<timeframe>, in CANDLES
	familyGap     = "gaps"    // gaps.<exchange>.<symbol>.<timeframe>, in CANDLES
	familyAudit   = "audits"  // audits.<exchange>.<symbol>.<timeframe>, in CANDLES
	familyForming = "forming" // forming.<exchange>.<symbol>.<timeframe>, core NATS
	familyStored  = "stored"  // stored.<exchange>.<symbol>.<timeframe>, core NATS
	familyAssign  = "assign"  // assign.<id>, in ASSIGN
	familyCommand = "command" // command.<agent>, core NATS

	subjectResume = "resume" // request and reply, core NATS
	subjectClaims = "claims" // what agents hold, core NATS
)

// maxMessage bounds the payload of a candle, a gap or an audit, in bytes. The longest candle, all of its
// decimals candle.MaxDecimalLen long, stays below 800.
const maxMessage = 2 << 10

// subjectOf gives the subject of a series in a family. Every token is escaped, so that symbols may
// hold dots, stars and letters beyond ASCII, and the subject can be read back.
func subjectOf(family string, s candle.Series) string {
	return family + "." + escapeToken(s.Exchange) + "." + escapeToken(s.Symbol) + "." + escapeToken(s.Timeframe.String())
}

// parseSubject reads what subjectOf wrote, and nothing else: each series has exactly one subject.
func parseSubject(subject string) (family string, s candle.Series, err error) {
	tokens := strings.SplitN(subject, ".", 5)
	if len(tokens) != 4 {
		return "", s, fmt.Errorf("the subject %.200q names no series", subject)
	}
	if s.Exchange, err = unescapeToken(tokens[1]); err != nil {
		return "", s, fmt.Errorf("the exchange of the subject %.200q: %w", subject, err)
	}
	if s.Symbol, err = unescapeToken(tokens[2]); err != nil {
		return "", s, fmt.Errorf("the symbol of the subject %.200q: %w", subject, err)
	}
	if s.Timeframe, err = candle.ParseTimeframe(tokens[3]); err != nil {
		return "", s, fmt.Errorf("the subject %.200q: %w", subject, err)
	}
	if err := checkSeries(s); err != nil {
		return "", s, fmt.Errorf("the subject %.200q: %w", subject, err)
	}
	return tokens[0], s, nil
}

// checkSeries tells what keeps a series from being sent.
func checkSeries(s candle.Series) error {
	if err := candle.CheckSymbol(s.Exchange); err != nil {
		return fmt.Errorf("the exchange's name: %w", err)
	}
	if err := candle.CheckSymbol(s.Symbol); err != nil {
		return err
	}
	if !s.Timeframe.Valid() {
		return fmt.Errorf("the series %s has no timeframe", s)
	}
	return nil
}

// plain tells which bytes stand for themselves in a token of a subject.
func plain(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}

// escapeToken writes every byte that is not plain as % and two upper-case hexadecimal digits.
func escapeToken(s string) string {
	const digits = "0123456789ABCDEF"
	odd := 0
	for i := range len(s) {
		if !plain(s[i]) {
			odd++
		}
	}
	if odd == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2*odd)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

var errToken = errors.New("it is not escaped as velador escapes")

// unescapeToken reads what escapeToken wrote, strictly: two tokens never mean the same text.
func unescapeToken(token string) (string, error) {
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b = append(b, c)
			continue
		}
		if c != '%' || i+2 >= len(token) {
			return "", errToken
		}
		high, low := hexDigit(token[i+1]), hexDigit(token[i+2])
		if high < 0 || low < 0 || plain(byte(high<<4|low)) {
			return "", errToken
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	if !utf8.Valid(b) {
		return "", errToken
	}
	return string(b), nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// checkID tells whether an assignment's ID can be a token of a subject as it is.
func checkID(id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("the assignment's ID %.140q must have 1 to 128 characters", id)
	}
	for i := range len(id) {
		if !plain(id[i]) {
			return fmt.Errorf("the assignment's ID %q may hold letters, digits, - and _ only", id)
		}
	}
	return nil
}

// gapMessage is a gap's payload; its series is in the subject.
type gapMessage struct {
	From      candle.Millis   `json:"from"`
	To        candle.Millis   `json:"to"`
	State     candle.GapState `json:"state"`
	Proofs    int             `json:"proofs,omitempty"`
	CheckedAt candle.Millis   `json:"checked_at,omitempty"`
}

func messageOf(g candle.Gap) gapMessage {
	return gapMessage{From: g.Range.From, To: g.Range.To, State: g.State, Proofs: g.Proofs, CheckedAt: g.CheckedAt}
}

func (m gapMessage) gap(s candle.Series) candle.Gap {
	return candle.Gap{Series: s, Range: candle.Range{From: m.From, To: m.To}, State: m.State, Proofs: m.Proofs, CheckedAt: m.CheckedAt}
}

// appendGap appends a gap's payload.
func appendGap(dst []byte, g candle.Gap) ([]byte, error) {
	payload, err := json.Marshal(messageOf(g))
	if err != nil {
		return nil, fmt.Errorf("encode a gap of %s: %w", g.Series, err)
	}
	return append(dst, payload...), nil
}

// checkGap tells what makes a gap impossible.
func checkGap(g candle.Gap) error {
	switch {
	case g.Range.Empty():
		return fmt.Errorf("the gap %s of %s is empty", g.Range, g.Series)
	case g.State != candle.GapOpen && g.State != candle.GapAbsent && g.State != candle.GapRepaired:
		return fmt.Errorf("the gap %s of %s is in the unknown state %.20q", g.Range, g.Series, g.State)
	case g.Proofs < 0:
		return fmt.Errorf("the gap %s of %s has %d proofs", g.Range, g.Series, g.Proofs)
	}
	return nil
}

// auditMessage is an audit's payload; its series is in the subject.
type auditMessage struct {
	From candle.Millis `json:"from"`
	To   candle.Millis `json:"to"`
	Rows int           `json:"rows"`
	At   candle.Millis `json:"at"`
}

// appendAudit appends an audit's payload.
func appendAudit(dst []byte, a candle.Audit) ([]byte, error) {
	payload, err := json.Marshal(auditMessage{From: a.Range.From, To: a.Range.To, Rows: a.Rows, At: a.At})
	if err != nil {
		return nil, fmt.Errorf("encode an audit of %s: %w", a.Series, err)
	}
	return append(dst, payload...), nil
}

// checkAudit tells what makes an audit impossible.
func checkAudit(a candle.Audit) error {
	switch {
	case a.Range.Empty():
		return fmt.Errorf("the audit %s of %s is empty", a.Range, a.Series)
	case a.Rows < 0:
		return fmt.Errorf("the audit %s of %s has %d rows", a.Range, a.Series, a.Rows)
	}
	return nil
}

// content is what a message of CANDLES holds: a candle, unless one of the others is not nil.
type content struct {
	series candle.Series
	candle candle.Candle
	gap    *candle.Gap
	audit  *candle.Audit
}

// decodeMessage reads a message of CANDLES. What a database could never store is an error here, so
// that it is set aside before it can hold up a batch.
func decodeMessage(subject string, payload []byte) (c content, err error) {
	if len(payload) > maxMessage {
		return c, fmt.Errorf("a message of %d bytes on %.200q: at most %d are allowed", len(payload), subject, maxMessage)
	}
	family, s, err := parseSubject(subject)
	c.series = s
	if err != nil {
		return c, err
	}
	switch family {
	case familyCandle:
		one, err := candle.ParseCSV(string(payload))
		if err == nil {
			err = one.Validate()
		}
		if err != nil {
			return c, fmt.Errorf("a candle of %s: %w", s, err)
		}
		c.candle = one
		return c, nil
	case familyGap:
		var m gapMessage
		if err := json.Unmarshal(payload, &m); err != nil {
			return c, fmt.Errorf("a gap of %s: %w", s, err)
		}
		gap := m.gap(s)
		if err := checkGap(gap); err != nil {
			return c, err
		}
		c.gap = &gap
		return c, nil
	case familyAudit:
		var m auditMessage
		if err := json.Unmarshal(payload, &m); err != nil {
			return c, fmt.Errorf("an audit of %s: %w", s, err)
		}
		audit := candle.Audit{Series: s, Range: candle.Range{From: m.From, To: m.To}, Rows: m.Rows, At: m.At}
		if err := checkAudit(audit); err != nil {
			return c, err
		}
		c.audit = &audit
		return c, nil
	}
	return c, fmt.Errorf("the subject %.200q holds neither candles nor gaps nor audits", subject)
}
