package storetest

import (
	"maps"
	"testing"

	"velador/internal/candle"
	"velador/internal/store"
)

var stockTests = []test{
	{name: "StockCountsTheGapsOfEachState", run: testStock},
}

func testStock(t *testing.T, s store.Store) {
	before, err := s.Stock(t.Context())
	if err != nil || before.Bytes <= 0 || len(before.Gaps) != 0 {
		t.Fatalf("an empty database holds %+v, %v", before, err)
	}
	one := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	other := candle.Series{Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Minute1}
	var entries []store.Entry
	for i, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapAbsent, candle.GapRepaired} {
		from := candle.Millis(i) * 600_000
		for _, series := range []candle.Series{one, other} {
			entries = append(entries, store.Entry{Series: series, Gap: &candle.Gap{Series: series, State: state, Range: candle.Range{From: from, To: from + 60_000}}})
		}
	}
	if _, err := s.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	after, err := s.Stock(t.Context())
	want := map[candle.GapState]int64{candle.GapOpen: 2, candle.GapAbsent: 4, candle.GapRepaired: 2}
	if err != nil || after.Bytes < before.Bytes || !maps.Equal(after.Gaps, want) {
		t.Errorf("it holds %+v, %v", after, err)
	}
}
