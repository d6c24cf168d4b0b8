package simulate

import (
	"math/big"
	"math/bits"
	"strconv"

	"velador/internal/candle"
)

// amount is an exact non-negative decimal number of 18 places in 128 bits: wide enough for a
// month's sum of the volumes of the cheapest coin, fine enough for numbers that a recorder passed
// through floats (18 digits in wide recordings). Sums in floats would lose digits from the
// sixteenth on; quote volumes have nineteen.
type amount struct{ hi, lo uint64 }

const (
	amountPlaces = 18
	// maxWhole bounds the integer part of one row's number, so that a month of minutes cannot overflow.
	maxWhole = 5_000_000_000_000_000
)

var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// parseAmount reads a plain non-negative decimal; ok is false for anything else, for more than 18
// places that matter, and for integer parts beyond maxWhole.
func parseAmount(s string) (a amount, ok bool) {
	var whole uint64
	i := 0
	for ; i < len(s) && s[i] != '.'; i++ {
		digit := s[i] - '0'
		if digit > 9 || whole > maxWhole/10 {
			return amount{}, false
		}
		whole = whole*10 + uint64(digit)
	}
	if i == 0 || whole > maxWhole {
		return amount{}, false
	}
	var fraction uint64
	places := 0
	if i < len(s) {
		if i++; i == len(s) {
			return amount{}, false
		}
		for ; i < len(s); i++ {
			digit := s[i] - '0'
			if digit > 9 || (places == amountPlaces && digit != 0) {
				return amount{}, false
			}
			if places < amountPlaces {
				fraction = fraction*10 + uint64(digit)
				places++
			}
		}
	}
	a.hi, a.lo = bits.Mul64(whole, pow10[amountPlaces])
	return a.plus(amount{lo: fraction * pow10[amountPlaces-places]}), true
}

// scaledAmount gives units / 10^places.
func scaledAmount(units uint64, places int) amount {
	hi, lo := bits.Mul64(units, pow10[amountPlaces-places])
	return amount{hi, lo}
}

func (a amount) isZero() bool { return a.hi == 0 && a.lo == 0 }

func (a amount) less(b amount) bool { return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo) }

func (a amount) plus(b amount) amount {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return amount{hi, lo}
}

// minus gives a - b; b must not be the greater one.
func (a amount) minus(b amount) amount {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return amount{hi, lo}
}

// share gives a × part / of, rounded down; part must not exceed of.
func (a amount) share(part, of uint64) amount {
	if part >= of {
		return a
	}
	h0, l0 := bits.Mul64(a.lo, part)
	h1, l1 := bits.Mul64(a.hi, part)
	mid, carry := bits.Add64(l1, h0, 0)
	hi, rest := bits.Div64(h1+carry, mid, of)
	lo, _ := bits.Div64(rest, l0, of)
	return amount{hi, lo}
}

// floor cuts a to a multiple of unit.
func (a amount) floor(unit uint64) amount { return a.minus(amount{lo: bits.Rem64(a.hi, a.lo, unit)}) }

// places gives how many places of a are needed, at least 0.
func (a amount) places() int {
	places := amountPlaces
	for places > 0 && bits.Rem64(a.hi, a.lo, pow10[amountPlaces-places+1]) == 0 {
		places--
	}
	return places
}

func minAmount(a, b amount) amount {
	if b.less(a) {
		return b
	}
	return a
}

func maxAmount(a, b amount) amount {
	if a.less(b) {
		return b
	}
	return a
}

// append writes a with 8 places, as the exchange does (SIM-T5), with more only where they matter.
func (a amount) append(dst []byte) []byte {
	var fraction uint64
	if unit := pow10[amountPlaces]; a.hi < unit {
		var whole uint64
		whole, fraction = bits.Div64(a.hi, a.lo, unit)
		dst = strconv.AppendUint(dst, whole, 10)
	} else {
		n := new(big.Int).SetUint64(a.hi)
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.lo))
		whole, rest := n.QuoRem(n, new(big.Int).SetUint64(unit), new(big.Int))
		dst, fraction = whole.Append(dst, 10), rest.Uint64()
	}
	places := amountPlaces
	for places > 8 && fraction%10 == 0 {
		fraction /= 10
		places--
	}
	dst = append(dst, '.')
	for p := places - 1; p >= 0; p-- {
		dst = append(dst, byte('0'+fraction/pow10[p]%10))
	}
	return dst
}

func (a amount) decimal() candle.Decimal { return mustDecimal(string(a.append(nil))) }

// mustDecimal reads a number whose form was checked or made here.
func mustDecimal(s string) candle.Decimal {
	d, err := candle.ParseDecimal(s)
	if err != nil {
		panic("simulate: a checked number is no decimal: " + err.Error())
	}
	return d
}
