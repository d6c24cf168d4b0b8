package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"velador/api"
)

// Symbols searches the symbols of an exchange, "" for binance: those that begin with a text come first,
// then those that contain it; case does not matter. limit 0 leaves their number to the server.
func (c *Client) Symbols(ctx context.Context, exchange, search string, limit int) (api.SymbolsAnswer, error) {
	query := url.Values{}
	if exchange != "" {
		query.Set("exchange", exchange)
	}
	if search != "" {
		query.Set("search", search)
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var answer api.SymbolsAnswer
	err := c.ask(ctx, http.MethodGet, "/api/symbols", query, nil, &answer)
	return answer, err
}

// Series lists the series that are stored.
func (c *Client) Series(ctx context.Context) ([]api.StoredSeries, error) {
	var answer api.SeriesAnswer
	err := c.ask(ctx, http.MethodGet, "/api/series", nil, nil, &answer)
	return answer.Series, err
}
