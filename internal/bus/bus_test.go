package bus

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"velador/internal/candle"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("BUS_TEST_SERVER"); dir != "" {
		serveUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var testSeries = candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}

// testCandle gives the n-th candle of a series.
func testCandle(n int) candle.Candle {
	open := candle.Millis(1_700_000_000_000 + int64(n)*60_000)
	return candle.Candle{
		OpenTime: open, CloseTime: open + 59_999, Trades: int64(n),
		Open: candle.MustDecimal("2000.10"), High: candle.MustDecimal("2001.00"), Low: candle.MustDecimal("1999.90"), Close: candle.MustDecimal("2000.50"),
		Volume: candle.MustDecimal("12.34500000"), QuoteVolume: candle.MustDecimal("24690.00"),
		TakerBuyVolume: candle.MustDecimal("6.1"), TakerBuyQuoteVolume: candle.MustDecimal("12200.61"),
	}
}

// testContext ends after a time that only a hanging test takes.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func startTestServer(t testing.TB, dir string) *Server {
	t.Helper()
	s, err := StartServer(ServerConfig{Dir: dir, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connectTest(t testing.TB, cfg ClientConfig) *Conn {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = testLogger(t)
	}
	c, err := Connect(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newTestBus gives a server, a connection to it, and its streams.
func newTestBus(t testing.TB) (*Server, *Conn) {
	t.Helper()
	s := startTestServer(t, t.TempDir())
	c := connectTest(t, ClientConfig{File: s.File()})
	if err := c.Provision(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return s, c
}

func newTestPublisher(t testing.TB, c *Conn, cfg PublisherConfig) *Publisher {
	t.Helper()
	p, err := c.NewPublisher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // messages left over are the test's subject, or its failure
	return p
}

func newTestConsumer(t testing.TB, c *Conn) *Consumer {
	t.Helper()
	consumer, err := c.Consume(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return consumer
}

// fetchCandles fetches and commits until n different candles have come, and gives all of them in the
// order of their arrival.
func fetchCandles(t testing.TB, consumer *Consumer, n int) []candle.Candle {
	t.Helper()
	ctx := testContext(t)
	seen := make(map[candle.Millis]bool)
	var all []candle.Candle
	for len(seen) < n {
		batch, err := consumer.Fetch(ctx, 1000)
		if err != nil {
			t.Fatalf("after %d of %d candles: %v", len(seen), n, err)
		}
		for _, d := range batch {
			if d.Err != nil {
				t.Fatal(d.Err)
			}
			seen[d.Candle.OpenTime] = true
			all = append(all, d.Candle)
		}
		if err := consumer.Commit(ctx, batch); err != nil {
			t.Log(err) // they come again
		}
	}
	return all
}

// testLogger writes to the test's log, at warning level and above.
func testLogger(t testing.TB) *slog.Logger { return logTo(newRecorder(t)) }

// recorder is a slog handler that keeps messages and lets a test wait for one.
type recorder struct {
	t testing.TB

	mu     sync.Mutex
	lines  []string
	moved  chan struct{}
	closed bool
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{t: t, moved: make(chan struct{})}
	t.Cleanup(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
	})
	return r
}

func (r *recorder) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	line := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.t.Log(line)
	}
	r.lines = append(r.lines, line)
	close(r.moved)
	r.moved = make(chan struct{})
	return nil
}

func (r *recorder) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *recorder) WithGroup(string) slog.Handler { return r }

func (r *recorder) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, line := range r.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits until a line holds text.
func (r *recorder) await(ctx context.Context, text string) {
	r.t.Helper()
	for {
		r.mu.Lock()
		moved := r.moved
		r.mu.Unlock()
		if r.count(text) > 0 {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			r.t.Fatalf("no line says %q", text)
		}
	}
}

func contextOf(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func logTo(r *recorder) *slog.Logger { return slog.New(r) }
