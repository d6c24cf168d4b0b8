package api_test

import (
	"encoding/json"
	"fmt"

	"velador/api"
)

func ExampleStatusAnswer() {
	body := `{"collectors":[{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"2025-11-04T10:30:00.000Z","uptime":3600}]}`
	var answer api.StatusAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range answer.Collectors {
		fmt.Println(c.PID, c.Symbol, c.Timeframe, "since", c.StartedAt)
	}
	// Output: 12345 ETHUSDT 1m since 2025-11-04T10:30:00.000Z
}

func ExampleErrorAnswer() {
	body := `{"error":"El símbolo ethusdt no existe en binance","code":"unknown_symbol","exchange":"binance","symbol":"ethusdt"}`
	var answer api.ErrorAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		fmt.Println(err)
		return
	}
	if answer.Code == api.CodeUnknownSymbol {
		fmt.Println("no such symbol:", answer.Params["symbol"])
	}
	// Output: no such symbol: ethusdt
}
