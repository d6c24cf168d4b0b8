package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"velador/api"
	"velador/internal/candle"
)

func TestCoverageByDayAddsTheDaysAndNothingElse(t *testing.T) {
	t.Parallel()
	h := build(t)
	// From 12:00 on; around midnight 20 minutes are absent at the source and 5 open, and 3 came late.
	minute := func(n int) candle.Millis { return candle.MillisOf(noon) + candle.Millis(n)*60_000 }
	h.candles.Stored = append(h.candles.Stored[:710:710], h.candles.Stored[735:1200]...)
	h.candles.Gaps = []candle.Gap{
		{Series: h.candles.Series, Range: candle.Range{From: minute(100), To: minute(102)}, State: candle.GapRepaired},
		{Series: h.candles.Series, Range: candle.Range{From: minute(710), To: minute(729)}, State: candle.GapAbsent, Proofs: 3},
		{Series: h.candles.Series, Range: candle.Range{From: minute(730), To: minute(734)}, State: candle.GapOpen},
	}
	whole := h.get("/api/coverage?" + ethSeries)
	days := `,"days":[{"date":"2025-11-04","expected":720,"present":710,"repaired":3,"absent":10,"open":0},` +
		`{"date":"2025-11-05","expected":480,"present":465,"repaired":0,"absent":10,"open":5}]}`
	h.get("/api/coverage?"+ethSeries+"&by=day").want(t, 200, strings.TrimSuffix(strings.TrimSpace(whole.body), "}")+days)
	if strings.Contains(whole.body, "days") {
		t.Errorf("without by=day the answer is %s", whole.body)
	}
	h.get("/api/coverage?"+ethSeries+"&by=").want(t, 200, strings.TrimSpace(whole.body))

	var answer api.CoverageAnswer
	r := h.get(fmt.Sprintf("/api/coverage?%s&by=day&from=2025-11-05&to=%d", ethSeries, minute(731)))
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Fatal(err)
	}
	if want := (api.Day{Date: "2025-11-05", Expected: 12, Absent: 10, Open: 2}); len(answer.Days) != 1 || answer.Days[0] != want || answer.Expected != 12 {
		t.Errorf("of a stretch the answer is %s", r.body)
	}
}

func TestCoverageByDayOfAnUnknownSeriesHasNoDays(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, timeframe := range []string{"1m", "1d", "1M"} {
		h.get("/api/coverage?symbol=NOSUCH&by=day&timeframe="+timeframe).want(t, 200,
			`{"symbol":"NOSUCH","timeframe":"`+timeframe+`","exchange":"binance","expected":0,"present":0,"gaps":[],"days":[]}`)
	}
}

func TestCoverageByDayIsBounded(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.candles.Stored = h.candles.Stored[:1]
	h.candles.Gaps = []candle.Gap{{Series: h.candles.Series, State: candle.GapOpen,
		Range: candle.Range{From: candle.MillisOf(noon.AddDate(0, 0, -4000)), To: candle.MillisOf(noon.AddDate(0, 0, -3999))}}}
	const path = "/api/coverage?" + ethSeries + "&by=day"
	h.get(path).want(t, 400, `{"error":"Son demasiados días (4001): se admiten 4000; acote con from y to","code":"too_many_days","days":"4001","max":"4000"}`)
	members := h.get(path, "Accept-Language", "en").problem(t, 400, "too_many_days")
	if members["error"] != "Too many days (4001): 4000 are allowed; narrow them with from and to" {
		t.Errorf("in English it is %v", members["error"])
	}
	// What is known counts, not what is asked for: the whole is refused, a part of it is not.
	var answer api.CoverageAnswer
	r := h.get(path + "&from=" + candle.MillisOf(noon.AddDate(0, 0, -3999)).String() + "&to=9999-12-31")
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Days) != 4000 {
		t.Errorf("%d days: %v %.200s", len(answer.Days), err, r.body)
	}
	if r := h.get("/api/coverage?" + ethSeries); r.status != 200 {
		t.Errorf("without days the answer is %d %s", r.status, r.body)
	}
	for _, by := range []string{"month", "DAY", "day%20", "1"} {
		members := h.get("/api/coverage?"+ethSeries+"&by="+by).problem(t, 400, "invalid_choice")
		if members["name"] != "by" || members["allowed"] != "day" {
			t.Errorf("by=%s: %v", by, members)
		}
	}
	// Candles of more than a day are counted by their number.
	h.candles.Series.Timeframe = candle.Month1
	h.candles.Gaps[0].Series = h.candles.Series
	r = h.get("/api/coverage?symbol=ETHUSDT&timeframe=1M&by=day&from=2025-09-01")
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Days) != 1 || answer.Days[0].Date != "2025-11-04" {
		t.Errorf("of months the answer is %s", r.body)
	}
	h.candles.Fail(errAway, 0)
	h.get(path).problem(t, 503, "database_unavailable")
}

func TestTheDescriptionExplainsTheDays(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, Description string }
			Responses  map[string]struct{ Description string }
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal([]byte(build(t).get("/openapi.json").body), &doc); err != nil {
		t.Fatal(err)
	}
	call := doc.Paths["/api/coverage"]["get"]
	if !slices.ContainsFunc(call.Parameters, func(p struct{ Name, Description string }) bool { return p.Name == "by" && p.Description != "" }) {
		t.Errorf("the parameters are %v", call.Parameters)
	}
	if !strings.Contains(call.Responses["400"].Description, "too_many_days") {
		t.Errorf("the mistakes are %s", call.Responses["400"].Description)
	}
	day := doc.Components.Schemas["Day"]
	if len(day.Properties) != 6 || len(day.Required) != 6 {
		t.Errorf("a day has %v, of which %v are always there", day.Properties, day.Required)
	}
	for member, property := range day.Properties {
		if property["description"] == nil || property["examples"] == nil {
			t.Errorf("%s is not explained by words and an example: %v", member, property)
		}
	}
	answer := doc.Components.Schemas["CoverageAnswer"]
	if answer.Properties["days"]["type"] != "array" || slices.Contains(answer.Required, "days") || !slices.Contains(answer.Required, "gaps") {
		t.Errorf("days are %v, and always there are %v", answer.Properties["days"], answer.Required)
	}
}
