package binance

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

func TestPageSortsAndDropsDoublesAndTellsClosedFromForming(t *testing.T) {
	t.Parallel()
	asOf := testCandle(5).OpenTime.Add(10 * time.Second)
	all := candle.Range{From: 0, To: math.MaxInt64}
	early := testCandle(5) // an odd close time, before the open (EXCHANGES.md 2.15)
	early.CloseTime = early.OpenTime - 1
	late := testCandle(4) // its close lies within the margin
	for name, c := range map[string]struct {
		rows     []candle.Candle
		asOf     candle.Millis
		want     []candle.Candle
		unclosed candle.Millis
	}{
		"newest first":              {[]candle.Candle{testCandle(5), testCandle(2), testCandle(1)}, asOf, []candle.Candle{testCandle(1), testCandle(2)}, testCandle(5).OpenTime},
		"double":                    {[]candle.Candle{testCandle(1), testCandle(1), testCandle(2), testCandle(2)}, asOf, []candle.Candle{testCandle(1), testCandle(2)}, 0},
		"double of the forming one": {[]candle.Candle{testCandle(1), testCandle(5), testCandle(5)}, asOf, []candle.Candle{testCandle(1)}, testCandle(5).OpenTime},
		"odd close of the forming":  {[]candle.Candle{testCandle(1), early}, asOf, []candle.Candle{testCandle(1)}, early.OpenTime},
		"odd close of the past":     {[]candle.Candle{early}, asOf.Add(time.Minute), []candle.Candle{early}, 0},
		"within the margin":         {[]candle.Candle{late}, late.CloseTime.Add(closeMargin), nil, late.OpenTime},
		"past the margin":           {[]candle.Candle{late}, late.CloseTime.Add(closeMargin) + 1, []candle.Candle{late}, 0},
		"clock unknown":             {[]candle.Candle{testCandle(0)}, 0, nil, testCandle(0).OpenTime},
	} {
		page, err := newPage(slices.Clone(c.rows), candle.Minute1, all, c.asOf)
		if err != nil || !slices.Equal(page.Candles, c.want) || page.Unclosed != c.unclosed || page.AsOf != c.asOf {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
	other := testCandle(1)
	other.Trades++
	if page, err := newPage([]candle.Candle{testCandle(1), other}, candle.Minute1, all, asOf); err == nil {
		t.Errorf("two versions of one candle became %+v", page)
	}
}

func TestClockIsAskedOnlyWhenWhatIsKnownDoesNotSuffice(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	ask := func(r candle.Range) exchange.Page {
		t.Helper()
		page, err := e.Candles(t.Context(), testSymbol, candle.Minute1, r)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	paths := func() (paths []string) {
		for _, asked := range v.asked() {
			path, _, _ := strings.Cut(asked, "?")
			paths = append(paths, strings.TrimPrefix(path, "/api/v3/"))
		}
		v.locked(func() { v.requests = nil })
		return paths
	}
	expect := func(why string, want ...string) {
		t.Helper()
		if got := paths(); !slices.Equal(got, want) {
			t.Errorf("%s: asked %v, want %v", why, got, want)
		}
	}
	ask(someRange)
	expect("nothing is known", "time", "klines")
	ask(someRange)
	expect("the clock is known to lie behind", "klines")
	ask(candle.Range{From: testStart, To: v.forming().OpenTime})
	expect("a page of a thousand cannot reach the present", "klines")
	ask(candle.Range{From: v.forming().OpenTime, To: v.forming().OpenTime})
	expect("the present", "time", "klines")

	// A hole of weeks lets a page reach further than a thousand steps, to rows that the known clock
	// does not prove closed: they are not called unclosed without asking.
	v.locked(func() {
		v.closed = []candle.Candle{testCandle(0), testCandle(2290)}
		e.clock.latest.Store(int64(testCandle(1100).OpenTime))
	})
	page := ask(candle.Range{From: testStart, To: testCandle(2295).OpenTime})
	expect("a hole", "klines", "time", "klines")
	if len(page.Candles) != 2 || page.Unclosed != 0 {
		t.Errorf("%+v", page)
	}
}

func TestRowsInMicrosecondsAreTheSameCandles(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	e.clock.reached(v.now)
	text := "[" + row(testCandle(0)) + "]"
	text = strings.NewReplacer("1795428900000", "1795428900000000", "1795428959999", "1795428959999999").Replace(text)
	v.locked(func() { v.fault = answer(http.StatusOK, jsonType, text) })
	page, err := e.Candles(t.Context(), testSymbol, candle.Minute1, someRange)
	if err != nil || len(page.Candles) != 1 || page.Candles[0] != testCandle(0) {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestQuestionsAreSpelledAsTheVenueReadsThem(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	e := v.adapter(nil)
	e.clock.reached(v.now)
	v.locked(func() { v.fault = answer(http.StatusOK, jsonType, "[]") })
	if _, err := e.Candles(t.Context(), "币安人生USDT", candle.Month1, candle.Range{From: -5, To: 1000}); err != nil {
		t.Fatal(err)
	}
	asked := v.asked()
	const want = "/api/v3/klines?endTime=1000&interval=1M&limit=1000&startTime=0&symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"
	if last := asked[len(asked)-1]; last != want {
		t.Errorf("asked %s", last)
	}
	// A time so late that the venue would read it as microseconds is asked for as the latest
	// millisecond.
	v.locked(func() { v.fault, v.requests = nil, nil })
	if _, err := e.Candles(t.Context(), testSymbol, candle.Minute1, candle.Range{From: v.forming().OpenTime, To: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Candles(t.Context(), testSymbol, 0, someRange); err == nil {
		t.Error("no timeframe was accepted")
	}
}
