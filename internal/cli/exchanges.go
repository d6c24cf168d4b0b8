package cli

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"velador/internal/exchange"
	"velador/internal/exchange/binance"
)

// exchangeNames are the venues that velador has adapters for.
var exchangeNames = []string{binance.Name}

// open makes the adapter of a venue that draws on a budget; nil is one of its own, for a process that
// is alone.
func (f *exchangeFlags) open(budget exchange.Budget, name string, logger *slog.Logger) (exchange.Exchange, error) {
	if name != binance.Name {
		return nil, usagef("there is no exchange %q: use binance", name)
	}
	for _, address := range []struct{ variable, url, schemes string }{
		{"VELADOR_BINANCE_REST_URL", f.binanceREST, "http https"}, {"VELADOR_BINANCE_WS_URL", f.binanceWS, "ws wss"},
	} {
		if address.url == "" {
			continue
		}
		if u, err := url.Parse(address.url); err != nil || u.Host == "" || !slices.Contains(strings.Fields(address.schemes), u.Scheme) {
			return nil, usagef("%s is %q: an address that begins with %s:// is expected", address.variable, address.url, strings.ReplaceAll(address.schemes, " ", ":// or "))
		}
	}
	return binance.New(binance.Config{RESTURL: f.binanceREST, WSURL: f.binanceWS, Budget: budget, Logger: logger}), nil
}
