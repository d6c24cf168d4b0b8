package client_test

import (
	"errors"
	"testing"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
)

func TestCoverageByDayListsTheDays(t *testing.T) {
	t.Parallel()
	c, p := dial(t)
	series := client.Series{Symbol: "ETHUSDT", Timeframe: "1m"}
	answer, err := c.CoverageByDay(t.Context(), series)
	if err != nil || len(answer.Days) == 0 || answer.Days[0].Date != noon.Format("2006-01-02") || answer.Present != 1200 {
		t.Errorf("the coverage is %+v, %v", answer, err)
	}
	if answer, err = c.Coverage(t.Context(), series); err != nil || answer.Days != nil {
		t.Errorf("the coverage as a whole is %+v, %v", answer, err)
	}
	p.candles.Gaps = []candle.Gap{{Series: p.candles.Series, Range: candle.Range{From: 0, To: 60_000}, State: candle.GapOpen}}
	var failure *client.Error
	if _, err = c.CoverageByDay(t.Context(), series); !errors.As(err, &failure) || failure.Code != api.CodeTooManyDays || failure.Status != 400 {
		t.Errorf("of half a century it is %v", err)
	}
}
