package binance

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"velador/internal/candle"
)

// scanner reads one JSON text in memory, in the strict grammar of RFC 8259, without building
// anything: the caller pulls the values that it wants and skips the others. The first error
// sticks; after it every method gives zero values and every loop ends, so that a decoder asks for
// the error once, at its end. Nothing is allocated unless a string holds an escape.
type scanner struct {
	data []byte
	pos  int
	err  error
}

// maxDepth bounds nesting in values that are skipped.
const maxDepth = 16

// fail keeps the first error, with a little of what stands there.
func (s *scanner) fail(want string) {
	if s.err != nil {
		return
	}
	near := s.data[min(s.pos, len(s.data)):]
	s.err = fmt.Errorf("%s expected at byte %d, found %.24q", want, s.pos, near[:min(len(near), 24)])
	s.pos = len(s.data)
}

// space skips white space and gives the byte that follows; 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// expect takes one sign.
func (s *scanner) expect(sign byte) {
	if s.space() != sign || s.err != nil {
		s.fail(string(sign))
		return
	}
	s.pos++
}

// more tells whether another element follows within an object or array that ends with end, and
// takes the comma before it. first is true before the first element.
func (s *scanner) more(first *bool, end byte) bool {
	if s.err != nil {
		return false
	}
	c := s.space()
	switch {
	case c == end:
		s.pos++
		return false
	case *first:
		*first = false
	case c == ',':
		s.pos++
	default:
		s.fail("a comma or " + string(end))
	}
	return s.err == nil
}

// key takes a member's name and the colon behind it.
func (s *scanner) key() []byte {
	// Events have names of one letter; written without blanks they are recognised at one glance.
	if rest := s.data[s.pos:]; len(rest) > 3 && rest[0] == '"' && rest[2] == '"' && rest[3] == ':' && rest[1]|0x20 >= 'a' && rest[1]|0x20 <= 'z' {
		s.pos += 4
		return rest[1:2]
	}
	name := s.text()
	if s.pos < len(s.data) && s.data[s.pos] == ':' {
		s.pos++
		return name
	}
	s.expect(':')
	return name
}

// text takes a string. What it gives is part of data unless the string holds an escape.
func (s *scanner) text() []byte {
	if s.pos >= len(s.data) || s.data[s.pos] != '"' {
		if s.space() != '"' {
			s.fail("a string")
			return nil
		}
	}
	start := s.pos + 1
	rest := s.data[start:]
	for i, c := range rest {
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		switch {
		case c == '"':
			s.pos = start + i + 1
			return rest[:i]
		case c < ' ':
			s.pos = start + i
			s.fail("no control character in a string")
			return nil
		}
		return s.longText(start, start+i)
	}
	s.pos = len(s.data)
	s.fail("the end of a string")
	return nil
}

// longText takes a string that holds escapes or letters beyond ASCII; i is the first of them.
func (s *scanner) longText(start, i int) []byte {
	escaped := false
	for ; i < len(s.data) && s.data[i] != '"'; i++ {
		if s.data[i] == '\\' {
			escaped = true
			i++
		}
	}
	if i >= len(s.data) {
		s.pos = len(s.data)
		s.fail("the end of a string")
		return nil
	}
	raw := s.data[start:i]
	if !utf8.Valid(raw) {
		s.fail("UTF-8 in a string")
		return nil
	}
	var plain string
	if escaped || strings.ContainsFunc(string(raw), func(r rune) bool { return r < ' ' }) {
		if err := json.Unmarshal(s.data[start-1:i+1], &plain); err != nil {
			s.fail("a string with legal escapes")
			return nil
		}
		raw = []byte(plain)
	}
	s.pos = i + 1
	return raw
}

// integer takes a whole number without fraction or exponent.
func (s *scanner) integer() int64 {
	c := s.space()
	i, negative := s.pos, c == '-'
	if negative {
		i++
	}
	first := i
	var n uint64
	for ; i < len(s.data); i++ {
		digit := s.data[i] - '0'
		if digit > 9 {
			break
		}
		if n > (math.MaxInt64-9)/10 {
			s.fail("a number of 64 bits")
			return 0
		}
		n = n*10 + uint64(digit)
	}
	if i == first || (s.data[first] == '0' && i > first+1) || (i < len(s.data) && (s.data[i] == '.' || s.data[i]|0x20 == 'e')) {
		s.fail("a whole number")
		return 0
	}
	s.pos = i
	if negative {
		return -int64(n)
	}
	return int64(n)
}

// Instants from microsThreshold on are microseconds (EXCHANGES.md 2.16): as milliseconds they would
// lie beyond the year 5138.
const (
	microsThreshold = 100_000_000_000_000
	maxMicros       = 253_402_300_799_999_999 // 9999-12-31
)

// millis takes an instant, in milliseconds or microseconds by its magnitude.
func (s *scanner) millis() candle.Millis {
	at := s.pos
	n := s.integer()
	if n >= microsThreshold && n <= maxMicros {
		return candle.Millis(n / 1000)
	}
	if n < 0 || n > maxMicros {
		s.pos = at
		s.fail("a time")
		return 0
	}
	return candle.Millis(n)
}

// boolean takes true or false.
func (s *scanner) boolean() bool {
	switch s.space() {
	case 't':
		s.word("true")
		return s.err == nil
	case 'f':
		s.word("false")
	default:
		s.fail("true or false")
	}
	return false
}

func (s *scanner) word(word string) {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		s.fail(word)
		return
	}
	s.pos += len(word)
}

// skip takes any value and gives its text.
func (s *scanner) skip() []byte {
	s.space()
	start := s.pos
	s.value(0)
	if s.err != nil {
		return nil
	}
	return s.data[start:s.pos]
}

func (s *scanner) value(depth int) {
	if depth > maxDepth {
		s.fail("less nesting")
		return
	}
	switch c := s.space(); c {
	case '{', '[':
		s.pos++
		for first := true; s.more(&first, c+2); { // '}' and ']' follow their openings by two
			if c == '{' {
				s.key()
			}
			s.value(depth + 1)
		}
	case '"':
		s.text()
	case 't', 'f':
		s.boolean()
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

// number takes any number of JSON's grammar.
func (s *scanner) number() {
	i := s.pos
	if i < len(s.data) && s.data[i] == '-' {
		i++
	}
	first := i
	i = s.digits(i)
	ok := i > first && (s.data[first] != '0' || i == first+1)
	if ok && i < len(s.data) && s.data[i] == '.' {
		point := i + 1
		i = s.digits(point)
		ok = i > point
	}
	if ok && i < len(s.data) && s.data[i]|0x20 == 'e' {
		if i++; i < len(s.data) && (s.data[i] == '+' || s.data[i] == '-') {
			i++
		}
		exponent := i
		i = s.digits(i)
		ok = i > exponent
	}
	if !ok {
		s.fail("a value")
		return
	}
	s.pos = i
}

func (s *scanner) digits(i int) int {
	for i < len(s.data) && s.data[i]-'0' <= 9 {
		i++
	}
	return i
}

// end asks that nothing but white space is left, and gives the first error of all.
func (s *scanner) end() error {
	if s.err == nil && s.space() != 0 {
		s.fail("the end")
	}
	if s.err == nil && s.pos < len(s.data) {
		s.fail("the end") // a zero byte is no white space
	}
	return s.err
}
