package server

import (
	"io"
	"testing"

	"velador/internal/candle"
	"velador/internal/server/servertest"
)

// BenchmarkCandlesCSV streams candles over loopback HTTP; the bytes allocated per operation do not
// grow with their number.
func BenchmarkCandlesCSV(b *testing.B) {
	const rows = 200_000
	h := build(b, func(c *Config) { c.Candles = servertest.Minutes("ETHUSDT", candle.MillisOf(noon), rows) })
	b.ReportAllocs()
	for b.Loop() {
		resp, err := h.client.Get(h.http.URL + "/api/candles?" + ethSeries + "&format=csv")
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
