package exchange

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"velador/internal/problem"
)

type catalogue func() ([]Market, error)

func (c catalogue) Markets(context.Context) ([]Market, error) { return c() }

func TestSymbolsReadsACatalogueOnceInAWhileAndServesAnOlderOneInAnOutage(t *testing.T) {
	t.Parallel()
	var reads int
	var down error
	now := time.Unix(0, 0)
	symbols := NewSymbols(map[string]Catalogue{"binance": catalogue(func() ([]Market, error) {
		reads++
		return []Market{{Symbol: "ETHUSDT"}, {Symbol: "BTCUSDT"}}, down
	})}, time.Minute, func() time.Time { return now })
	ask := func() []string {
		t.Helper()
		got, err := symbols.Symbols(t.Context(), "binance")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for range 3 {
		if got, want := ask(), []string{"ETHUSDT", "BTCUSDT"}; !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if reads != 1 {
		t.Errorf("three questions read the catalogue %d times", reads)
	}
	now, down = now.Add(time.Minute), errors.New("no route")
	if got := ask(); len(got) != 2 || reads != 2 {
		t.Errorf("in an outage: %v after %d reads", got, reads)
	}
	if _, err := symbols.Symbols(t.Context(), "nyse"); problem.CodeOf(err) != problem.CodeUnknownExchange {
		t.Errorf("an unknown exchange: %v", err)
	}
}
