package binance

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/go-json-experiment/json/jsontext"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// Markets lists every symbol of the venue, in its order; weight 20, megabytes on the wire. It takes
// the venue's rate limits over into the budget.
func (e *Exchange) Markets(ctx context.Context) ([]exchange.Market, error) {
	return e.MarketsOf(ctx, func(string) bool { return true })
}

// MarketsOf lists the symbols that follow says yes to; the others are dropped while the answer is
// still being read, so that a small process stays small.
func (e *Exchange) MarketsOf(ctx context.Context, follow func(symbol string) bool) ([]exchange.Market, error) {
	var markets []exchange.Market
	err := e.info(ctx, url.Values{}, subject{}, func(m exchange.Market) {
		if follow(m.Symbol) {
			markets = append(markets, m)
		}
	})
	return markets, err
}

// Market looks one symbol up: the same weight, but some kilobytes only. A symbol that the venue does
// not know is a NotFound.
func (e *Exchange) Market(ctx context.Context, symbol string) (exchange.Market, error) {
	if err := candle.CheckSymbol(symbol); err != nil {
		return exchange.Market{}, unknownSymbol(problem.Invalid, symbol, err)
	}
	var found exchange.Market
	err := e.info(ctx, url.Values{"symbol": {symbol}}, subject{symbol: symbol}, func(m exchange.Market) {
		if m.Symbol == symbol {
			found = m
		}
	})
	if err == nil && found.Symbol == "" {
		err = unknownSymbol(problem.NotFound, symbol, fmt.Errorf("the catalogue's answer does not hold it"))
	}
	return found, err
}

// info reads /api/v3/exchangeInfo and hands each market to found. Permission sets are left out: a
// single symbol was seen with 223 of them (EXCHANGES.md 2.6).
func (e *Exchange) info(ctx context.Context, query url.Values, about subject, found func(exchange.Market)) error {
	query.Set("showPermissionSets", "false")
	err := e.get(ctx, request{path: "/api/v3/exchangeInfo", query: query, weight: weightExchangeInfo, timeout: e.config.CatalogueTimeout, limit: maxInfoBody, about: about},
		func(body io.Reader) error {
			at, err := decodeInfo(body, found, e.adopt)
			e.clock.reached(at)
			return err
		})
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	return nil
}

// decodeInfo reads an exchangeInfo answer element by element.
func decodeInfo(from io.Reader, found func(exchange.Market), limited func(rateLimit)) (at candle.Millis, err error) {
	all := newElements(from)
	if err := all.open(jsontext.KindBeginObject); err != nil {
		return 0, err
	}
	listed := false
	words := make(map[string]string) // assets and statuses come again and again
	for {
		more, err := all.more(jsontext.KindEndObject)
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		name, err := all.name()
		if err != nil {
			return 0, err
		}
		switch name {
		case "serverTime":
			at, err = decodeInstant(all)
		case "rateLimits":
			err = each(all, func(text []byte) error {
				limit, err := decodeRateLimit(text)
				if err == nil {
					limited(limit)
				}
				return err
			})
		case "symbols":
			listed = true
			err = each(all, func(text []byte) error {
				market, err := decodeMarket(text, words)
				if err == nil {
					found(market)
				}
				return err
			})
		default:
			err = all.skip()
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	if !listed {
		return 0, fmt.Errorf("the answer lists no symbols")
	}
	return at, all.end()
}

func decodeInstant(all *elements) (candle.Millis, error) {
	text, err := all.value()
	if err != nil {
		return 0, err
	}
	s := scanner{data: text}
	at := s.millis()
	return at, s.end()
}

// each hands every element of an array to take.
func each(all *elements, take func(text []byte) error) error {
	if err := all.open(jsontext.KindBeginArray); err != nil {
		return err
	}
	for {
		more, err := all.more(jsontext.KindEndArray)
		if err != nil || !more {
			return err
		}
		text, err := all.value()
		if err != nil {
			return err
		}
		if err := take(text); err != nil {
			return err
		}
	}
}

func decodeRateLimit(text []byte) (limit rateLimit, err error) {
	s := scanner{data: text}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		switch string(s.key()) {
		case "rateLimitType":
			limit.kind = string(s.text())
		case "interval":
			limit.interval = string(s.text())
		case "intervalNum":
			limit.count = s.integer()
		case "limit":
			limit.limit = s.integer()
		default:
			s.skip()
		}
	}
	return limit, s.end()
}

// decodeMarket reads one element of symbols. Only TRADING matches orders; what other statuses there
// are has changed over the years (EXCHANGES.md 2.6).
func decodeMarket(text []byte, words map[string]string) (market exchange.Market, err error) {
	word := func(raw []byte) string {
		if known, ok := words[string(raw)]; ok {
			return known
		}
		fresh := string(raw)
		words[fresh] = fresh
		return fresh
	}
	s := scanner{data: text}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		switch string(s.key()) {
		case "symbol":
			market.Symbol = string(s.text())
		case "status":
			market.Status = word(s.text())
		case "baseAsset":
			market.Base = word(s.text())
		case "quoteAsset":
			market.Quote = word(s.text())
		default:
			s.skip()
		}
	}
	if err := s.end(); err != nil {
		return market, err
	}
	if market.Symbol == "" || market.Status == "" {
		return market, fmt.Errorf("a market without a symbol or a status: %.60q", text)
	}
	market.Trading = market.Status == "TRADING"
	return market, nil
}
