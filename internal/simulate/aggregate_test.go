package simulate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// minutesOnly hides what is recorded of longer candles.
func minutesOnly(f *feed) *feed {
	var instruments []*instrument
	for _, symbol := range f.order {
		in := *f.instruments[symbol]
		for tf := candle.Minute3; tf <= candle.Month1; tf++ {
			in.lines[tf] = nil
		}
		instruments = append(instruments, &in)
	}
	return newFeed(instruments, statusTrading)
}

// SIM-T3, the golden test: what the minutes add up to is the exchange's own longer candle, in every
// digit of every column.
func TestMinutesAddUpToTheExchangesOwnCandles(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	summed := minutesOnly(f)
	for _, symbol := range f.order {
		for _, tf := range []candle.Timeframe{candle.Minute15, candle.Hour1, candle.Day1} {
			if f.instruments[symbol].lines[tf] == nil {
				continue
			}
			span := candle.Range{From: at("2023-03-20"), To: at("2023-04-02 23:59:59")}
			want := f.Rows(symbol, tf, 0, Forever, span, 1<<30, false)
			got := summed.Rows(symbol, tf, 0, Forever, span, 1<<30, false)
			if len(want) == 0 || len(got) != len(want) {
				t.Fatalf("%s %s: %d rows recorded, %d added up", symbol, tf, len(want), len(got))
			}
			for i := range want {
				if g, w := string(got[i].AppendCSV(nil)), string(want[i].AppendCSV(nil)); g != w {
					t.Errorf("%s %s\nadded up %s\nrecorded %s", symbol, tf, g, w)
				}
			}
			t.Logf("%s %s: %d candles equal", symbol, tf, len(want))
		}
	}
}

// The exchange's own months and weeks are held against those added up from its days, where no day was odd.
func TestDaysAddUpToTheExchangesOwnWeeksAndMonths(t *testing.T) {
	t.Parallel()
	f := replay(t, "rest-klines")
	for _, symbol := range f.order {
		for _, c := range []struct {
			tf   candle.Timeframe
			want int
		}{{candle.Week1, 100}, {candle.Month1, 30}} {
			in := *f.instruments[symbol]
			want := in.lines[c.tf]
			in.lines[candle.Week1], in.lines[candle.Month1] = nil, nil
			in.lines[candle.Minute15], in.lines[candle.Hour1] = nil, nil // partly recorded only
			summed := newFeed([]*instrument{&in}, statusTrading)
			equal := 0
			for i := range want.len() {
				row := want.row(i)
				got := summed.Rows(symbol, c.tf, 0, Forever, candle.Range{From: row.OpenTime, To: row.OpenTime}, 1, false)
				if len(got) == 1 && got[0].Equal(row.Candle) {
					equal++
				}
			}
			t.Logf("%s %s: %d of %d candles equal", symbol, c.tf, equal, want.len())
			if equal < c.want {
				t.Errorf("%s %s: only %d of %d candles are what their days add up to", symbol, c.tf, equal, want.len())
			}
		}
	}
}

func TestRecordedLongerCandlesWinOverWhatMinutesAddUpTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, "BTCUSDT-1m-2023-03-24.csv", []byte(msRow))
	writeFile(t, dir, "BTCUSDT-5m-2023-03-24.csv", []byte(strings.NewReplacer("1.50000000", "9.50000000", "1679659259999", "1679659499999").Replace(msRow)))
	for tf, volume := range map[candle.Timeframe]string{candle.Minute3: "1.50000000", candle.Minute5: "9.50000000", candle.Minute15: "1.50000000"} {
		rows := loadRows(t, dir, LoadOptions{}, "BTCUSDT", tf)
		if len(rows) != 1 || rows[0].Volume.String() != volume {
			t.Errorf("%s: got %+v, want volume %s", tf, rows, volume)
		}
	}
}

func TestThreeDaysAreServedAsRecordedOnly(t *testing.T) {
	t.Parallel()
	dir := writeFile(t, t.TempDir(), "BTCUSDT-1m-2023-03-24.csv", []byte(msRow))
	if rows := loadRows(t, dir, LoadOptions{}, "BTCUSDT", candle.Day3); len(rows) != 0 {
		t.Errorf("three days were made up: %+v", rows)
	}
	writeFile(t, dir, "BTCUSDT-3d-2023-03.csv", []byte(strings.Replace(msRow, "1679659259999", "1679831999999", 1)))
	if rows := loadRows(t, dir, LoadOptions{}, "BTCUSDT", candle.Day3); len(rows) != 1 || rows[0].CloseTime != 1679831999999 {
		t.Errorf("the recorded three days are served as %+v", rows)
	}
}

func TestIntervalsOpenWhereTheExchangeOpensThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tf               candle.Timeframe
		zone             time.Duration
		t, opens, closes string
	}{
		{candle.Minute15, 0, "2023-03-24 12:44:59", "2023-03-24 12:30", "2023-03-24 12:45"},
		{candle.Minute15, 20 * time.Minute, "2023-03-24 12:44:59", "2023-03-24 12:30", "2023-03-24 12:45"}, // below an hour nothing moves
		{candle.Day1, 0, "2023-03-24 12:40", "2023-03-24", "2023-03-25"},
		{candle.Day1, 8 * time.Hour, "2023-03-24 12:40", "2023-03-23 16:00", "2023-03-24 16:00"},
		{candle.Day1, -90 * time.Minute, "2023-03-24 01:00", "2023-03-23 01:30", "2023-03-24 01:30"},
		{candle.Week1, 0, "2017-08-17", "2017-08-14", "2017-08-21"},
		{candle.Week1, 0, "2026-06-29", "2026-06-29", "2026-07-06"},
		{candle.Week1, 8 * time.Hour, "2026-06-28 16:00", "2026-06-28 16:00", "2026-07-05 16:00"},
		{candle.Month1, 0, "2024-02-29 23:59", "2024-02-01", "2024-03-01"},
		{candle.Month1, 8 * time.Hour, "2024-02-29 16:00", "2024-02-29 16:00", "2024-03-31 16:00"},
		{candle.Day3, 0, "2017-08-18", "2017-08-17", "2017-08-20"},
		{candle.Day3, 0, "2026-07-03 23:00", "2026-07-01", "2026-07-04"},
	} {
		if opens, closes := interval(c.tf, c.zone, at(c.t)); opens != at(c.opens) || closes != at(c.closes) {
			t.Errorf("%s at %s shifted by %s opens %s and closes %s", c.tf, c.t, c.zone, opens, closes)
		}
	}
}

// SIM-R9: in another zone days open elsewhere and hold the same minutes.
func TestAZoneShiftsTheBoundariesOfDays(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily", "BTCUSDT")
	rows := f.Rows("BTCUSDT", candle.Day1, 8*time.Hour, Forever, candle.Range{From: at("2023-03-26"), To: at("2023-03-26 23:59")}, 10, false)
	if len(rows) != 1 || rows[0].OpenTime != at("2023-03-26 16:00") {
		t.Fatalf("got %+v", rows)
	}
	minutes := f.Rows("BTCUSDT", candle.Minute1, 0, Forever, candle.Range{From: at("2023-03-26 16:00"), To: at("2023-03-27 15:59")}, 2000, false)
	trades := int64(0)
	for _, m := range minutes {
		trades += m.Trades
	}
	if rows[0].Trades != trades || rows[0].Open != minutes[0].Open || rows[0].Close != minutes[len(minutes)-1].Close {
		t.Errorf("the shifted day is %+v, its minutes have %d trades", rows[0], trades)
	}
}

// A day asked for minute by minute, forwards and in jumps, is the same as asked for at once.
func TestRunningSumsChangeNoAnswer(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily", "ETHUSDT")
	busy := minutesOnly(f)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		now := at("2023-03-24").Add(time.Duration(i) * 13 * time.Minute)
		if i%3 == 0 {
			now = at("2023-03-22").Add(time.Duration(random.Int64N(int64(9 * 24 * time.Hour))))
		}
		for _, tf := range []candle.Timeframe{candle.Minute3, candle.Hour4, candle.Day1, candle.Week1, candle.Month1} {
			got, gotOK := busy.At("ETHUSDT", tf, 0, now)
			want, wantOK := newFeed([]*instrument{busy.instruments["ETHUSDT"]}, statusTrading).At("ETHUSDT", tf, 0, now)
			if got != want || gotOK != wantOK {
				t.Fatalf("%s at %s: %+v %v, without memory %+v %v", tf, now, got, gotOK, want, wantOK)
			}
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0.00000000", "1": "1.00000000", "0.1": "0.10000000", "28080.00000000": "28080.00000000",
		"2287047.7999999998": "2287047.7999999998", "42538297.66482722": "42538297.66482722",
		"4999999999999999.999999999999999999": "4999999999999999.999999999999999999", "0.00000000000000000000": "0.00000000",
	} {
		if a, ok := parseAmount(text); !ok || a.decimal().String() != want {
			t.Errorf("%s became %s, %v", text, a.decimal(), ok)
		}
	}
	for _, text := range []string{"", ".", ".5", "5.", "-1", "1e3", "0x1", "1.0000000000000000001", "5000000000000001", "99999999999999999999999", "1.2.3"} {
		if a, ok := parseAmount(text); ok {
			t.Errorf("%q became %s", text, a.decimal())
		}
	}
	var sum amount
	greatest, _ := parseAmount("999999999999999.99999999")
	for range 44_640 { // minutes of a month
		sum = sum.plus(greatest)
	}
	if got := sum.decimal().String(); got != "44639999999999999999.99955360" {
		t.Errorf("a month of the greatest volumes is %s", got)
	}
}

// rowsEqual compares rows with their trade ids.
func rowsEqual(a, b []klineapi.Row) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
