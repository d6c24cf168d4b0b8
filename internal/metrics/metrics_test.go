package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
)

// fleet lists what it is told.
type fleet struct {
	mu   sync.Mutex
	list []collector.Live
	err  error
}

func (f *fleet) All(context.Context) ([]collector.Live, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, f.err
}

func (f *fleet) set(err error, list ...collector.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.err = list, err
}

// counted are adoptions.
type counted struct{}

func (counted) Adopted() uint64        { return 7 }
func (counted) OrphansRefused() uint64 { return 2 }

// part is what has figures and never fails.
type part func(*Page)

func (p part) Figures(_ context.Context, page *Page) error { p(page); return nil }

var begun = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// living is a collector that has a process and has brought candles.
func living(id int64, selector string) collector.Live {
	return collector.Live{
		Record: collector.Record{
			ID: id, Spec: collector.Spec{Exchange: "binance", Selector: selector, Timeframe: candle.Minute1},
			Wanted: true, Status: collector.Running, StartedAt: begun, Restarts: 3, Identity: collector.Identity{PID: 4711},
		},
		Vitals: collector.Vitals{
			Phase: collector.PhaseLive, Adopted: true, CPU: 1500 * time.Millisecond, RSS: 1 << 20, USS: 1 << 19,
			Beat: collector.Beat{Candles: 1440, Messages: 9000, Requests: 5, Failures: 1, Reconnects: 2, Series: 4, LiveNow: 3, OpenGaps: 1,
				Clock: candle.MillisOf(begun), Progress: candle.MillisOf(begun) - 3000, LastOpen: candle.MillisOf(begun) - 72_000, LastClose: candle.MillisOf(begun) - 12_001},
		},
	}
}

// scrape gives an answer's lines that are no comments.
func scrape(t testing.TB, h http.Handler) (text string, lines map[string]string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("the answer is %d %v %s", w.Code, w.Header(), w.Body)
	}
	lines = map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if cut := strings.LastIndexByte(line, ' '); cut > 0 && line[0] != '#' {
			lines[line[:cut]] = strings.TrimSpace(line[cut:])
		}
	}
	return w.Body.String(), lines
}

func TestACollectorsFiguresAreShownByItsID(t *testing.T) {
	t.Parallel()
	waiting := living(8, "BTCUSDT")
	waiting.Status, waiting.NextAttempt, waiting.Vitals = collector.Failed, time.Now().Add(time.Hour), collector.Vitals{}
	h := Handler(Config{Fleet: &fleet{list: []collector.Live{living(7, "ETHUSDT"), waiting}}, Adoptions: counted{}, Version: "1.2.3",
		Parts: []Part{part(func(page *Page) { page.Gauge("writer_lag_seconds", "Of a further part.").Sample(0) })}})
	text, lines := scrape(t, h)
	who := `{exchange="binance",id="7",selector="ETHUSDT",timeframe="1m"`
	for name, want := range map[string]string{
		"up" + who + "}": "1", "adopted" + who + "}": "1", "restarts_total" + who + "}": "3", "backoff_seconds" + who + "}": "0",
		"rss_bytes" + who + "}": "1.048576e+06", "uss_bytes" + who + "}": "524288", "cpu_seconds_total" + who + "}": "1.5",
		"candles_total" + who + "}": "1440", "messages_total" + who + "}": "9000", "requests_total" + who + "}": "5", "request_failures_total" + who + "}": "1",
		"reconnects_total" + who + "}": "2", "series" + who + "}": "4", "series_live" + who + "}": "3", "open_gaps" + who + "}": "1", "silence_seconds" + who + "}": "3",
		"start_time_seconds" + who + "}": fmt.Sprintf("%v", float64(begun.Unix())), "last_candle_age_seconds" + who + "}": "12.001",
		"last_candle_timestamp_seconds" + who + "}": fmt.Sprintf("%v", float64(begun.Unix()-72)),
	} {
		if got := lines["velador_collector_"+name]; got != want {
			t.Errorf("%s is %q, not %s", name, got, want)
		}
	}
	for _, p := range collector.Phases() {
		name := fmt.Sprintf(`velador_collector_phase{exchange="binance",id="7",phase="%s",selector="ETHUSDT",timeframe="1m"}`, p)
		if got, want := lines[name], fmt.Sprint(number(p == collector.PhaseLive)); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	for name, want := range map[string]string{
		"velador_fleet_up": "1", `velador_collectors{status="running"}`: "1", `velador_collectors{status="error"}`: "1", `velador_collectors{status="stopped"}`: "0",
		"velador_adopted_total": "7", "velador_orphans_refused_total": "2", "velador_scrape_errors_total": "0", "velador_writer_lag_seconds": "0",
	} {
		if lines[name] != want {
			t.Errorf("%s is %q, not %s", name, lines[name], want)
		}
	}
	for _, name := range []string{`velador_build_info{goversion="go`, "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	if strings.Contains(text, "4711") {
		t.Error("a PID is shown")
	}
}

func TestWhatIsNotKnownOfACollectorIsLeftOut(t *testing.T) {
	t.Parallel()
	young, waiting := living(1, "ETHUSDT"), living(2, "BTCUSDT")
	young.Vitals = collector.Vitals{}
	waiting.Status, waiting.NextAttempt, waiting.Vitals = collector.Failed, time.Now().Add(time.Hour), collector.Vitals{}
	_, lines := scrape(t, Handler(Config{Fleet: &fleet{list: []collector.Live{young, waiting}}}))
	found := map[string]int{}
	for name := range lines {
		if short, _, ok := strings.Cut(strings.TrimPrefix(name, "velador_collector_"), "{"); ok && strings.HasPrefix(name, "velador_collector_") {
			found[short]++
		}
	}
	if want := map[string]int{"up": 2, "adopted": 2, "restarts_total": 2, "backoff_seconds": 2, "start_time_seconds": 1, "phase": 14}; fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("the figures are %v, not %v", found, want)
	}
	if lines["velador_adopted_total"] != "" {
		t.Error("adoptions are counted though nobody does")
	}
	left := lines[`velador_collector_backoff_seconds{exchange="binance",id="2",selector="BTCUSDT",timeframe="1m"}`]
	if left < "3590" || left > "3600" || len(left) < 4 {
		t.Errorf("the next attempt is %s seconds away, not an hour", left)
	}
}

func TestAFleetThatFailsLeavesWhatIsKnownWithoutIt(t *testing.T) {
	t.Parallel()
	f := &fleet{}
	h := Handler(Config{Fleet: f, Version: "1.2.3"})
	for i := range 3 {
		f.set(errors.New("the database is away"), living(1, "ETHUSDT"))
		text, lines := scrape(t, h)
		if lines["velador_fleet_up"] != "0" || lines["velador_scrape_errors_total"] != fmt.Sprint(i+1) ||
			strings.Contains(text, "velador_collector") || !strings.Contains(text, "go_goroutines") || !strings.Contains(text, "velador_build_info") {
			t.Errorf("the answer is\n%s", text)
		}
		f.set(nil, living(1, "ETHUSDT"))
		if _, lines = scrape(t, h); lines["velador_fleet_up"] != "1" || lines["velador_scrape_errors_total"] != fmt.Sprint(i+1) {
			t.Errorf("afterwards the answer is %v", lines)
		}
	}
}

func TestTheNumberOfSeriesIsBoundedByTheCollectors(t *testing.T) {
	t.Parallel()
	const n = 500
	f, empty := &fleet{}, &fleet{}
	var list []collector.Live
	for i := range n {
		one := living(int64(i+1), strings.Repeat("SYMBOLUSDT,", 400)+fmt.Sprint(i))
		one.PID = 10_000 + i
		list = append(list, one)
	}
	f.set(nil, list...)
	_, few := scrape(t, Handler(Config{Fleet: empty}))
	_, many := scrape(t, Handler(Config{Fleet: f}))
	perCollector := len(collector.Phases()) + 19
	if got := len(many) - len(few); got < n*perCollector-20 || got > n*perCollector+20 {
		t.Errorf("%d collectors make %d series, not about %d each", n, got, perCollector)
	}
	for name := range many {
		if len(name) > 300 {
			t.Fatalf("a series is named by %d bytes: %s", len(name), name)
		}
	}
	// A restart goes on with the same series.
	for i := range list {
		list[i].PID += 5000
		list[i].RunID, list[i].Restarts = "another", 4
	}
	f.set(nil, list...)
	_, after := scrape(t, Handler(Config{Fleet: f}))
	for name := range after {
		if _, ok := many[name]; !ok && strings.HasPrefix(name, "velador_") {
			t.Fatalf("a restart has made the series %s", name)
		}
	}
}

func TestLabelsAreBoundedAndToldApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ñ", 60)
	for _, text := range []string{"", "ETHUSDT", strings.Repeat("A", 80)} {
		if got := bounded(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	a, b := bounded(long+"a"), bounded(long+"b")
	if a == b || len(a) > maxLabel || len(a) < maxLabel-4 || a != strings.ToValidUTF8(a, "") {
		t.Errorf("the labels are %q and %q", a, b)
	}
	if got := bounded("\xff\xfe"); got != "\uFFFD" {
		t.Errorf("what is no text becomes %q", got)
	}
}

// slowFleet answers when it is told to, or when whoever asks has gone.
type slowFleet struct{ asked, proceed chan struct{} }

func (f slowFleet) All(ctx context.Context) ([]collector.Live, error) {
	f.asked <- struct{}{}
	select {
	case <-f.proceed:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestScrapesAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	f := slowFleet{make(chan struct{}), make(chan struct{})}
	h := Handler(Config{Fleet: f})
	answered := make(chan int)
	ask := func(ctx context.Context) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		_, _ = io.Copy(io.Discard, w.Body)
		answered <- w.Code
	}
	for range maxScrapes {
		go ask(t.Context())
		<-f.asked
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	go ask(gone) // finds no room, and does not wait for it
	<-answered
	close(f.proceed)
	for range maxScrapes {
		if code := <-answered; code != http.StatusOK {
			t.Errorf("a scrape was answered by %d", code)
		}
	}
}

// nowhere takes an answer and keeps its length, so that what is measured is the handler.
type nowhere struct {
	header http.Header
	bytes  int64
}

func (w *nowhere) Header() http.Header { return w.header }
func (w *nowhere) WriteHeader(int)     {}
func (w *nowhere) Write(p []byte) (int, error) {
	w.bytes += int64(len(p))
	return len(p), nil
}

func BenchmarkScrape(b *testing.B) {
	f := &fleet{}
	for i := range 500 {
		f.list = append(f.list, living(int64(i+1), fmt.Sprintf("SYM%dUSDT", i)))
	}
	h := Handler(Config{Fleet: f})
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: http.Header{}}
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				h.ServeHTTP(w, r)
				b.ReportMetric(float64(w.bytes), "bytes")
			}
		})
	}
}
