// Package exchangetest says what the contract of package exchange means. An adapter is finished
// when Run passes against a double of its venue.
package exchangetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Venue is a double of a venue and the adapter that is connected to it. The double serves one known
// series whose clock stands still unless CloseNext moves it.
type Venue struct {
	Exchange  exchange.Exchange
	Symbol    string           // a symbol that trades
	Unknown   string           // well-formed, but no symbol of the venue
	Timeframe candle.Timeframe // anchored
	// Closed is every closed candle that the venue holds, ascending: more than PageRows of them,
	// with at least one hole.
	Closed []candle.Candle
	// Forming is the open time of the venue's newest row, which has not closed.
	Forming  candle.Millis
	PageRows int // rows of one answer

	// CloseNext moves the venue on until the forming candle of Symbol has closed. The venue sends
	// its frames, the closing one last. It gives the candle.
	CloseNext func() candle.Candle
	// Ban makes the venue refuse REST with 429 for this long, as it says in its answer.
	Ban func(d time.Duration)
	// Requests counts the REST requests that have reached the venue.
	Requests func() int
	// AnnounceShutdown makes the venue tell all connections that it will close them.
	AnnounceShutdown func()
	// GoSilent makes the venue send nothing any more, not even pings, on connections that stand.
	GoSilent func()
	// Cut breaks all stream connections.
	Cut func()
}

// patience bounds each wait on a double that answers at once.
const patience = 20 * time.Second

// Run holds an adapter against the contract. start makes a fresh double and adapter, whose bound on
// silence is short, and has them ended with the test.
func Run(t *testing.T, start func(t *testing.T) Venue) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, v Venue)
	}{
		{"clock is the venue's", clockIsTheVenues},
		{"catalogue holds the symbol and not the unknown one", catalogue},
		{"history comes in pages, oldest first, whole", historyInPages},
		{"range includes both of its ends", rangeIncludesBothEnds},
		{"hole is an empty answer and no error", holeIsEmpty},
		{"empty range asks for nothing", emptyRange},
		{"forming candle is named and not given", formingIsNamed},
		{"unknown symbol is told apart", unknownSymbol},
		{"ban stops all requests and names its end", ban},
		{"ended context ends a request", contextEndsRequest},
		{"subscription is confirmed, candles arrive and close", streamBringsCandles},
		{"several connections receive the same candle", severalConnections},
		{"planned shutdown is announced", shutdown},
		{"close while receiving ends both", closeWhileReceiving},
		{"ended context ends a receive", contextEndsReceive},
		{"silent connection is given up", silence},
		{"broken connection is an error", cut},
		{"connection carries neither none nor too many", streamBounds},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, start(t)) })
	}
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func clockIsTheVenues(t *testing.T, v Venue) {
	at, err := v.Exchange.Time(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if end := v.Timeframe.Next(v.Forming); at < v.Forming || at >= end {
		t.Errorf("the clock says %s; the forming candle spans %s to %s", at, v.Forming, end)
	}
}

func catalogue(t *testing.T, v Venue) {
	markets, err := v.Exchange.Markets(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, m := range markets {
		if m.Symbol == v.Symbol {
			found = true
			if !m.Trading || m.Base == "" || m.Quote == "" || m.Status == "" {
				t.Errorf("given %+v, want a market that trades, whole", m)
			}
		}
		if m.Symbol == v.Unknown {
			t.Errorf("%s is listed", m.Symbol)
		}
	}
	if !found {
		t.Errorf("%s is not among %d markets", v.Symbol, len(markets))
	}
}

func historyInPages(t *testing.T, v Venue) {
	var got []candle.Candle
	from, pages := v.Closed[0].OpenTime, 0
	for {
		page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: from, To: v.Forming.Add(100 * v.Timeframe.Step())})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Candles) > v.PageRows {
			t.Fatalf("a page has %d rows, the venue gives %d", len(page.Candles), v.PageRows)
		}
		got = append(got, page.Candles...)
		if pages++; !page.Full || len(page.Candles) == 0 {
			if page.Unclosed != v.Forming {
				t.Errorf("the last page names %s as unclosed, want %s", page.Unclosed, v.Forming)
			}
			break
		}
		from = page.Candles[len(page.Candles)-1].OpenTime + 1
	}
	if pages < 2 {
		t.Errorf("%d candles came in %d page", len(got), pages)
	}
	same(t, got, v.Closed)
}

func same(t *testing.T, got, want []candle.Candle) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d candles came, want %d", len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] { // digit for digit
			t.Errorf("candle %d: came %s, want %s", i, got[i].AppendCSV(nil), want[i].AppendCSV(nil))
			return
		}
	}
}

func rangeIncludesBothEnds(t *testing.T, v Venue) {
	want := v.Closed[3:8]
	for _, r := range []candle.Range{
		{From: want[0].OpenTime, To: want[4].OpenTime},
		{From: v.Closed[2].OpenTime + 1, To: v.Closed[8].OpenTime - 1},
	} {
		page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, r)
		if err != nil {
			t.Fatal(err)
		}
		same(t, page.Candles, want)
		if page.Full || page.Unclosed != 0 || page.AsOf <= want[4].CloseTime {
			t.Errorf("page of %s: full %t, unclosed %s, as of %s", r, page.Full, page.Unclosed, page.AsOf)
		}
	}
	one, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: want[0].OpenTime, To: want[0].OpenTime})
	if err != nil {
		t.Fatal(err)
	}
	same(t, one.Candles, want[:1])
}

func holeIsEmpty(t *testing.T, v Venue) {
	hole := candle.Range{To: -1}
	for i, c := range v.Closed[1:] {
		if next := v.Timeframe.Next(v.Closed[i].OpenTime); next < c.OpenTime {
			hole = candle.Range{From: next, To: v.Timeframe.Prev(c.OpenTime)}
		}
	}
	if hole.Empty() {
		t.Fatal("the double's series has no hole")
	}
	before := candle.Range{From: v.Closed[0].OpenTime.Add(-10 * v.Timeframe.Step()), To: v.Closed[0].OpenTime - 1}
	for _, r := range []candle.Range{hole, before, {From: 0, To: 1}} {
		page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, r)
		if err != nil || len(page.Candles) != 0 || page.Full || page.Unclosed != 0 {
			t.Errorf("%s: %d candles, full %t, unclosed %s, error %v", r, len(page.Candles), page.Full, page.Unclosed, err)
		}
	}
}

func emptyRange(t *testing.T, v Venue) {
	before := v.Requests()
	page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: v.Forming, To: v.Forming - 1})
	if err != nil || len(page.Candles) != 0 {
		t.Errorf("%d candles, error %v", len(page.Candles), err)
	}
	if asked := v.Requests() - before; asked != 0 {
		t.Errorf("%d requests were sent", asked)
	}
}

func formingIsNamed(t *testing.T, v Venue) {
	last := v.Closed[len(v.Closed)-1]
	page, err := v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: last.OpenTime, To: v.Forming})
	if err != nil {
		t.Fatal(err)
	}
	same(t, page.Candles, []candle.Candle{last})
	now, err := v.Exchange.Time(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if page.Unclosed != v.Forming || page.AsOf > now || page.AsOf <= last.CloseTime {
		t.Errorf("unclosed %s, want %s; as of %s, now %s", page.Unclosed, v.Forming, page.AsOf, now)
	}
}

func unknownSymbol(t *testing.T, v Venue) {
	r := candle.Range{From: v.Closed[0].OpenTime, To: v.Closed[1].OpenTime}
	for _, symbol := range []string{v.Unknown, "", "no such symbol"} {
		_, err := v.Exchange.Candles(bounded(t), symbol, v.Timeframe, r)
		if kind := problem.KindOf(err); (kind != problem.NotFound && kind != problem.Invalid) || problem.CodeOf(err) != problem.CodeUnknownSymbol {
			t.Errorf("%q: %v (%s, %s)", symbol, err, kind, problem.CodeOf(err))
		}
	}
}

func ban(t *testing.T, v Venue) {
	const length = 90 * time.Second
	v.Ban(length)
	began := time.Now()
	_, err := v.Exchange.Time(bounded(t))
	var told *exchange.BanError
	if !errors.As(err, &told) || problem.KindOf(err) != problem.Banned || problem.CodeOf(err) != problem.CodeExchangeBanned {
		t.Fatalf("%v (%s)", err, problem.KindOf(err))
	}
	if told.Until.Before(began.Add(length-time.Second)) || told.Until.After(time.Now().Add(length+time.Second)) {
		t.Errorf("the ban began at %s for %s; its end is said to be %s", began, length, told.Until)
	}
	before := v.Requests()
	_, err = v.Exchange.Candles(bounded(t), v.Symbol, v.Timeframe, candle.Range{From: v.Forming, To: v.Forming})
	if problem.KindOf(err) != problem.Banned {
		t.Errorf("the next request: %v", err)
	}
	if asked := v.Requests() - before; asked != 0 {
		t.Errorf("%d requests were sent during the ban", asked)
	}
}

func contextEndsRequest(t *testing.T, v Venue) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Exchange.Time(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := v.Exchange.Dial(ctx, v.Timeframe, []string{v.Symbol}); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
}
