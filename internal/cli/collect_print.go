package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"sync"

	"velador/api"
	"velador/internal/candle"
)

// printer is a sink that prints candles as lines of JSON.
type printer struct {
	mu  sync.Mutex
	out *bufio.Writer
}

// printed is a line of a printer.
type printed struct {
	Exchange  string `json:"exchange"`
	Symbol    string `json:"symbol"`
	Timeframe string `json:"timeframe"`
	api.Candle
}

// Candle prints a closed candle.
func (s *printer) Candle(_ context.Context, series candle.Series, c candle.Candle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	enc := json.NewEncoder(s.out)
	err := enc.Encode(printed{series.Exchange, series.Symbol, series.Timeframe.String(), api.Candle{
		OpenTime: int64(c.OpenTime), Open: c.Open.String(), High: c.High.String(), Low: c.Low.String(), Close: c.Close.String(),
		Volume: c.Volume.String(), CloseTime: int64(c.CloseTime), QuoteVolume: c.QuoteVolume.String(), Trades: c.Trades,
		TakerBuyVolume: c.TakerBuyVolume.String(), TakerBuyQuoteVolume: c.TakerBuyQuoteVolume.String(),
	}})
	if err != nil {
		return err
	}
	return s.out.Flush()
}

// Gap prints nothing: the log says it.
func (s *printer) Gap(context.Context, candle.Gap) error { return nil }

// Forming prints nothing: only closed candles are candles.
func (s *printer) Forming(candle.Series, candle.Candle, candle.Millis) {}

// Flush hands everything to whoever reads.
func (s *printer) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Flush()
}
