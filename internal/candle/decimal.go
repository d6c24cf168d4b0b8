package candle

import (
	"fmt"
	"strings"
)

// MaxDecimalLen bounds a decimal's text, in bytes. Exchanges send up to 30 significant digits;
// the bound keeps a hostile message from costing more than it weighs.
const MaxDecimalLen = 80

// Decimal is an exact decimal number. It keeps the very text that the exchange sent, so no
// digit, and no trailing zero, is lost between a socket and a database; it never passes through
// a float. The zero Decimal is absent: the venue does not say.
//
// == compares the text; Equal compares the value (0.10 equals 0.1).
type Decimal struct{ text string }

// ParseDecimal checks that s is a plain decimal number in the grammar of JSON (-12, 0.50, 3e-7)
// and keeps it. A number with an exponent is written out. The text is kept as it is, not copied,
// so a substring of a frame stays a substring: no allocation.
func ParseDecimal(s string) (Decimal, error) {
	exponent, err := scanDecimal(s)
	if err != nil {
		return Decimal{}, err
	}
	if exponent >= 0 {
		return expand(s, exponent)
	}
	return Decimal{text: s}, nil
}

// MustDecimal is ParseDecimal for literals in tests and tables; it panics on anything else.
func MustDecimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

// scanDecimal validates s and tells where its exponent letter stands, or -1.
func scanDecimal(s string) (exponent int, err error) {
	if len(s) == 0 {
		return -1, fmt.Errorf("an empty text is no decimal number")
	}
	if len(s) > MaxDecimalLen {
		return -1, fmt.Errorf("decimal %.20q… has %d characters, at most %d are allowed", s, len(s), MaxDecimalLen)
	}
	i := 0
	if s[0] == '-' {
		i++
	}
	first := i
	i = skipDigits(s, i)
	if i == first || (s[first] == '0' && i > first+1) {
		return -1, fmt.Errorf("%q is no decimal number", s)
	}
	if i < len(s) && s[i] == '.' {
		point := i + 1
		if i = skipDigits(s, point); i == point {
			return -1, fmt.Errorf("%q is no decimal number", s)
		}
	}
	if i == len(s) {
		return -1, nil
	}
	if s[i] != 'e' && s[i] != 'E' {
		return -1, fmt.Errorf("%q is no decimal number", s)
	}
	exponent = i
	if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if first = i; skipDigits(s, i) != len(s) || first == len(s) {
		return -1, fmt.Errorf("%q is no decimal number", s)
	}
	return exponent, nil
}

func skipDigits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// expand writes out a number whose exponent letter stands at e, within MaxDecimalLen.
func expand(s string, e int) (Decimal, error) {
	power, negative := 0, false
	for _, c := range []byte(s[e+1:]) {
		switch {
		case c == '-':
			negative = true
		case c != '+' && power <= MaxDecimalLen:
			power = power*10 + int(c-'0')
		}
	}
	if power > MaxDecimalLen {
		return Decimal{}, fmt.Errorf("decimal %q needs more than %d characters", s, MaxDecimalLen)
	}
	if negative {
		power = -power
	}
	sign, mantissa := "", s[:e]
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	point := len(whole) + power
	if point <= 0 {
		digits = strings.Repeat("0", 1-point) + digits
		point = 1
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if whole, fraction = strings.TrimLeft(digits[:point], "0"), digits[point:]; whole == "" {
		whole = "0"
	}
	text := sign + whole
	if fraction != "" {
		text += "." + fraction
	}
	if len(text) > MaxDecimalLen {
		return Decimal{}, fmt.Errorf("decimal %q needs more than %d characters", s, MaxDecimalLen)
	}
	return Decimal{text: text}, nil
}

// String gives the number as it was sent; "" when it is absent.
func (d Decimal) String() string { return d.text }

// IsAbsent tells that the venue did not say this number.
func (d Decimal) IsAbsent() bool { return d.text == "" }

// Equal tells whether two decimals have the same value, whatever zeros they carry. Absent
// equals only absent.
func (d Decimal) Equal(e Decimal) bool {
	if d.IsAbsent() || e.IsAbsent() {
		return d.IsAbsent() == e.IsAbsent()
	}
	return d.text == e.text || d.Compare(e) == 0
}

// Compare gives -1, 0 or +1 as d is less than, equal to or greater than e in value. An absent
// decimal counts as zero.
func (d Decimal) Compare(e Decimal) int {
	dn, dw, df := d.parts()
	en, ew, ef := e.parts()
	sign := 1
	switch {
	case dn && !en:
		return -1
	case en && !dn:
		return 1
	case dn:
		sign = -1
	}
	if len(dw) != len(ew) {
		return sign * sgn(len(dw)-len(ew))
	}
	if c := strings.Compare(dw, ew); c != 0 {
		return sign * c
	}
	// Without their trailing zeros, fractions compare as text does.
	return sign * strings.Compare(df, ef)
}

// parts gives sign, integer digits without leading zeros, and fraction digits without trailing
// ones. Minus zero is zero.
func (d Decimal) parts() (negative bool, whole, fraction string) {
	s := d.text
	if s != "" && s[0] == '-' {
		negative, s = true, s[1:]
	}
	whole, fraction, _ = strings.Cut(s, ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	return negative && (whole != "" || fraction != ""), whole, fraction
}

func sgn(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// MarshalText gives the number's text, so that JSON carries it as a string, never as a number
// that a reader would round.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads what MarshalText wrote; an empty text is absent.
func (d *Decimal) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Decimal{}
		return nil
	}
	parsed, err := ParseDecimal(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}
