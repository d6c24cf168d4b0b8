package klineapi

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
)

// fastClock runs many times as fast as the machine's.
type fastClock struct {
	born   time.Time
	from   candle.Millis
	factor int64
}

func (c fastClock) Now() candle.Millis {
	return c.from.Add(time.Duration(int64(time.Since(c.born)) * c.factor))
}

func (c fastClock) Sleep(ctx context.Context, t candle.Millis) error {
	for {
		left := t.Sub(c.Now())
		if left <= 0 {
			return ctx.Err()
		}
		if !wait(ctx, left/time.Duration(c.factor)+time.Microsecond) {
			return ctx.Err()
		}
	}
}

// fast runs a surface at some speed over n symbols.
func fast(tb testing.TB, n int, factor int64) (api *API, server *httptest.Server, path string) {
	tb.Helper()
	m := newMarket()
	var names []string
	for i := range n {
		symbol := fmt.Sprintf("SYM%dUSDT", i)
		m.list(symbol, fmt.Sprint("SYM", i), "USDT")
		m.minutes(symbol, t0-hour, 3000)
		names = append(names, strings.ToLower(symbol)+"@kline_1m")
	}
	p := DefaultProfile()
	p.WallControl = true
	api = New(Config{Source: m, Clock: fastClock{time.Now(), t0, factor}, Profile: p})
	server = httptest.NewServer(api.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = api.Run(ctx) // it has only the context's error to give
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
		server.Close()
	})
	return api, server, "/stream?streams=" + strings.Join(names, "/")
}

// At a thousand times the speed of life, every closing frame of every stream comes over the network
// exactly once and in order; ticks in between may be taken together.
func TestAtAThousandTimesTheSpeedNoCloseIsMissing(t *testing.T) {
	t.Parallel()
	const symbols, closes = 40, 15
	api, server, path := fast(t, symbols, 1000)
	x := &exchange{t: t, api: api, server: server}
	c := x.dial(path)
	next := map[string]candle.Millis{}
	done := 0
	for done < symbols {
		k := c.kline()
		if !k.final() {
			continue
		}
		if want, seen := next[k.stream]; seen && k.open() != want {
			t.Fatalf("%s: the close of %s comes where that of %s should", k.stream, k.open(), want)
		}
		next[k.stream] = k.open() + minute
		if k.open() == t0+closes*minute {
			done++
		}
	}
	if n := api.Counters(); n.SlowCut != 0 || n.ClosesLost != 0 {
		t.Errorf("counted %+v", n)
	}
}

// BenchmarkHub measures what one virtual minute of 50 streams costs at 1000× speed: push, encode,
// queue, write and a client that reads.
func BenchmarkHub(b *testing.B) {
	api, server, path := fast(b, 50, 1000)
	ws, _, err := websocket.Dial(b.Context(), server.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer ws.CloseNow()
	b.ResetTimer()
	for api.Counters().ClosesSent < int64(b.N)*50 {
		if _, _, err := ws.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(api.Counters().FramesSent)/float64(b.N), "frames/op")
}

func BenchmarkKlinesOf1000Rows(b *testing.B) {
	m := long()
	rows := m.all("ETHUSDT", candle.Minute1, 0, t0)[:1000]
	dst := make([]byte, 0, len(rows)*rowSize)
	b.ReportAllocs()
	for b.Loop() {
		dst = appendRows(dst[:0], rows, false)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkKlineFrame(b *testing.B) {
	row, _ := busy().At("ETHUSDT", candle.Minute1, 0, t0+30_000)
	t, _ := parseTopic(ethKline)
	b.ReportAllocs()
	for b.Loop() {
		e := event{topic: &t, at: t0, row: row}
		_ = e.frame(true, false)
	}
}
