package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

const runStart = "2026-11-23 10:17:31.250"

func generated(t testing.TB, seed uint64, symbols ...string) *feed {
	t.Helper()
	all, err := generate(symbols, seed, at(runStart), Forever)
	if err != nil {
		t.Fatal(err)
	}
	return newFeed(all, statusTrading)
}

func number(t testing.TB, d candle.Decimal) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(d.String(), 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func minutesOf(f *feed, symbol, from, to string) []klineapi.Row {
	return f.Rows(symbol, candle.Minute1, 0, Forever, candle.Range{From: at(from), To: at(to) - 1}, 1<<20, false)
}

func TestTheGeneratedMarketHasTensOfMarkets(t *testing.T) {
	t.Parallel()
	f := generated(t, 1)
	markets := f.Markets(at(runStart))
	if len(markets) < 24 {
		t.Errorf("%d markets", len(markets))
	}
	trading, seen := 0, map[string]bool{}
	for _, m := range markets {
		if seen[m.Symbol] || m.Symbol != m.Base+m.Quote || m.TickSize.String() == zero || m.StepSize.String() == zero {
			t.Errorf("market %+v", m)
		}
		seen[m.Symbol] = true
		if m.Status == statusTrading {
			trading++
		}
	}
	if !seen["BTCUSDT"] || !seen["ETHUSDT"] || !seen["SOLUSDT"] || trading != len(markets)-1 {
		t.Errorf("%d of %d trade: %v", trading, len(markets), markets)
	}
}

// Any minute is the same whether it is asked for alone, by another simulator, or in a page with others.
func TestGeneratedMinutesAreRandomAccess(t *testing.T) {
	t.Parallel()
	f, whole := generated(t, 7), minutesOf(generated(t, 7), "SOLUSDT", "2024-02-28", "2024-03-02")
	if len(whole) < 2*1440 {
		t.Fatalf("%d rows in three days", len(whole))
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		want := whole[random.IntN(len(whole))]
		got := f.Rows("SOLUSDT", candle.Minute1, 0, Forever, candle.Range{From: want.OpenTime, To: want.OpenTime}, 1, random.IntN(2) == 0)
		if len(got) != 1 || got[0] != want {
			t.Fatalf("alone it is %+v, among others %+v", got, want)
		}
	}
	other := minutesOf(generated(t, 8), "SOLUSDT", "2024-02-28", "2024-03-02")
	if rowsEqual(whole, other) {
		t.Error("another seed made the same market")
	}
}

// Every generated row is possible and consistent in itself and with the one before it.
func TestGeneratedRowsArePlausible(t *testing.T) {
	t.Parallel()
	f := generated(t, 3)
	for _, m := range f.Markets(at(runStart)) {
		if m.Base == listedInRun {
			continue
		}
		tick, step := number(t, m.TickSize), number(t, m.StepSize)
		rows := minutesOf(f, m.Symbol, "2026-11-20", "2026-11-22")
		quiet := 0
		for i, row := range rows {
			if err := row.Validate(); err != nil {
				t.Fatalf("%s: %v", m.Symbol, err)
			}
			for _, d := range []candle.Decimal{row.Open, row.High, row.Low, row.Close, row.Volume, row.QuoteVolume, row.TakerBuyVolume, row.TakerBuyQuoteVolume} {
				if _, fraction, _ := strings.Cut(d.String(), "."); len(fraction) != 8 {
					t.Fatalf("%s: %s has not eight places", m.Symbol, d)
				}
			}
			for _, price := range []candle.Decimal{row.Open, row.High, row.Low, row.Close} {
				if n := number(t, price) / tick; math.Abs(n-math.Round(n)) > 1e-6*math.Abs(n) || n < 1 {
					t.Fatalf("%s: the price %s is off the grid of %v", m.Symbol, price, tick)
				}
			}
			if n := number(t, row.Volume) / step; math.Abs(n-math.Round(n)) > 1e-6*math.Abs(n)+1e-6 || math.Round(n) < float64(row.Trades) {
				t.Fatalf("%s: %d trades of %s in steps of %v", m.Symbol, row.Trades, row.Volume, step)
			}
			if row.TakerBuyVolume.Compare(row.Volume) > 0 || row.TakerBuyQuoteVolume.Compare(row.QuoteVolume) > 0 {
				t.Fatalf("%s: takers bought more than was traded: %+v", m.Symbol, row)
			}
			volume, quote := number(t, row.Volume), number(t, row.QuoteVolume)
			if quote < volume*number(t, row.Low)*0.999999-1e-8 || quote > volume*number(t, row.High)*1.000001+1e-8 {
				t.Fatalf("%s: %s for %s lies outside %s to %s", m.Symbol, row.QuoteVolume, row.Volume, row.Low, row.High)
			}
			if row.Trades == 0 {
				quiet++
				if row.Open != row.Close || row.High != row.Low || row.Volume.String() != zero || row.QuoteVolume.String() != zero || row.FirstTrade != -1 {
					t.Fatalf("%s: a minute without trades is %+v", m.Symbol, row)
				}
				if i > 0 && row.Open != rows[i-1].Close {
					t.Fatalf("%s: a minute without trades shows %s, the close before was %s", m.Symbol, row.Open, rows[i-1].Close)
				}
			} else if row.LastTrade-row.FirstTrade+1 != row.Trades {
				t.Fatalf("%s: %d trades have ids %d to %d", m.Symbol, row.Trades, row.FirstTrade, row.LastTrade)
			}
			if i > 0 {
				if row.CloseTime != row.OpenTime+minuteMillis-1 || row.OpenTime != rows[i-1].OpenTime+minuteMillis {
					t.Fatalf("%s: %s follows %s and closes at %s", m.Symbol, row.OpenTime, rows[i-1].OpenTime, row.CloseTime)
				}
				if jump := math.Abs(math.Log(number(t, row.Open) / number(t, rows[i-1].Close))); row.Trades > 2 && jump > 0.02 && jump > 1.5*tick/number(t, row.Open) {
					t.Fatalf("%s: %s opens at %s after a close of %s", m.Symbol, row.OpenTime, row.Open, rows[i-1].Close)
				}
			}
		}
		if m.Symbol == "DUSKUSDT" && (quiet < len(rows)/4 || quiet > len(rows)*9/10) {
			t.Errorf("of %d minutes of a thin market %d were quiet", len(rows), quiet)
		}
		if m.Symbol == "BTCUSDT" && quiet > 0 {
			t.Errorf("the greatest market had %d quiet minutes", quiet)
		}
	}
}

// Volatile minutes come in clusters, as they do in any market.
func TestGeneratedVolatilityClusters(t *testing.T) {
	t.Parallel()
	rows := minutesOf(generated(t, 5), "BTCUSDT", "2026-11-01", "2026-11-08")
	size := make([]float64, len(rows))
	mean := 0.0
	for i, row := range rows {
		size[i] = math.Abs(math.Log(number(t, row.Close) / number(t, row.Open)))
		mean += size[i] / float64(len(rows))
	}
	together, alone := 0.0, 0.0
	for i := 5; i < len(size); i++ {
		together += (size[i] - mean) * (size[i-5] - mean)
		alone += (size[i] - mean) * (size[i] - mean)
	}
	if r := together / alone; r < 0.05 {
		t.Errorf("sizes of moves five minutes apart correlate by %.3f only", r)
	}
	if day := mean * math.Sqrt(1440) * 1.25; day < 0.005 || day > 0.15 {
		t.Errorf("the day moves by %.4f", day)
	}
}

func TestYearsOfHistoryStayAtBelievableLevels(t *testing.T) {
	t.Parallel()
	f := generated(t, 11)
	rows := f.Rows("BTCUSDT", candle.Day1, 0, at(runStart), candle.Range{From: at("2023-01-01"), To: at(runStart)}, 5000, false)
	if len(rows) < 3*365 {
		t.Fatalf("%d days", len(rows))
	}
	for i, row := range rows {
		if p := number(t, row.Close); p < 6_000 || p > 600_000 {
			t.Errorf("%s closes at %s", row.OpenTime, row.Close)
		}
		if i > 0 && math.Abs(math.Log(number(t, row.Close)/number(t, rows[i-1].Close))) > 0.3 {
			t.Errorf("from %s to %s within a day", rows[i-1].Close, row.Close)
		}
	}
}

// A halt within the run: quiet minutes, a last one cut short, a real hole for all, and trade after it.
func TestAHaltIsARealHole(t *testing.T) {
	t.Parallel()
	f := generated(t, 2)
	h := haltsOf(2, at(runStart))
	i := slices.IndexFunc(h, func(h halt) bool { return h.from > at(runStart) })
	in := h[i]
	if in.from != at("2026-11-23 10:57") || in.until != at("2026-11-23 11:05") {
		t.Errorf("the run's halt lasts from %s to %s", in.from, in.until)
	}
	for _, symbol := range f.order {
		rows := f.Rows(symbol, candle.Minute1, 0, Forever, candle.Range{From: in.from - 2*minuteMillis, To: in.until + minuteMillis}, 100, false)
		if got := opens(rows); got != "10:55 10:56 11:05 11:06" {
			t.Fatalf("%s has %s", symbol, got)
		}
		if rows[0].Trades != 0 || rows[1].Trades != 0 || rows[2].Trades == 0 {
			t.Errorf("%s: trades about the halt: %d %d %d", symbol, rows[0].Trades, rows[1].Trades, rows[2].Trades)
		}
		if rows[1].CloseTime >= in.from-1 || rows[1].CloseTime != rows[1].OpenTime+(in.cut-in.from+minuteMillis) {
			t.Errorf("%s: the last candle closes at %s", symbol, rows[1].CloseTime)
		}
		if _, ok := f.At(symbol, candle.Minute1, 0, in.from.Add(time.Minute)); ok {
			t.Errorf("%s forms in the halt", symbol)
		}
	}
}

func TestOneMarketIsListedWithinTheRun(t *testing.T) {
	t.Parallel()
	f := generated(t, 2)
	symbol := listedInRun + "USDT"
	first := at("2026-11-23 10:29")
	if rows := f.Rows(symbol, candle.Minute1, 0, Forever, everything, 1, false); len(rows) != 1 || rows[0].OpenTime != first || rows[0].Trades == 0 {
		t.Errorf("the first row is %+v", rows)
	}
	status := func(now candle.Millis) string {
		for _, m := range f.Markets(now) {
			if m.Symbol == symbol {
				return m.Status
			}
		}
		return "missing"
	}
	if status(first-1) != statusBreak || status(first) != statusTrading {
		t.Errorf("it is %s, then %s", status(first-1), status(first))
	}
}

// The calendar's numbering of minutes agrees with a plain walk over them.
func TestTheCalendarNumbersTheMinutesThatExist(t *testing.T) {
	t.Parallel()
	start := at("2026-11-23 23:35") // the halt would cross midnight
	halts := haltsOf(9, start)
	for i, h := range halts {
		if h.from/dayMillis != (h.until-1)/dayMillis || (h.from-candle.Millis(h.quiet)*minuteMillis)/dayMillis != h.from/dayMillis || h.cut >= h.from-1 || h.cut < h.from-minuteMillis {
			t.Fatalf("halt %+v crosses midnight or is cut wrongly", h)
		}
		if i > 0 && h.from < halts[i-1].until+dayMillis/24 {
			t.Fatalf("halt %+v follows %+v", h, halts[i-1])
		}
	}
	first, end := at("2026-01-05 08:00"), at("2027-01-05")
	c := newCalendar(first, end, halts)
	n := 0
	for open := first; open < end; open += minuteMillis {
		missing := slices.ContainsFunc(c.halts, func(h halt) bool { return open >= h.from && open < h.until })
		if got := c.search(open); got != n {
			t.Fatalf("search(%s) = %d, not %d", open, got, n)
		}
		if got := c.search(open - 1); got != n {
			t.Fatalf("search(%s) = %d, not %d", open-1, got, n)
		}
		if missing {
			continue
		}
		if got := c.openTime(n); got != open {
			t.Fatalf("minute %d opens at %s, not %s", n, got, open)
		}
		n++
	}
	if c.count != n || c.search(end) != n || c.search(Forever) != n || c.search(0) != 0 || len(c.halts) < 4 {
		t.Errorf("%d minutes are counted, %d exist, %d halts", c.count, n, len(c.halts))
	}
}

// SIM-T4 over generated candles, a quiet market among them.
func TestGeneratedCandlesFormByTheRule(t *testing.T) {
	t.Parallel()
	f := generated(t, 4)
	for _, symbol := range []string{"BTCUSDT", "PEPEUSDT", "IOTAUSDT", "ETHBTC"} {
		for i := range 5 {
			watch(t, f, symbol, candle.Minute1, at("2026-11-23 12:00").Add(time.Duration(i)*time.Minute), time.Second)
		}
		watch(t, f, symbol, candle.Minute5, at("2026-11-23 12:00"), time.Second)
	}
	watch(t, f, "ETHUSDT", candle.Day1, at("2026-11-23"), 7*time.Minute)
	watch(t, f, "ETHUSDT", candle.Month1, at("2026-11-01"), 5*time.Hour)
}

func TestAMarketThatTheCatalogueLacksIsMadeUp(t *testing.T) {
	t.Parallel()
	f := generated(t, 1, "BTCUSDT", "QUUXUSDC", "ÑANDUUSDT")
	for _, symbol := range f.order {
		if rows := minutesOf(f, symbol, "2026-11-20", "2026-11-21"); len(rows) != 1440 {
			t.Errorf("%s has %d minutes a day", symbol, len(rows))
		}
	}
	for _, c := range []struct{ symbol, start string }{{"A B", runStart}, {"BTCUSDT", "2011-01-01"}} {
		if _, err := generate([]string{c.symbol}, 1, at(c.start), Forever); err == nil {
			t.Errorf("%s from %s was generated", c.symbol, c.start)
		}
	}
}

func BenchmarkGenerateDay(b *testing.B) {
	f := generated(b, 1, "BTCUSDT")
	m := f.instruments["BTCUSDT"].lines[candle.Minute1].(*generatedMarket)
	day := int64(20000)
	for b.Loop() {
		m.generateDay(day)
		day++
	}
}

func BenchmarkThousandGeneratedDays(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		f := generated(b, uint64(i), "BTCUSDT")
		if rows := f.Rows("BTCUSDT", candle.Day1, 0, at(runStart), everything, 1000, true); len(rows) != 1000 {
			b.Fatal(len(rows))
		}
	}
}
