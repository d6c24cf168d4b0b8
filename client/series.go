package client

import (
	"context"

	"velador/api"
)

// Symbols searches the symbols of an exchange, "" for binance: those that begin with a text come first,
// then those that contain it; case does not matter. limit 0 leaves their number to the server.
func (c *Client) Symbols(ctx context.Context, exchange, search string, limit int) (api.SymbolsAnswer, error) {
	return ask(ctx, c, symbolsRequest(symbolsParams{Exchange: exchange, Search: search, Limit: int64(limit)}))
}

// Series lists the series that are stored.
func (c *Client) Series(ctx context.Context) ([]api.StoredSeries, error) {
	answer, err := ask(ctx, c, seriesRequest())
	return answer.Series, err
}
