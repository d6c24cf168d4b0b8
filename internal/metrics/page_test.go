package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"velador/internal/collector"
)

func written(t testing.TB, page *Page) string {
	t.Helper()
	var text strings.Builder
	if err := page.writeTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAFamilyIsOneHoweverItsSamplesCome(t *testing.T) {
	t.Parallel()
	page := newPage()
	page.Counter("rows_total", "Rows stored.", "table").Sample(3, "candles")
	page.Gauge("lag_seconds", "How far behind.").Sample(-0.5)
	page.Gauge("empty", "Nobody has a sample.")
	page.Counter("rows_total", "Rows stored.", "table").Sample(4, "gaps")
	want := `# HELP velador_lag_seconds How far behind.
# TYPE velador_lag_seconds gauge
velador_lag_seconds -0.5
# HELP velador_rows_total Rows stored.
# TYPE velador_rows_total counter
velador_rows_total{table="candles"} 3
velador_rows_total{table="gaps"} 4
`
	if got := written(t, page); got != want || page.wrong() != nil {
		t.Errorf("the page is %v\n%s", page.wrong(), got)
	}
}

func TestAHistogramsBucketsAddUp(t *testing.T) {
	t.Parallel()
	page := newPage()
	page.Histogram("plain_seconds", "Without labels.", []float64{0.5, 2.5e9}).Sample([]uint64{1, 2, 4}, 12.25)
	page.Histogram("of_seconds", "With one.", []float64{1}, "table").Sample([]uint64{0, 5}, 6, `a"b`)
	page.Histogram("none_seconds", "Without bounds.", nil).Sample([]uint64{2}, 3)
	text := written(t, page)
	for _, line := range []string{`velador_plain_seconds_bucket{le="0.5"} 1`, `velador_plain_seconds_bucket{le="2.5e+09"} 3`, `velador_plain_seconds_bucket{le="+Inf"} 7`,
		`velador_plain_seconds_sum 12.25`, `velador_plain_seconds_count 7`, `velador_of_seconds_bucket{table="a\"b",le="1"} 0`, `velador_of_seconds_count{table="a\"b"} 5`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
	families := parsed(t, text)
	h := families["velador_plain_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 7 || h.GetSampleSum() != 12.25 || len(h.GetBucket()) != 3 || h.GetBucket()[1].GetCumulativeCount() != 3 {
		t.Errorf("Prometheus reads %v", h)
	}
	if h = families["velador_none_seconds"].GetMetric()[0].GetHistogram(); h.GetSampleCount() != 2 {
		t.Errorf("Prometheus reads %v", h)
	}
}

func TestWhatWouldSpoilThePageIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Page){
		"a name with a dash":         func(p *Page) { p.Gauge("a-b", "Help.").Sample(1) },
		"a line's end in a name":     func(p *Page) { p.Gauge("a 1\nb", "Help.").Sample(1) },
		"no help":                    func(p *Page) { p.Gauge("a", "").Sample(1) },
		"a counter without _total":   func(p *Page) { p.Counter("a", "Help.").Sample(1) },
		"a gauge with _total":        func(p *Page) { p.Gauge("a_total", "Help.").Sample(1) },
		"a gauge named as a bucket":  func(p *Page) { p.Gauge("good_seconds_bucket", "Help.").Sample(1) },
		"a gauge named as a count":   func(p *Page) { p.Gauge("good_seconds_count", "Help.").Sample(1) },
		"a label that is none":       func(p *Page) { p.Gauge("a", "Help.", "1").Sample(1, "x") },
		"an empty label":             func(p *Page) { p.Gauge("a", "Help.", "").Sample(1, "x") },
		"a label of Prometheus' own": func(p *Page) { p.Gauge("a", "Help.", "__name__").Sample(1, "x") },
		"a bucket's label":           func(p *Page) { p.Histogram("a", "Help.", nil, "le").Sample([]uint64{1}, 1, "x") },
		"a label twice":              func(p *Page) { p.Gauge("a", "Help.", "x", "x").Sample(1, "x", "y") },
		"another type":               func(p *Page) { p.Histogram("good", "Help.", nil, "x").Sample([]uint64{1}, 1, "x") },
		"another help":               func(p *Page) { p.Gauge("good", "More help.", "x").Sample(1, "z") },
		"other labels":               func(p *Page) { p.Gauge("good", "Help.", "y").Sample(1, "z") },
		"too few labels":             func(p *Page) { p.Gauge("good", "Help.", "x").Sample(1) },
		"too many labels":            func(p *Page) { p.Gauge("good", "Help.", "x").Sample(1, "a", "b") },
		"a sample twice":             func(p *Page) { p.Gauge("good", "Help.", "x").Sample(2, "y") },
		"a histogram twice":          func(p *Page) { p.Histogram("good_seconds", "Help.", []float64{1}).Sample([]uint64{1, 2}, 3) },
		"too few buckets":            func(p *Page) { p.Histogram("a", "Help.", []float64{1}).Sample([]uint64{1}, 3) },
		"other buckets":              func(p *Page) { p.Histogram("good_seconds", "Help.", []float64{2}).Sample([]uint64{1, 2}, 3) },
		"bounds that fall":           func(p *Page) { p.Histogram("a", "Help.", []float64{2, 1}).Sample([]uint64{1, 1, 1}, 3) },
		"a bound without end":        func(p *Page) { p.Histogram("a", "Help.", []float64{1, math.Inf(1)}).Sample([]uint64{1, 1, 1}, 3) },
		"a bound that is no number":  func(p *Page) { p.Histogram("a", "Help.", []float64{math.NaN()}).Sample([]uint64{1, 1}, 3) },
	} {
		page := newPage()
		page.Gauge("good", "Help.", "x").Sample(1, "y")
		page.Histogram("good_seconds", "Help.", []float64{1}).Sample([]uint64{1, 2}, 3)
		before := written(t, page)
		spoil(page)
		if after := written(t, page); after != before || page.wrong() == nil {
			t.Errorf("%s: %v, and the page is\n%s", name, page.wrong(), after)
		}
	}
}

func TestMistakesAreToldUpToABound(t *testing.T) {
	t.Parallel()
	page := newPage()
	for i := range 100_000 {
		page.Gauge("good", "Help.").Sample(float64(i))
	}
	if told := page.wrong().Error(); strings.Count(told, "\n") != maxMistakes || !strings.HasSuffix(told, fmt.Sprintf("and %d more", 100_000-1-maxMistakes)) {
		t.Errorf("told is %.2000s", told)
	}
	page.clear()
	if page.wrong() != nil || written(t, page) != "" {
		t.Errorf("a cleared page still has %v %s", page.wrong(), written(t, page))
	}
}

func TestAFamilyThatWasKeptWritesNothingOnALaterPage(t *testing.T) {
	t.Parallel()
	page := newPage()
	kept := page.Gauge("kept", "Help.")
	kept.Sample(1)
	buckets := page.Histogram("buckets", "Help.", nil)
	page.clear()
	page.Gauge("next", "Help.").Sample(2)
	kept.Sample(3)
	buckets.Sample([]uint64{1}, 1)
	if got := written(t, page); got != "# HELP velador_next Help.\n# TYPE velador_next gauge\nvelador_next 2\n" {
		t.Errorf("the page is\n%s", got)
	}
}

func TestNumbersAreWrittenAsPrometheusReadsThem(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{
		0: "0", 1: "1", -1.5: "-1.5", 1 << 20: "1.048576e+06", 1.795514328e9: "1.795514328e+09", math.MaxFloat64: "1.7976931348623157e+308",
		math.Inf(1): "+Inf", math.Inf(-1): "-Inf", math.NaN(): "NaN", 1.0 / 3: "0.3333333333333333", 1<<53 - 1: "9.007199254740991e+15",
	} {
		page := newPage()
		page.Gauge("g", "Help.").Sample(value)
		text := written(t, page)
		got := parsed(t, text)["velador_g"].GetMetric()[0].GetGauge().GetValue()
		if !strings.HasSuffix(text, "\nvelador_g "+want+"\n") || got != value && !math.IsNaN(value) {
			t.Errorf("%v is written as\n%s and read as %v", value, text, got)
		}
	}
}

// What one label's value, one help and one number are to Prometheus is what they were to us.
func FuzzPageAgainstPrometheusParser(f *testing.F) {
	f.Add("ETHUSDT", "Help.", 1.5, uint64(3))
	f.Add(strings.Repeat("\xff日", 40), "a\\nb\n# TYPE x counter", math.Inf(-1), uint64(1<<60))
	f.Add("a\"b\\\n}", "\r\t \\", math.NaN(), uint64(0))
	f.Add("} 1\nevil 2\n", "\u2028\x00", math.Copysign(0, -1), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, label, help string, value float64, count uint64) {
		page := newPage()
		page.Gauge("g", help+".", "a", "b").Sample(value, label, "second")
		page.Histogram("h", "Help.", []float64{1}, "a").Sample([]uint64{count, 0}, value, label)
		one := living(1, label)
		one.Spec.Exchange = label
		showFleet(page, []collector.Live{one}, begun)
		if err := page.wrong(); err != nil {
			t.Fatal(err)
		}
		text := written(t, page)
		families := parsed(t, text)
		g := families["velador_g"]
		if len(g.GetMetric()) != 1 {
			t.Fatalf("Prometheus reads %v of\n%s", g, text)
		}
		wantHelp := strings.ToValidUTF8(help+".", "\uFFFD")
		// The parser takes blanks before the help as part of what separates it from the name.
		if strings.TrimLeft(g.GetHelp(), " \t") != strings.TrimLeft(wantHelp, " \t") {
			t.Errorf("the help %q is read as %q", wantHelp, g.GetHelp())
		}
		for _, metric := range []*dto.Metric{g.GetMetric()[0], families["velador_h"].GetMetric()[0], families["velador_collector_up"].GetMetric()[0]} {
			i := slices.IndexFunc(metric.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "a" || l.GetName() == "exchange" })
			if i < 0 || metric.GetLabel()[i].GetValue() != bounded(label) {
				t.Fatalf("%q is read as %v", label, metric)
			}
		}
		if got := g.GetMetric()[0].GetGauge().GetValue(); got != value && !(math.IsNaN(got) && math.IsNaN(value)) {
			t.Errorf("%v is read as %v", value, got)
		}
		if cut := bounded(label); len(cut) > maxLabel || !utf8.ValidString(cut) || label == cut != (utf8.ValidString(label) && len(label) <= maxLabel) {
			t.Errorf("%q is cut to %q", label, cut)
		}
	})
}
