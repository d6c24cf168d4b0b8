package candle

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const line = "1795428900000,3010.10000000,3012.00000000,3009.50000000,3011.25000000,42.50000000,1795428959999,127959.00000000,120,20.25000000,60970.72500000"

func TestCSVLineComesBackDigitForDigit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{line, "1,2,2,2,2,,1,,0,,"} {
		c, err := ParseCSV(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.AppendCSV(nil)); got != text {
			t.Errorf("given %s\ncame  %s", text, got)
		}
	}
	if fields := strings.Count(CSVHeader, ","); fields != strings.Count(line, ",") {
		t.Errorf("the header has %d commas", fields)
	}
}

func TestCSVLineThatIsDamagedIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", line + ",0", line[:len(line)-1] + "x", "x" + line, strings.Replace(line, ",120,", ",1.5,", 1), strings.Replace(line, "1795428959999", "1.79E+12", 1)} {
		if c, err := ParseCSV(text); err == nil {
			t.Errorf("%q became %v", text, c)
		}
	}
}

func FuzzParseCSV(f *testing.F) {
	f.Add(line)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCSV(s)
		if err != nil {
			return
		}
		again, err := ParseCSV(string(c.AppendCSV(nil)))
		if err != nil || again != c {
			t.Fatalf("%q became %v, then %v (%v)", s, c, again, err)
		}
	})
}

func TestCandleThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	good, err := ParseCSV(line)
	if err != nil || good.Validate() != nil {
		t.Fatal(err, good.Validate())
	}
	for name, spoil := range map[string]func(*Candle){
		"no open":          func(c *Candle) { c.Open = Decimal{} },
		"high below close": func(c *Candle) { c.High = MustDecimal("3011.24") },
		"low above open":   func(c *Candle) { c.Low = MustDecimal("3010.11") },
		"negative trades":  func(c *Candle) { c.Trades = -1 },
		"high below low": func(c *Candle) {
			c.Open, c.Close, c.High, c.Low = MustDecimal("1"), MustDecimal("1"), MustDecimal("1"), MustDecimal("2")
		},
	} {
		bad := good
		if spoil(&bad); bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func at(t *testing.T, s string) Millis {
	t.Helper()
	m, err := ParseMillis(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTimeframeFollowsTheCalendar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ timeframe, open, next string }{
		{"1s", "2026-11-23T10:00:59Z", "2026-11-23T10:01:00Z"},
		{"1m", "2026-11-23T23:59:00Z", "2026-11-24T00:00:00Z"},
		{"15m", "2018-02-09T09:58:14.789Z", "2018-02-09T10:00:00Z"}, // off the grid after an outage
		{"1d", "2024-02-28", "2024-02-29"},
		{"3d", "2026-11-22", "2026-11-25"},
		{"1w", "2026-11-23", "2026-11-30"},
		{"1M", "2024-02-01", "2024-03-01"},
		{"1M", "2025-12-01", "2026-01-01"},
	} {
		tf, err := ParseTimeframe(c.timeframe)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := tf.Next(at(t, c.open)), at(t, c.next); got != want {
			t.Errorf("%s after %s: %s, want %s", c.timeframe, c.open, got, want)
		}
		if floor, ok := tf.Floor(at(t, c.open)); !ok || floor == at(t, c.open) {
			if back := tf.Prev(at(t, c.next)); back != at(t, c.open) {
				t.Errorf("%s before %s: %s, want %s", c.timeframe, c.next, back, c.open)
			}
		}
	}
}

func TestTimeframeNamesAreCaseSensitiveAndComplete(t *testing.T) {
	t.Parallel()
	want := strings.Fields("1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M")
	var got []string
	for _, tf := range Timeframes() {
		got = append(got, tf.String())
		if back, err := ParseTimeframe(tf.String()); err != nil || back != tf {
			t.Errorf("%s: %v, %v", tf, back, err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, name := range []string{"", "1H", "1mo", "60", "1m ", "2m", strings.Repeat("m", 1000)} {
		if _, err := ParseTimeframe(name); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func TestOpenTimesOfThreeDaysAndLongerAreNeverComputed(t *testing.T) {
	t.Parallel()
	for _, tf := range Timeframes() {
		_, ok := tf.Floor(MillisOf(time.Now()))
		if want := tf != Day3 && tf != Week1 && tf != Month1; ok != want {
			t.Errorf("%s: %t", tf, ok)
		}
	}
	if floor, _ := Hour1.Floor(at(t, "1969-12-31T23:30:00Z")); floor != at(t, "1969-12-31T23:00:00Z") {
		t.Errorf("before the epoch: %s", floor)
	}
}

func TestCountIncludesBothEnds(t *testing.T) {
	t.Parallel()
	if n := Minute1.Count(at(t, "2023-03-24T12:40:00Z"), at(t, "2023-03-24T13:59:00Z")); n != 80 {
		t.Errorf("the outage has %d minutes", n)
	}
	if n := Month1.Count(at(t, "2023-11-01"), at(t, "2024-02-01")); n != 4 {
		t.Errorf("%d months", n)
	}
	if n := Minute1.Count(1, 0); n != 0 {
		t.Errorf("an empty range has %d", n)
	}
}

func TestParseMillisReadsWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1679661540000":             "2023-03-24T12:39:00.000Z",
		"2023-03-24T12:39:41.646Z":  "2023-03-24T12:39:41.646Z",
		"2023-03-24T14:39:00+02:00": "2023-03-24T12:39:00.000Z",
		"2023-03-24 12:39":          "2023-03-24T12:39:00.000Z",
		"2023-03-24":                "2023-03-24T00:00:00.000Z",
	} {
		if got := at(t, text); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2023-13-01", "1679661540000000000", "1e12", strings.Repeat("1", 100)} {
		if m, err := ParseMillis(text); err == nil {
			t.Errorf("%q became %s", text, m)
		}
	}
}

func TestSelectorFollowsNamesAndGlobs(t *testing.T) {
	t.Parallel()
	all := []string{"BTCUSDT", "ETHUSDT", "ETHBTC", "BTC/EUR", "1000SATSUSDT"}
	for _, c := range []struct {
		selector string
		followed string
		unknown  string
	}{
		{"ETHUSDT", "ETHUSDT", ""},
		{"ETHBTC, BTCUSDT,ETHBTC", "BTCUSDT ETHBTC", ""},
		{"*USDT", "BTCUSDT ETHUSDT 1000SATSUSDT", ""},
		{"ETH*,NOPE", "ETHUSDT ETHBTC", "NOPE"},
		{"BTC*", "BTCUSDT BTC/EUR", ""},
		{"ethusdt", "", "ethusdt"},
		{"ETH????", "ETHUSDT", ""},
	} {
		s, err := ParseSelector(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		followed, unknown := s.Resolve(all)
		if strings.Join(followed, " ") != c.followed || strings.Join(unknown, " ") != c.unknown {
			t.Errorf("%s follows %v, not %v", c.selector, followed, unknown)
		}
		if again, err := ParseSelector(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%s is not stable: %s, %v", s, again, err)
		}
	}
	if s, _ := ParseSelector("ETHUSDT,ETHUSDT"); s.String() != "ETHUSDT" {
		t.Errorf("a double stays: %s", s)
	}
}

func TestSelectorThatNamesNothingIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", ",", "ETHUSDT,", "ETH USDT", "ETH\nUSDT", "[A-Z]", "a;b", "../x\x00", "\xff", strings.Repeat("A", 51), strings.Repeat("A,", 9000)} {
		if s, err := ParseSelector(text); err == nil || len(err.Error()) > 300 {
			t.Errorf("%.30q became %s: %v", text, s, err)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	f.Add("ETHUSDT,*BTC", "ETHBTC")
	f.Fuzz(func(t *testing.T, text, symbol string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		again, err := ParseSelector(s.String())
		if err != nil || again.String() != s.String() || again.Match(symbol) != s.Match(symbol) {
			t.Fatalf("%q is not stable: %q, %v", s, again, err)
		}
	})
}
