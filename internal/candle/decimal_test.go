package candle

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func TestDecimalKeepsTheTextThatWasSent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "0.00000000", "3010.10000000", "-12.5", "123456789012345678901234567890.123456789", "0.000000000000000000000000000001"} {
		d, err := ParseDecimal(text)
		if err != nil {
			t.Fatalf("ParseDecimal(%q): %v", text, err)
		}
		if d.String() != text {
			t.Errorf("ParseDecimal(%q) became %q", text, d)
		}
	}
}

func TestDecimalWritesExponentsOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1e3": "1000", "1.5E2": "150", "1.25e1": "12.5", "3e-7": "0.0000003", "12.5e-1": "1.25", "-2.50e-3": "-0.00250", "0e5": "0", "0.001e2": "0.1", "0.05e1": "0.5", "100e-2": "1.00",
	} {
		d, err := ParseDecimal(text)
		if err != nil || d.String() != want {
			t.Errorf("ParseDecimal(%q) = %q, %v; want %q", text, d, err, want)
		}
	}
}

func TestDecimalRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "-", ".", ".5", "5.", "+1", "01", "1e", "1e+", "1.2.3", "1,2", " 1", "1 ", "NaN", "Infinity", "0x10", "1_000", "١", "1e99999999999999999999", strings.Repeat("1", MaxDecimalLen+1), "1e80"} {
		if d, err := ParseDecimal(text); err == nil {
			t.Errorf("ParseDecimal(%q) = %q, want an error", text, d)
		}
	}
}

func TestDecimalComparesByValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"0.10", "0.1", 0}, {"10", "9", 1}, {"9", "10", -1}, {"-1", "1", -1}, {"-2", "-1", -1}, {"-0", "0", 0}, {"-0.00", "0", 0},
		{"1.09", "1.1", -1}, {"100.000000000000000000001", "100", 1}, {"0.5", "0.49", 1}, {"-0.5", "-0.49", -1},
	} {
		if got := MustDecimal(c.a).Compare(MustDecimal(c.b)); got != c.want {
			t.Errorf("%s compared with %s gives %d, want %d", c.a, c.b, got, c.want)
		}
		if equal := MustDecimal(c.a).Equal(MustDecimal(c.b)); equal != (c.want == 0) {
			t.Errorf("%s equals %s: %t", c.a, c.b, equal)
		}
	}
	if (Decimal{}).Equal(MustDecimal("0")) {
		t.Error("an absent decimal equals 0")
	}
}

func TestDecimalTravelsThroughJSONAsAString(t *testing.T) {
	t.Parallel()
	in := struct{ A, B Decimal }{A: MustDecimal("0.10")}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"A":"0.10","B":""}` {
		t.Fatalf("%s, %v", text, err)
	}
	out := in
	out.A = Decimal{}
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("%v, %v; want %v", out, err, in)
	}
	if err := json.Unmarshal([]byte(`{"A":"0x1"}`), &out); err == nil {
		t.Error("a decimal of 0x1 was accepted")
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "1.50", "-2e-3", "9e9", "0.0e0", "1e79", "00", "-0.10E+2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		got, ok2 := new(big.Rat).SetString(d.String())
		if !ok || !ok2 || want.Cmp(got) != 0 {
			t.Fatalf("%q became %q", s, d)
		}
		again, err := ParseDecimal(d.String())
		if err != nil || again != d || len(d.String()) > MaxDecimalLen {
			t.Fatalf("%q is not stable: %q, %v", d, again, err)
		}
	})
}
