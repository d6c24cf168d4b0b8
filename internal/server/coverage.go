package server

import (
	"context"

	"velador/api"
	"velador/internal/candle"
)

// coverageInput names the stretch to judge.
type coverageInput struct{ SeriesInput }

// coverage answers GET /api/coverage. What is expected is counted from the first to the last
// open time that is stored or known as missing: before the market was listed nothing is expected.
func (s *Server) coverage(ctx context.Context, in *coverageInput) (*answer[api.CoverageAnswer], error) {
	series, r, err := s.series(in.SeriesInput)
	if err != nil {
		return nil, err
	}
	found, err := s.cfg.Candles.Coverage(ctx, series, r)
	if err != nil {
		return nil, err
	}
	body := api.CoverageAnswer{
		Symbol: series.Symbol, Timeframe: series.Timeframe.String(), Exchange: series.Exchange,
		Present: found.Present, Gaps: make([]api.Gap, 0, len(found.Gaps)),
	}
	span := candle.Range{From: latest, To: earliest} // empty until something lies in it
	if found.Present > 0 {
		first, last := int64(found.First), int64(found.Last)
		body.First, body.Last = &first, &last
		span = candle.Range{From: found.First, To: found.Last}
	}
	for _, gap := range found.Gaps {
		span.From = min(span.From, max(gap.Range.From, r.From))
		span.To = max(span.To, min(gap.Range.To, r.To))
		body.Gaps = append(body.Gaps, api.Gap{
			From: int64(gap.Range.From), To: int64(gap.Range.To), State: string(gap.State), Proofs: gap.Proofs,
			Missing: series.Timeframe.Count(gap.Range.From, gap.Range.To),
		})
	}
	body.Expected = series.Timeframe.Count(span.From, span.To)
	return &answer[api.CoverageAnswer]{body}, nil
}
