package server

import (
	"context"
	"strconv"
	"time"

	"velador/api"
	"velador/internal/candle"
)

// byDay is the one way to divide the answer.
const byDay = "day"

// maxDays bounds the days of an answer, which is built in memory: more than ten years.
const maxDays = 4000

// coverageInput names the stretch to judge.
type coverageInput struct {
	SeriesInput
	By string `query:"by" enum:"day" doc:"day: the answer lists every day too, at most 4000 of them. Left out, it has the whole alone." example:"day"`
}

// coverage answers GET /api/coverage. What is expected is counted from the first to the last
// open time that is stored or known as missing: before the market was listed nothing is expected.
func (s *Server) coverage(ctx context.Context, in *coverageInput) (*answer[api.CoverageAnswer], error) {
	series, r, err := s.series(in.SeriesInput)
	if err != nil {
		return nil, err
	}
	if in.By != "" {
		if _, err := parseChoice("by", in.By, byDay); err != nil {
			return nil, err
		}
	}
	found, err := s.cfg.Candles.Coverage(ctx, series, r)
	if err != nil {
		return nil, err
	}
	body := api.CoverageAnswer{
		Symbol: series.Symbol, Timeframe: series.Timeframe.String(), Exchange: series.Exchange,
		Present: found.Present, Gaps: make([]api.Gap, 0, len(found.Gaps)),
	}
	span := candle.Range{From: candle.MaxMillis, To: candle.MinMillis} // empty until something lies in it
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
	if in.By == byDay {
		if body.Days, err = s.days(ctx, series, r, span); err != nil {
			return nil, err
		}
	}
	return &answer[api.CoverageAnswer]{body}, nil
}

// days lists what a store counts of each day of a stretch, of which span is what it knows.
func (s *Server) days(ctx context.Context, series candle.Series, r, span candle.Range) ([]api.Day, error) {
	if n := countDays(series.Timeframe, span); n > maxDays {
		return nil, invalid(api.CodeTooManyDays, nil, "days", strconv.FormatInt(n, 10), "max", itoa(maxDays))
	}
	found, err := s.cfg.Candles.Days(ctx, series, r)
	if err != nil {
		return nil, err
	}
	days := make([]api.Day, 0, len(found)) // never null
	for _, d := range found {
		days = append(days, api.Day{
			Date: d.Date.Time().Format(time.DateOnly), Expected: d.Expected,
			Present: d.Present, Repaired: d.Repaired, Absent: d.Absent, Open: d.Open,
		})
	}
	return days, nil
}

// countDays gives how many days a span has, and of a timeframe above a day how many candles.
func countDays(tf candle.Timeframe, span candle.Range) int64 {
	if !tf.Anchored() {
		return tf.Count(span.From, span.To)
	}
	first, _ := candle.Day1.Floor(span.From)
	last, _ := candle.Day1.Floor(span.To)
	return candle.Day1.Count(first, last)
}
