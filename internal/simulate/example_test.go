package simulate_test

import (
	"fmt"
	"net/http/httptest"

	"velador/internal/candle"
	"velador/internal/simulate"
)

// A generated exchange whose clock stands: the same seed and start give the same candles.
func ExampleNew() {
	exchange, err := simulate.New(simulate.Options{From: candle.Millis(1795428930000), Paused: true, Seed: 1, Symbols: []string{"BTCUSDT"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := httptest.NewRecorder()
	exchange.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/api/v3/time", nil))
	fmt.Println(answer.Code, answer.Body)
	row, forming := exchange.Source().At("BTCUSDT", candle.Minute1, 0, exchange.Now())
	fmt.Println(row.OpenTime, forming)
	// Output:
	// 200 {"serverTime":1795428930000}
	// 2026-11-23T10:15:00.000Z true
}
