package simulate

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

func opens(rows []klineapi.Row) string {
	texts := make([]string, len(rows))
	for i, row := range rows {
		texts[i] = row.OpenTime.Time().Format("15:04")
	}
	return strings.Join(texts, " ")
}

// SIM-T6, SIM-R5: the outage of 2023-03-24 stays a hole.
func TestHolesStayHoles(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	for _, symbol := range []string{"BTCUSDT", "ETHUSDT", "SOLUSDT", "ARBUSDT"} {
		rows := f.Rows(symbol, candle.Minute1, 0, Forever, candle.Range{From: at("2023-03-24 12:38"), To: at("2023-03-24 14:01")}, 1000, false)
		if got := opens(rows); got != "12:38 12:39 14:00 14:01" {
			t.Errorf("%s has %s", symbol, got)
		}
		if rows[1].Trades != 0 || rows[1].FirstTrade != -1 || rows[1].LastTrade != -1 || rows[1].Open != rows[1].Close {
			t.Errorf("%s: the minute without trades is %+v", symbol, rows[1])
		}
		inside := candle.Range{From: at("2023-03-24 12:40"), To: at("2023-03-24 13:59:59")}
		for _, newest := range []bool{false, true} {
			if rows := f.Rows(symbol, candle.Minute1, 0, Forever, inside, 1000, newest); len(rows) != 0 {
				t.Errorf("%s has %d rows inside the hole", symbol, len(rows))
			}
		}
		for now := at("2023-03-24 12:39:47"); now < at("2023-03-24 14:00"); now = now.Add(7 * time.Minute) {
			for _, tf := range []candle.Timeframe{candle.Minute1, candle.Minute5, candle.Minute15, candle.Hour1} {
				if row, ok := f.At(symbol, tf, 0, now); ok {
					t.Errorf("%s %s forms at %s, inside the hole: %+v", symbol, tf, now, row)
				}
			}
			if _, ok := f.At(symbol, candle.Hour4, 0, now); !ok {
				t.Errorf("%s 4h does not form at %s, though its interval has candles", symbol, now)
			}
		}
		if rows := f.Closing(symbol, candle.Minute1, 0, at("2023-03-24 12:39:59"), at("2023-03-24 14:00:59")); len(rows) != 0 {
			t.Errorf("%s closed %+v inside the hole", symbol, rows)
		}
	}
}

// SIM-T7: the close time of the last candle before the halt is the exchange's own, and it is over then.
func TestOddCloseTimesAreServedUnchanged(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	for symbol, cut := range map[string]candle.Millis{"BTCUSDT": 1679661581646, "ETHUSDT": 1679661583061, "SOLUSDT": 1679661586948} {
		for _, tf := range []candle.Timeframe{candle.Minute1, candle.Minute5, candle.Minute15, candle.Hour1} {
			closed := f.Closing(symbol, tf, 0, cut, cut+1)
			if len(closed) != 1 || closed[0].CloseTime != cut {
				t.Errorf("%s %s: closing at %s are %+v", symbol, tf, cut+1, closed)
			}
			if _, ok := f.At(symbol, tf, 0, cut); !ok {
				t.Errorf("%s %s does not form at its last instant", symbol, tf)
			}
			if _, ok := f.At(symbol, tf, 0, cut+1); ok {
				t.Errorf("%s %s forms after its close", symbol, tf)
			}
		}
	}
}

// SIM-T7: opens off the grid, a candle over before it opened, and days cut short survive.
func TestOffGridOpensAreServedUnchanged(t *testing.T) {
	t.Parallel()
	rows := "1518170294789,8200,8300,8100,8250,5,1518170399999,1,1,1,1,0\n" + // 2018-02-09 09:58:14.789
		"1518170400000,8250,8300,8100,8250,5,1518171299999,1,1,1,1,0\n" +
		"1608559200000,8250,8300,8100,8250,5,1608559199000,1,1,1,1,0\n" // closes before it opens, as on 2020-12-21
	dir := writeFile(t, t.TempDir(), "BTCUSDT-15m-2018-02.csv", []byte(rows))
	r, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(r.instruments(1), statusTrading)
	got := f.Rows("BTCUSDT", candle.Minute15, 0, Forever, everything, 10, false)
	if len(got) != 3 || got[0].OpenTime != 1518170294789 || got[0].CloseTime != 1518170399999 || got[2].CloseTime != 1608559199000 {
		t.Fatalf("got %+v", got)
	}
	if row, ok := f.At("BTCUSDT", candle.Minute15, 0, 1518170294789); !ok || row.OpenTime != 1518170294789 {
		t.Errorf("at its open the off-grid candle is %+v, %v", row, ok)
	}
	if rows := f.Closing("BTCUSDT", candle.Minute15, 0, 1518170399999, 1518170400000); len(rows) != 1 || rows[0].OpenTime != 1518170294789 {
		t.Errorf("the off-grid candle closes as %+v", rows)
	}
	if rows := f.Closing("BTCUSDT", candle.Minute15, 0, 1608559199999, 1608559200000); len(rows) != 1 {
		t.Errorf("the candle over before it opened closes as %+v", rows)
	}
	real := replay(t, "rest-klines", "BTCUSDT")
	day := real.Rows("BTCUSDT", candle.Day1, 0, Forever, candle.Range{From: at("2018-02-08"), To: at("2018-02-08")}, 1, false)
	if len(day) != 1 || day[0].CloseTime != 1518049694788 {
		t.Errorf("2018-02-08 is served as %+v", day)
	}
}

// The six cases of EXCHANGES.md 2.3 (SIM-R3) as far as the source decides them.
func TestRowsAreSelectedByOpenTime(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily", "BTCUSDT")
	now := at("2023-03-22 10:30:30")
	for _, c := range []struct {
		tf       candle.Timeframe
		from, to string
		limit    int
		newest   bool
		want     string
	}{
		{candle.Hour1, "2023-03-22 07:28", "2023-03-22 23:00", 2, false, "08:00 09:00"},
		{candle.Hour1, "2023-03-22 07:00", "2023-03-22 09:00", 9, false, "07:00 08:00 09:00"},
		{candle.Hour1, "2023-03-22 07:00", "2023-03-22 08:59", 9, true, "07:00 08:00"},
		{candle.Hour1, "1970-01-01", "2199-01-01", 2, true, "09:00 10:00"}, // 10:00 is forming
		{candle.Hour1, "2023-03-22 10:31", "2199-01-01", 2, false, ""},
		{candle.Minute1, "2023-03-22 10:29", "2199-01-01", 9, false, "10:29 10:30"},
		{candle.Minute1, "1970-01-01", "1980-01-01", 9, true, ""},
		{candle.Minute1, "1970-01-01", "2199-01-01", 3, false, "00:00 00:01 00:02"},
		{candle.Hour2, "2023-03-22 07:00", "2199-01-01", 9, false, "08:00 10:00"},
		{candle.Minute1, "2023-03-22 09:00", "2023-03-22 08:00", 9, false, ""},
		{candle.Minute1, "2023-03-22 09:00", "2023-03-22 10:00", 0, false, ""},
	} {
		rows := f.Rows("BTCUSDT", c.tf, 0, now, candle.Range{From: at(c.from), To: at(c.to)}, c.limit, c.newest)
		if got := opens(rows); got != c.want {
			t.Errorf("%s from %s to %s, %d rows, newest %v: got %q, want %q", c.tf, c.from, c.to, c.limit, c.newest, got, c.want)
		}
	}
	for _, unknown := range []string{"", "btcusdt", "NOPE"} {
		if rows := f.Rows(unknown, candle.Minute1, 0, now, everything, 10, true); rows != nil {
			t.Errorf("the unknown symbol %q has rows", unknown)
		}
	}
}

// A market is in BREAK before its listing, TRADING from then on, in a halt what the profile says.
func TestAListingBeginsWithItsFirstRow(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	status := func(f *feed, symbol, when string) string {
		markets := f.Markets(at(when))
		i := slices.IndexFunc(markets, func(m klineapi.Market) bool { return m.Symbol == symbol })
		return markets[i].Status
	}
	for when, want := range map[string]string{
		"2023-03-23 14:59:59": statusBreak, "2023-03-23 15:00": statusTrading, "2023-03-24 13:00": statusTrading, "2023-04-03 00:10": statusTrading,
	} {
		if got := status(f, "ARBUSDT", when); got != want {
			t.Errorf("at %s ARBUSDT is in %s, not %s", when, got, want)
		}
	}
	f.haltStatus = statusHalt
	for when, want := range map[string]string{"2023-03-24 12:39:30": statusTrading, "2023-03-24 12:40": statusHalt, "2023-03-24 14:00": statusTrading} {
		if got := status(f, "ARBUSDT", when); got != want {
			t.Errorf("at %s ARBUSDT is in %s, not %s", when, got, want)
		}
	}
	before := at("2023-03-23 14:59:59")
	if rows := f.Rows("ARBUSDT", candle.Minute1, 0, before, everything, 10, true); len(rows) != 0 {
		t.Errorf("before the listing there are %+v", rows)
	}
	if _, ok := f.At("ARBUSDT", candle.Day1, 0, before); ok {
		t.Error("before the listing the day forms")
	}
	day, ok := f.At("ARBUSDT", candle.Day1, 0, at("2023-03-23 15:00:30"))
	if !ok || day.OpenTime != at("2023-03-23") || day.Open.String() != "0.50000000" {
		t.Errorf("half a minute after the listing the day is %+v, %v", day, ok)
	}
	m := f.Markets(before)[0]
	if m.Symbol != "ARBUSDT" || m.Base != "ARB" || m.Quote != "USDT" || m.TickSize.String() != "0.00010000" || m.StepSize.String() != "0.10000000" {
		t.Errorf("the market is %+v", m)
	}
}

// SIM-T1: stepping a minute closes exactly one minute of each live symbol.
func TestSteppingAMinuteClosesOneCandleOfEachSymbol(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	synctest.Test(t, func(t *testing.T) {
		clock, err := NewClock(at("2023-03-26 10:00"), 1, Forever)
		if err != nil {
			t.Fatal(err)
		}
		clock.Pause()
		for range 20 {
			before := clock.Now()
			if err := clock.Step(time.Minute); err != nil {
				t.Fatal(err)
			}
			for _, symbol := range f.order {
				if rows := f.Closing(symbol, candle.Minute1, 0, before, clock.Now()); len(rows) != 1 || rows[0].OpenTime != before {
					t.Fatalf("%s: the minute from %s closed %+v", symbol, before, rows)
				}
			}
		}
	})
}

// Walked in any steps, every closed row comes once, in order, as it is recorded; a row is never
// both forming and closed.
func TestEveryRowClosesOnce(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily", "ETHUSDT")
	for _, tf := range []candle.Timeframe{candle.Minute1, candle.Minute3, candle.Minute15, candle.Hour4, candle.Day1} {
		for _, step := range []time.Duration{17 * time.Second, time.Minute, 47 * time.Minute} {
			from, to := at("2023-03-24 10:00"), at("2023-03-24 18:00")
			var closed []klineapi.Row
			for now := from; now < to; {
				next := min(to, now.Add(step))
				closed = append(closed, f.Closing("ETHUSDT", tf, 0, now, next)...)
				now = next
			}
			var want []klineapi.Row
			for _, row := range f.Rows("ETHUSDT", tf, 0, Forever, candle.Range{From: from - 2*dayMillis, To: to}, 1<<20, false) {
				if over := closingInstant(row.OpenTime, row.CloseTime); over > from && over <= to {
					want = append(want, row)
				}
			}
			if !rowsEqual(closed, want) {
				t.Errorf("%s in steps of %s: %d rows closed, %d should", tf, step, len(closed), len(want))
			}
		}
	}
}

// All symbols of the widest recording at once, some of whose numbers passed through floats.
func TestTheWideRecordingIsServedWhole(t *testing.T) {
	t.Parallel()
	f := replay(t, "wide-2021-04")
	if len(f.order) != 91 {
		t.Fatalf("%d symbols", len(f.order))
	}
	rows := f.Rows("1INCHUSDT", candle.Minute1, 0, Forever, everything, 1<<20, false)
	if len(rows) != 9646 || rows[0].Open.String() != "5.2928" {
		t.Errorf("%d rows, the first %+v", len(rows), rows[0])
	}
	hour := f.Rows("1INCHUSDT", candle.Hour1, 0, Forever, everything, 1, false)
	if len(hour) != 1 || !hour[0].Open.Equal(rows[0].Open) || hour[0].Trades != 0 || hour[0].Volume.String() == zero {
		t.Errorf("the first hour is %+v", hour)
	}
	if m := f.Markets(noon)[0]; m.Base != "1INCH" || m.Quote != "USDT" {
		t.Errorf("the market is %+v", m)
	}
}

func BenchmarkRows1000Minutes(b *testing.B) {
	f := replay(b, "archive-daily", "BTCUSDT")
	for b.Loop() {
		if rows := f.Rows("BTCUSDT", candle.Minute1, 0, Forever, everything, 1000, true); len(rows) != 1000 {
			b.Fatal(len(rows))
		}
	}
}

func BenchmarkAt(b *testing.B) {
	f := replay(b, "archive-daily", "BTCUSDT")
	for _, tf := range []candle.Timeframe{candle.Minute1, candle.Hour1, candle.Day1, candle.Month1} {
		b.Run(tf.String(), func(b *testing.B) {
			now := at("2023-03-26 12:00")
			for b.Loop() {
				now += 2000
				if now > at("2023-03-30") {
					now = at("2023-03-26 12:00")
				}
				if _, ok := f.At("BTCUSDT", tf, 0, now); !ok {
					b.Fatal(now)
				}
			}
		})
	}
}
