package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/server/servertest"
)

const ethSeries = "symbol=ETHUSDT&timeframe=1m"

func TestCandlesKeepEveryDigit(t *testing.T) {
	t.Parallel()
	build(t).get("/api/candles?"+ethSeries+"&limit=1").want(t, 200,
		`{"symbol":"ETHUSDT","timeframe":"1m","exchange":"binance","candles":[{"openTime":1762257600000,"open":"100.10000000","high":"101.00000000",`+
			`"low":"99.5","close":"100.00000000","volume":"12.34500000","closeTime":1762257659999,"quoteVolume":"1234.50","trades":0,`+
			`"takerBuyVolume":"6","takerBuyQuoteVolume":"600.1"}]}`)
}

func TestADecimalThatTheExchangeDoesNotPublishIsLeftOut(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.candles.Stored = h.candles.Stored[:1]
	h.candles.Stored[0].TakerBuyVolume = candle.Decimal{}
	if r := h.get("/api/candles?" + ethSeries); strings.Contains(r.body, "takerBuyVolume") {
		t.Errorf("the answer is %s", r.body)
	}
}

func TestCandlesAreSelected(t *testing.T) {
	t.Parallel()
	h := build(t)
	first := noon.UnixMilli()
	for query, want := range map[string][3]int64{ // number, first and last open time as minutes since noon
		"":                      {500, 0, 499},
		"&limit=10000":          {1200, 0, 1199},
		"&limit=2":              {2, 0, 1},
		"&limit=2&order=desc":   {2, 1199, 1198},
		"&limit=2&order=asc":    {2, 0, 1},
		"&exchange=binance":     {500, 0, 499},
		"&exchange=bybit":       {0, 0, 0},
		"&from=1970-01-01&to=0": {0, 0, 0},
		fmt.Sprintf("&from=%d&to=%d", first+60_000, first+180_000):                   {3, 1, 3},
		"&from=2025-11-04T12:01:00Z&to=2025-11-04T13:03:00%2B01:00":                  {3, 1, 3},
		"&from=2025-11-04T12:01&to=2025-11-04%2012:01":                               {1, 1, 1},
		fmt.Sprintf("&from=%d", first+1_190*60_000):                                  {10, 1190, 1199},
		fmt.Sprintf("&to=%d&order=desc", first+60_000):                               {2, 1, 0},
		"&unknown=1&limit=1&limit=7":                                                 {1, 0, 0},
		"&order&limit=1":                                                             {1, 0, 0},
		fmt.Sprintf("&from=%d&to=%d", first, first) + "&order=desc&limit=&exchange=": {1, 0, 0},
	} {
		var answer api.CandlesAnswer
		r := h.get("/api/candles?" + ethSeries + query)
		if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 || answer.Candles == nil {
			t.Errorf("%q: %d %.200s", query, r.status, r.body)
			continue
		}
		got := [3]int64{int64(len(answer.Candles))}
		if len(answer.Candles) > 0 {
			got[1] = (answer.Candles[0].OpenTime - first) / 60_000
			got[2] = (answer.Candles[len(answer.Candles)-1].OpenTime - first) / 60_000
		}
		if got != want {
			t.Errorf("%q gives %v, not %v", query, got, want)
		}
	}
}

func TestAnUnknownSeriesHasNoCandles(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.get("/api/candles?symbol=NOSUCH&timeframe=1h").want(t, 200, `{"symbol":"NOSUCH","timeframe":"1h","exchange":"binance","candles":[]}`)
	h.get("/api/candles?symbol=NOSUCH&timeframe=1h&format=csv").want(t, 200, candle.CSVHeader)
}

func TestCSVHoldsEveryCandle(t *testing.T) {
	t.Parallel()
	h := build(t)
	r := h.get("/api/candles?" + ethSeries + "&format=csv")
	if r.status != 200 || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("the answer is %d %v", r.status, r.header)
	}
	lines := strings.Split(strings.TrimSuffix(r.body, "\n"), "\n")
	if lines[0] != "open_time,open,high,low,close,volume,close_time,quote_volume,trades,taker_buy_volume,taker_buy_quote_volume" {
		t.Errorf("the header is %s", lines[0])
	}
	if len(lines) != 1201 {
		t.Fatalf("there are %d lines", len(lines))
	}
	for i, line := range lines[1:] {
		got, err := candle.ParseCSV(line)
		if err != nil || got != h.candles.Stored[i] {
			t.Fatalf("line %d is %s (%v)", i+2, line, err)
		}
	}
	if r := h.get("/api/candles?" + ethSeries + "&format=csv&limit=3&order=desc"); strings.Count(r.body, "\n") != 4 {
		t.Errorf("with a limit of 3 the answer is %s", r.body)
	}
}

var errAway = problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, errors.New("connection refused"), "away")

func TestAFailureBeforeTheFirstByteIsAnOrdinaryError(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, format := range []string{"json", "csv"} {
		for _, after := range []int{0, 5} { // five candles are still in the buffer
			h.candles.Fail(errAway, after)
			h.get("/api/candles?"+ethSeries+"&format="+format).problem(t, 503, "database_unavailable")
		}
	}
}

// TestATruncatedCSVNeverEndsCleanly: HTTP's chunked coding shows that the end is missing.
func TestATruncatedCSVNeverEndsCleanly(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.candles.Fail(errAway, 1199)
	resp, err := h.client.Get(h.http.URL + "/api/candles?" + ethSeries + "&format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer is %s and %d bytes that end with %v", resp.Status, len(data), err)
	}
}

// TestAClientThatGoesAwayEndsTheQuery: what cannot be delivered is not read on.
func TestAClientThatGoesAwayEndsTheQuery(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	endless := &endlessCandles{Candles: servertest.Minutes("ETHUSDT", 0, 1), ended: ended}
	h := build(t, func(c *Config) { c.Candles = endless })
	resp, err := h.client.Get(h.http.URL + "/api/candles?" + ethSeries + "&format=csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	h.client.CloseIdleConnections()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the query ended without an error")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the query goes on without its client")
	}
}

func TestAClientThatTakesNothingEndsTheQuery(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	endless := &endlessCandles{Candles: servertest.Minutes("ETHUSDT", 0, 1), ended: ended}
	h := build(t, func(c *Config) { c.Candles = endless })
	h.server.patience.stall = 10 * time.Millisecond
	resp, err := h.client.Get(h.http.URL + "/api/candles?" + ethSeries + "&format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the query ended with %v", err)
	}
}

func TestCoverageCountsWhatIsThereAndWhatIsNot(t *testing.T) {
	t.Parallel()
	h := build(t)
	minute := func(n int) candle.Millis { return candle.MillisOf(noon) + candle.Millis(n)*60_000 }
	// 10 … 19 are absent at the source, 30 … 34 open; of 0 … 4, before the first one, nothing is known.
	h.candles.Stored = append(append(h.candles.Stored[5:10:10], h.candles.Stored[20:30]...), h.candles.Stored[35:60]...)
	h.candles.Gaps = []candle.Gap{
		{Series: h.candles.Series, Range: candle.Range{From: minute(10), To: minute(19)}, State: candle.GapAbsent, Proofs: 3},
		{Series: h.candles.Series, Range: candle.Range{From: minute(30), To: minute(34)}, State: candle.GapOpen},
	}
	h.get("/api/coverage?"+ethSeries).want(t, 200, fmt.Sprintf(
		`{"symbol":"ETHUSDT","timeframe":"1m","exchange":"binance","first":%d,"last":%d,"expected":55,"present":40,"gaps":[`+
			`{"from":%d,"to":%d,"state":"absent","proofs":3,"missing":10},{"from":%d,"to":%d,"state":"open","proofs":0,"missing":5}]}`,
		minute(5), minute(59), minute(10), minute(19), minute(30), minute(34)))
	// A stretch that begins and ends within gaps counts their parts in it.
	var answer api.CoverageAnswer
	r := h.get(fmt.Sprintf("/api/coverage?%s&from=%d&to=%d", ethSeries, minute(15), minute(32)))
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Expected != 18 || answer.Present != 10 || *answer.First != int64(minute(20)) || len(answer.Gaps) != 2 {
		t.Errorf("the answer is %s", r.body)
	}
	h.get("/api/coverage?symbol=NOSUCH&timeframe=1M").want(t, 200,
		`{"symbol":"NOSUCH","timeframe":"1M","exchange":"binance","expected":0,"present":0,"gaps":[]}`)
	h.candles.Fail(errAway, 0)
	h.get("/api/coverage?"+ethSeries).problem(t, 503, "database_unavailable")
}

func TestAPanicIsAnsweredAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) { c.Candles = panicking{} })
	h.get("/api/candles?"+ethSeries).want(t, 500, `{"error":"Error interno de velador: el registro del servidor dice más","code":"internal"}`)
	if !strings.Contains(h.log.String(), "the store fell over") {
		t.Errorf("the log holds %s", h.log)
	}
	// Where the answer has begun, the connection is cut.
	resp, err := h.client.Get(h.http.URL + "/api/candles?" + ethSeries + "&format=csv")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half of an answer ends with %v", err)
	}
	if r := h.get("/healthz"); r.status != http.StatusOK {
		t.Errorf("after the panic the server says %d", r.status)
	}
}
