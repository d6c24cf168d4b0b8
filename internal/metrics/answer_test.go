package metrics

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"velador/internal/collector"
)

// parsed is what Prometheus' own parser makes of a text.
func parsed(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("Prometheus cannot read the answer: %v\n%s", err, text)
	}
	return families
}

// asked asks over a real connection.
func asked(t *testing.T, h http.Handler, method string, header ...string) (*http.Response, []byte) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// differing are collectors of which more and less is known.
func differing() []collector.Live {
	young, waiting, stopped, odd := living(10, "BTCUSDT"), living(9, "ETHUSDT"), living(8, "ETHUSDT"), living(3, strings.Repeat("SYMBOLUSDT,", 40))
	young.Vitals = collector.Vitals{}
	waiting.Status, waiting.NextAttempt, waiting.Vitals = collector.Failed, begun.AddDate(-10, 0, 0), collector.Vitals{}
	stopped.Status = collector.Stopped
	odd.Spec.Exchange, odd.Vitals.USS, odd.Vitals.Beat.LastOpen = "a \"venue\\\n\xff", 0, 0
	return []collector.Live{living(1, "ETHUSDT"), young, waiting, stopped, odd}
}

// testdata/former.prom is what client_golang v1.25.0 made of the same collectors, while it wrote the
// answer.
func TestTheFiguresAreThoseThatClientGolangWrote(t *testing.T) {
	t.Parallel()
	former, err := os.ReadFile("testdata/former.prom")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := scrape(t, Handler(Config{Fleet: &fleet{list: differing()}, Adoptions: counted{}, Version: `1.2.3-"rc"\1`}))
	var got []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "velador_") {
			got = append(got, line)
		}
	}
	want := slices.Collect(strings.Lines(strings.ReplaceAll(string(former), "GOVERSION", runtime.Version())))
	// Families come in the same order; within one it does not matter.
	names := func(lines []string) (of []string) {
		for _, line := range lines {
			if strings.HasPrefix(line, "# ") {
				of = append(of, line)
			}
		}
		return of
	}
	if !slices.Equal(names(got), names(want)) {
		t.Errorf("the families are\n%s\nnot\n%s", names(got), names(want))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("new: %s", line)
			}
		}
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("gone: %s", line)
			}
		}
	}
}

func TestPrometheusReadsTheAnswerAndFindsNoFaultInItsNames(t *testing.T) {
	t.Parallel()
	h := Handler(Config{Fleet: &fleet{list: differing()}, Adoptions: counted{}, Parts: []Part{part(func(page *Page) {
		page.Histogram("batch_seconds", "How long a batch took.", []float64{0.1, 1}).Sample([]uint64{1, 2, 3}, 7.5)
	})}})
	_, body := asked(t, h, http.MethodGet)
	families := parsed(t, string(body))
	for name, typ := range map[string]dto.MetricType{
		"velador_collector_up": dto.MetricType_GAUGE, "velador_collector_restarts_total": dto.MetricType_COUNTER, "velador_batch_seconds": dto.MetricType_HISTOGRAM,
		"go_info": dto.MetricType_GAUGE, "go_goroutines": dto.MetricType_GAUGE, "go_threads": dto.MetricType_GAUGE, "go_memstats_heap_alloc_bytes": dto.MetricType_GAUGE,
		"process_cpu_seconds_total": dto.MetricType_COUNTER, "process_max_fds": dto.MetricType_GAUGE,
	} {
		if f := families[name]; f == nil || f.GetType() != typ || len(f.GetMetric()) == 0 || f.GetHelp() == "" {
			t.Errorf("%s is %v", name, f)
		}
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestWhateverFormatIsPreferredTheAnswerIsInTheTextFormat(t *testing.T) {
	t.Parallel()
	h := Handler(Config{Fleet: &fleet{list: differing()}})
	for _, accept := range []string{"", "*/*", "application/json", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		response, body := asked(t, h, http.MethodGet, "Accept", accept)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%q is answered by %d %s", accept, response.StatusCode, got)
		}
		if families := parsed(t, string(body)); families["velador_fleet_up"] == nil {
			t.Errorf("%q is answered by\n%s", accept, body)
		}
	}
	if response, body := asked(t, h, http.MethodHead); response.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("HEAD is answered by %d %s", response.StatusCode, body)
	}
}

func TestTheAnswerIsPackedForThoseWhoTakeIt(t *testing.T) {
	t.Parallel()
	h := Handler(Config{Fleet: &fleet{list: differing()}})
	for accept, packed := range map[string]bool{
		"gzip": true, "deflate, GZIP;q=0.5": true, "br,gzip; q=1": true,
		"identity": false, "gzip;q=0": false, "gzip; q=0.000, deflate": false, "gzip;q=much": false, "xgzip": false,
	} {
		response, body := asked(t, h, http.MethodGet, "Accept-Encoding", accept)
		if got := response.Header.Get("Content-Encoding") == "gzip"; got != packed || response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q is answered with %v", accept, response.Header)
		}
		if packed {
			zip, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(zip); err != nil {
				t.Fatal(err)
			}
		}
		if parsed(t, string(body))["velador_collector_up"] == nil {
			t.Errorf("%q is answered by\n%s", accept, body)
		}
	}
}

// broken cannot give what belongs on the page's other half.
type broken struct{}

func (broken) Figures(_ context.Context, page *Page) error {
	page.Gauge("half", "What it still knows.").Sample(1)
	return errors.New("the writer is away")
}

func TestAPartThatFailsTakesNothingFromTheOthers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	whole := part(func(page *Page) {
		page.Gauge("whole", "Of a part that is well.").Sample(2)
		page.Gauge("wrong", "").Sample(3)
	})
	h := Handler(Config{Fleet: &fleet{}, Parts: []Part{broken{}, whole}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, lines := scrape(t, h)
	if lines["velador_half"] != "1" || lines["velador_whole"] != "2" || lines["velador_wrong"] != "" {
		t.Errorf("the figures are %v", lines)
	}
	for _, words := range []string{"the writer is away", "velador_wrong"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log does not tell of %q: %s", words, &log)
		}
	}
}

func TestScrapesDoNotMix(t *testing.T) {
	t.Parallel()
	f := &fleet{list: differing()}
	h := Handler(Config{Fleet: f})
	first, _ := scrape(t, h)
	f.set(nil, living(77, "SOLUSDT"))
	second, lines := scrape(t, h)
	f.set(nil, differing()...)
	third, _ := scrape(t, h)
	if strings.Contains(second, "BTCUSDT") || strings.Contains(third, "SOLUSDT") || lines[`velador_collectors{status="running"}`] != "1" {
		t.Errorf("the second answer is\n%s\nand the third\n%s", second, third)
	}
	if a, b := parsed(t, first), parsed(t, third); len(a) != len(b) || len(a["velador_collector_up"].GetMetric()) != len(b["velador_collector_up"].GetMetric()) {
		t.Errorf("the answers for the same collectors differ:\n%s\n%s", first, third)
	}
}
