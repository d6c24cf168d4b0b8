// Package simulate is a Binance that runs on recorded or generated candles, on a clock of its own:
// a virtual clock, recordings read from a directory, a seeded generated market, the archive of zip
// files, and behind them all the REST and WebSocket surface of package klineapi.
//
// The rules it follows are numbered in EXCHANGES.md section 3 (SIM-T…, SIM-A…); comments cite them.
// It decodes nothing with an adapter's code: a mistake must not cancel itself.
//
// The walk of a candle through it: recording.go (or market.go) → line.go → feed.go, which answers
// klineapi.Source with aggregate.go and forming.go → klineapi.
package simulate
