package collect

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
)

// shelf is a sink that keeps what it is given.
type shelf struct {
	mu      sync.Mutex
	candles map[string][]candle.Candle // by symbol, in the order in which they came
	gaps    []candle.Gap
	forming map[string]int
	blocked []candle.Range // by the venue's clock: when it takes nothing
	refuses func(series candle.Series, c candle.Candle) error
	flush   error
	flushed int
	venue   *venue
}

func (s *shelf) wait(ctx context.Context) error {
	for _, r := range s.blocked {
		if r.Contains(s.venue.now()) && !sleep(ctx, s.venue.until(r.To+1)) {
			return ctx.Err()
		}
	}
	return nil
}

func (s *shelf) Candle(ctx context.Context, series candle.Series, c candle.Candle) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	if s.refuses != nil {
		if err := s.refuses(series, c); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.candles == nil {
		s.candles = make(map[string][]candle.Candle)
	}
	s.candles[series.Symbol] = append(s.candles[series.Symbol], c)
	return nil
}

func (s *shelf) Gap(ctx context.Context, g candle.Gap) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, g)
	return nil
}

func (s *shelf) Forming(series candle.Series, c candle.Candle, at candle.Millis) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forming == nil {
		s.forming = make(map[string]int)
	}
	s.forming[series.Symbol]++
}

func (s *shelf) Flush(ctx context.Context) error {
	s.flushed++
	if s.flush != nil {
		<-ctx.Done()
	}
	return s.flush
}

// opens writes what came of a symbol as stretches, in the order in which it came.
func (s *shelf) opens(symbol string, tf candle.Timeframe) string {
	var out []string
	rows := s.candles[symbol]
	for i := 0; i < len(rows); {
		j := i
		for j+1 < len(rows) && rows[j+1].OpenTime == tf.Next(rows[j].OpenTime) {
			j++
		}
		if stretch := clockText(rows[i].OpenTime); j > i {
			out = append(out, stretch+".."+clockText(rows[j].OpenTime))
		} else {
			out = append(out, stretch)
		}
		i = j + 1
	}
	return strings.Join(out, " ")
}

// ledger writes the gaps of a symbol with the state in which each was left.
func (s *shelf) ledger(symbol string) string {
	state, order := map[candle.Millis]candle.Gap{}, []candle.Millis{}
	for _, g := range s.gaps {
		if g.Series.Symbol != symbol {
			continue
		}
		if _, ok := state[g.Range.From]; !ok {
			order = append(order, g.Range.From)
		}
		state[g.Range.From] = g
	}
	var out []string
	for _, from := range order {
		g := state[from]
		out = append(out, fmt.Sprintf("%s..%s %s %d", clockText(g.Range.From), clockText(g.Range.To), g.State, g.Proofs))
	}
	return strings.Join(out, ", ")
}

// books is a library.
type books struct {
	mu    sync.Mutex
	found map[string]candle.Resume // by symbol
	fails int                      // how often it does not answer at first
	delay time.Duration
	asked int
}

func (b *books) Resume(ctx context.Context, series []candle.Series) ([]candle.Resume, error) {
	if !sleep(ctx, b.delay) {
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.fails > 0 {
		b.fails--
		return nil, fmt.Errorf("the store is away")
	}
	found := make([]candle.Resume, len(series))
	for i, s := range series {
		found[i] = b.found[s.Symbol]
		found[i].Series = s
	}
	return found, nil
}

func stored(open string) candle.Resume { return candle.Resume{Last: instant(open), HasLast: true} }
