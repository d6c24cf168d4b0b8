package server

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"velador/api"
)

// Symbols knows the symbols of the exchanges, and answers from memory where it can. Its errors are
// *problem.Error.
type Symbols interface {
	// Symbols lists all of an exchange. The caller does not change the slice.
	Symbols(ctx context.Context, exchange string) ([]string, error)
}

const (
	defaultSymbols = 20
	maxSymbols     = 10_000 // more than any exchange has
)

// symbolsInput searches for symbols.
type symbolsInput struct {
	Exchange string `query:"exchange" unset:"binance" doc:"The venue." example:"binance"`
	Search   string `query:"search" doc:"What the symbol begins with or contains; case does not matter. All when it is left out." example:"eth"`
	Limit    string `query:"limit" minimum:"1" maximum:"10000" unset:"20" doc:"How many at most." example:"20"`
}

// symbols answers GET /api/symbols.
func (s *Server) symbols(ctx context.Context, in *symbolsInput) (*answer[api.SymbolsAnswer], error) {
	exchange, err := s.parseExchange(in.Exchange)
	if err != nil {
		return nil, err
	}
	limit, err := parseNumber("limit", in.Limit, defaultSymbols, maxSymbols)
	if err != nil {
		return nil, err
	}
	all, err := s.cfg.Symbols.Symbols(ctx, exchange)
	if err != nil {
		return nil, err
	}
	found := search(all, in.Search)
	return &answer[api.SymbolsAnswer]{api.SymbolsAnswer{Exchange: exchange, Symbols: found[:min(limit, len(found))], Total: len(found)}}, nil
}

// search gives the symbols that begin with a text, then those that contain it, each by name; never nil.
func search(all []string, text string) []string {
	text = strings.ToUpper(text)
	begin, contain := []string{}, []string{}
	for _, symbol := range all {
		switch at := strings.Index(strings.ToUpper(symbol), text); {
		case at == 0:
			begin = append(begin, symbol)
		case at > 0:
			contain = append(contain, symbol)
		}
	}
	slices.SortFunc(begin, cmp.Compare[string])
	slices.SortFunc(contain, cmp.Compare[string])
	return append(begin, contain...)
}
