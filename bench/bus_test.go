package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/ingest"
	"velador/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

func busSeries(n int) candle.Series {
	return candle.Series{Exchange: "binance", Symbol: fmt.Sprintf("SYM%dUSDT", n), Timeframe: candle.Minute1}
}

func busCandle(n int) candle.Candle {
	open := candle.Millis(1_700_000_000_000 + int64(n)*60_000)
	return candle.Candle{
		OpenTime: open, CloseTime: open + 59_999, Trades: 1234,
		Open: candle.MustDecimal("3412.17000000"), High: candle.MustDecimal("3415.55000000"), Low: candle.MustDecimal("3411.02000000"), Close: candle.MustDecimal("3414.90000000"),
		Volume: candle.MustDecimal("153.28470000"), QuoteVolume: candle.MustDecimal("523311.83927100"),
		TakerBuyVolume: candle.MustDecimal("80.12340000"), TakerBuyQuoteVolume: candle.MustDecimal("273612.11937500"),
	}
}

// newBus gives a connection to an embedded server with its streams.
func newBus(b *testing.B) (*bus.Server, *bus.Conn) {
	b.Helper()
	server, err := bus.StartServer(bus.ServerConfig{Dir: b.TempDir(), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Shutdown)
	conn, err := bus.Connect(b.Context(), bus.ClientConfig{File: server.File(), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	if err := conn.Provision(b.Context()); err != nil {
		b.Fatal(err)
	}
	return server, conn
}

// publish sends n candles and waits until all of them are acknowledged.
func publish(b *testing.B, conn *bus.Conn, n int) {
	b.Helper()
	p, err := conn.NewPublisher(bus.PublisherConfig{})
	if err != nil {
		b.Fatal(err)
	}
	c := busCandle(1)
	for i := range n {
		c.OpenTime = candle.Millis(i * 60_000)
		if err := p.Candle(b.Context(), busSeries(i%50), c); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(p.Flush(b.Context()), p.Close()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBusStart measures a server's start on an empty directory, until a client is connected.
func BenchmarkBusStart(b *testing.B) {
	for b.Loop() {
		server, err := bus.StartServer(bus.ServerConfig{Dir: b.TempDir(), Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		conn, err := bus.Connect(b.Context(), bus.ClientConfig{File: server.File(), Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		conn.Close()
		server.Shutdown()
	}
}

// BenchmarkBusPublish measures candles handed over and acknowledged, one publisher.
func BenchmarkBusPublish(b *testing.B) {
	_, conn := newBus(b)
	b.ResetTimer()
	publish(b, conn, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "candles/s")
}

// BenchmarkBusConsume measures candles fetched, decoded and acknowledged.
func BenchmarkBusConsume(b *testing.B) {
	_, conn := newBus(b)
	publish(b, conn, b.N)
	consumer, err := conn.Consume(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for left := b.N; left > 0; {
		batch, err := consumer.Fetch(b.Context(), ingest.DefaultBatch)
		if err != nil {
			b.Fatal(err)
		}
		if err := consumer.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		left -= len(batch)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "candles/s")
}

// nowhere is a store that keeps nothing.
type nowhere struct{}

func (nowhere) Write(_ context.Context, entries []store.Entry) (store.Written, error) {
	return store.Written{New: len(entries)}, nil
}

// BenchmarkBusThrough measures candles from a publisher through the stream and the writer, at once.
func BenchmarkBusThrough(b *testing.B) {
	_, conn := newBus(b)
	writer := &ingest.Writer{Bus: conn, Sink: nowhere{}, Logger: quiet}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- writer.Run(ctx) }()
	b.ResetTimer()
	publish(b, conn, b.N)
	if err := writer.Drained(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "candles/s")
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBusAssign measures an assignment from Assign to the agent's answer and its end.
func BenchmarkBusAssign(b *testing.B) {
	_, conn := newBus(b)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() {
		ended <- conn.Assignments(ctx, bus.AgentConfig{Name: "bench"}, func(_ context.Context, h *bus.Held) error {
			return errors.Join(h.Answer(nil), h.Done())
		})
	}()
	for n := 0; b.Loop(); n++ {
		if _, err := conn.AssignAndAwait(ctx, bus.Assignment{ID: fmt.Sprint("c", n)}); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBusMemory measures what a collector's end of the bus costs in memory: connection and
// publisher, with an empty and with a full window, against a server in another process.
func BenchmarkBusMemory(b *testing.B) {
	if dir := os.Getenv("VELADOR_BENCH_BUS"); dir != "" { // this is that other process
		if _, err := bus.StartServer(bus.ServerConfig{Dir: dir, Logger: quiet}); err != nil {
			b.Fatal(err)
		}
		select {}
	}
	dir := b.TempDir()
	server := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkBusMemory$")
	server.Env = append(os.Environ(), "VELADOR_BENCH_BUS="+dir)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed: that is its error
	})
	const window = 1024
	var idle, full float64
	for b.Loop() {
		before := heap()
		conn, err := bus.Connect(b.Context(), bus.ClientConfig{File: filepath.Join(dir, bus.FileName), Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		p, err := conn.NewPublisher(bus.PublisherConfig{Window: window})
		if err != nil {
			b.Fatal(err)
		}
		// They stay until the end: what an old one leaves behind must not count for the next one.
		b.Cleanup(func() {
			if err := p.Close(); err == nil {
				b.Error("a bus without a stream has taken candles")
			}
			conn.Close()
		})
		connected := heap()
		idle += connected - before
		for n := range window { // there is no stream: all of them stay
			if err := p.Candle(b.Context(), busSeries(n%50), busCandle(n)); err != nil {
				b.Fatal(err)
			}
		}
		full += heap() - before
	}
	b.ReportMetric(idle/1024/float64(b.N), "idle-KiB")
	b.ReportMetric(full/1024/float64(b.N), "full-KiB")
}

// heap gives the bytes of live objects.
func heap() float64 {
	for range 3 { // what finalizers and pools let go comes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
