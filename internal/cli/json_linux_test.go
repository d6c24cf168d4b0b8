package cli

import (
	"net/http/httptest"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// A terminal is cleared for people before each table; an object has to stay one.
func TestJSONThatGoesOnIsTheSameInATerminal(t *testing.T) {
	t.Parallel()
	fleet := servertest.NewFleet(time.Now, "ETHUSDT")
	if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1}); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: &servertest.Candles{}, Logs: servertest.NewLogs()}).Handler())
	t.Cleanup(h.Close)
	keyboard, screen := terminal(t)
	watchAsJSON(t, h.URL, screen, keyboard)
}
