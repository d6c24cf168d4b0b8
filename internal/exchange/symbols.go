package exchange

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"velador/internal/problem"
)

// Symbols answers which symbols venues have, from their catalogues, which it keeps for a while: a
// catalogue is megabytes long and costs weight, and a start should cost neither.
type Symbols struct {
	catalogues map[string]Catalogue // by venue
	keep       time.Duration
	now        func() time.Time

	mu     sync.Mutex
	cached map[string]cachedSymbols
}

type cachedSymbols struct {
	symbols []string
	read    time.Time
}

// NewSymbols answers for venues by their catalogues, each of which is read anew when it is older
// than keep. now is the clock.
func NewSymbols(catalogues map[string]Catalogue, keep time.Duration, now func() time.Time) *Symbols {
	return &Symbols{catalogues: catalogues, keep: keep, now: now, cached: make(map[string]cachedSymbols)}
}

// Symbols lists the symbols of a venue, those that do not trade now included, in the venue's order.
// The slice is shared: callers do not change it. When the venue cannot be reached, an older answer
// serves; without one the error is the venue's.
func (s *Symbols) Symbols(ctx context.Context, exchange string) ([]string, error) {
	catalogue, ok := s.catalogues[exchange]
	if !ok {
		return nil, problem.New(problem.Invalid, problem.CodeUnknownExchange, nil,
			"There is no exchange {exchange}: use {allowed}", "exchange", exchange, "allowed", s.venues())
	}
	// One reader at a time: a burst of starts reads the catalogue once.
	s.mu.Lock()
	defer s.mu.Unlock()
	cached, ok := s.cached[exchange]
	if ok && s.now().Sub(cached.read) < s.keep {
		return cached.symbols, nil
	}
	markets, err := catalogue.Markets(ctx)
	if err != nil {
		if ok && problem.KindOf(err) != problem.Invalid {
			return cached.symbols, nil
		}
		return nil, err
	}
	cached = cachedSymbols{symbols: make([]string, 0, len(markets)), read: s.now()}
	for _, market := range markets {
		cached.symbols = append(cached.symbols, market.Symbol)
	}
	s.cached[exchange] = cached
	return cached.symbols, nil
}

func (s *Symbols) venues() string {
	return strings.Join(slices.Sorted(maps.Keys(s.catalogues)), ", ")
}
