package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"velador/internal/candle"
	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
	"velador/internal/store/sqlite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// storeRows is how many candles the store's benchmarks write: a million, or VELADOR_BENCH_ROWS.
func storeRows(b *testing.B) int {
	b.Helper()
	text := os.Getenv("VELADOR_BENCH_ROWS")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("VELADOR_BENCH_ROWS is %q", text)
	}
	return n
}

// storeSeries and storePage shape the rows as a back-fill does: twenty series, whose pages of a
// thousand candles (one REST answer) arrive in turn.
const (
	storeSeries = 20
	storePage   = 1000
)

// storeEntries makes n candles with the digits of an ETHUSDT minute.
func storeEntries(n int) []store.Entry {
	entries := make([]store.Entry, n)
	for i := range entries {
		page := i / storePage
		series := candle.Series{Exchange: "binance", Symbol: fmt.Sprintf("S%02dUSDT", page%storeSeries), Timeframe: candle.Minute1}
		open := candle.Millis(1_600_000_020_000) + candle.Millis(page/storeSeries*storePage+i%storePage)*60_000
		text := fmt.Sprintf("%d.%02d000000%d.%02d000000%d.%02d000000%d.%02d000000%03d.%04d0000%06d.%08d%02d.%04d0000%05d.%08d",
			2900+i%800, i%100, 3700+i%250, i%97, 2100+i%700, i%89, 2950+i%640, i%83,
			100+i%900, i%10000, 100000+i%800000, i%99999999, 10+i%90, i%9973, 30000+i%60000, i%87654321)
		take := func(n int) (d candle.Decimal) {
			d, text = candle.MustDecimal(text[:n]), text[n:]
			return d
		}
		entries[i] = store.Entry{Series: series, Candle: candle.Candle{OpenTime: open, CloseTime: open + 59_999, Trades: int64(i % 5000),
			Open: take(13), High: take(13), Low: take(13), Close: take(13),
			Volume: take(12), QuoteVolume: take(15), TakerBuyVolume: take(11), TakerBuyQuoteVolume: take(14)}}
	}
	return entries
}

// writeAll writes entries in batches and gives rows per second.
func writeAll(b *testing.B, s store.Store, entries []store.Entry, batch int, want func(n int) store.Written) float64 {
	b.Helper()
	begin := time.Now()
	for rest := entries; len(rest) > 0; {
		n := min(batch, len(rest))
		got, err := s.Write(b.Context(), rest[:n])
		if err != nil {
			b.Fatal(err)
		}
		if w := want(n); got.New != w.New || got.Same != w.Same || got.Changed != w.Changed {
			b.Fatalf("Write counts %+v", got)
		}
		rest = rest[n:]
	}
	return float64(len(entries)) / time.Since(begin).Seconds()
}

func allNew(n int) store.Written  { return store.Written{New: n} }
func allSame(n int) store.Written { return store.Written{Same: n} }

// readAll reads every series and gives rows per second.
func readAll(b *testing.B, s store.Store, rows int) float64 {
	b.Helper()
	all, err := s.Series(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	begin, n := time.Now(), 0
	for _, series := range all {
		if err := s.EachCandle(b.Context(), store.Query{Series: series}, func(candle.Candle) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	if n != rows {
		b.Fatalf("%d of %d candles were read", n, rows)
	}
	return float64(n) / time.Since(begin).Seconds()
}

// BenchmarkPostgresWrite compares Write with psql's \copy of the same rows, in the same order, into
// the same schema of the same server, with fsync as PostgreSQL sets it. "ratio" is ours to psql's.
func BenchmarkPostgresWrite(b *testing.B) {
	server := pgtest.Start(b, pgtest.Config{Durable: true})
	entries := storeEntries(storeRows(b))
	file := copyFile(b, entries)
	for _, batch := range []int{1000, 5000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			var psql, first, second, read float64
			for range b.N {
				psql += psqlCopy(b, server, file, len(entries))
				s := migrated(b, server)
				first += writeAll(b, s, entries, batch, allNew)
				second += writeAll(b, s, entries, batch, allSame)
				read += readAll(b, s, len(entries))
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			n := float64(b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(psql/n, "psql-rows/s")
			b.ReportMetric(first/n, "new-rows/s")
			b.ReportMetric(first/psql, "ratio")
			b.ReportMetric(second/n, "same-rows/s")
			b.ReportMetric(read/n, "read-rows/s")
		})
	}
}

// BenchmarkPostgresWriteLive writes the batches of a live minute: n candles, one of each series.
func BenchmarkPostgresWriteLive(b *testing.B) {
	s := migrated(b, pgtest.Start(b, pgtest.Config{Durable: true}))
	defer s.Close()
	benchmarkLive(b, s)
}

// BenchmarkSQLiteWriteLive is the same for SQLite.
func BenchmarkSQLiteWriteLive(b *testing.B) {
	s := sqliteStore(b)
	defer s.Close()
	benchmarkLive(b, s)
}

func benchmarkLive(b *testing.B, s store.Store) {
	for _, n := range []int{1, 10, 100, 500, 600} {
		b.Run(fmt.Sprintf("candles=%d", n), func(b *testing.B) {
			entries := storeEntries(n)
			for i := range entries {
				entries[i].Series.Symbol = fmt.Sprintf("L%d", i)
				entries[i].Candle.OpenTime += candle.Millis(n) * 1_000_000_000_000
			}
			for b.Loop() {
				for i := range entries {
					entries[i].Candle.OpenTime += 60_000
				}
				if _, err := s.Write(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSQLiteWrite writes the same rows into SQLite.
func BenchmarkSQLiteWrite(b *testing.B) {
	entries := storeEntries(storeRows(b))
	for _, batch := range []int{1000, 5000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			var first, second, read float64
			for range b.N {
				s := sqliteStore(b)
				first += writeAll(b, s, entries, batch, allNew)
				second += writeAll(b, s, entries, batch, allSame)
				read += readAll(b, s, len(entries))
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			n := float64(b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(first/n, "new-rows/s")
			b.ReportMetric(second/n, "same-rows/s")
			b.ReportMetric(read/n, "read-rows/s")
		})
	}
}

func sqliteStore(b *testing.B) store.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "velador.db")})
	if err == nil {
		_, err = s.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func migrated(b *testing.B, server *pgtest.Server) store.Store {
	b.Helper()
	s, err := postgres.Open(b.Context(), postgres.Config{URL: server.Database(b)})
	if err == nil {
		_, err = s.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// copyFile writes entries in COPY's text format, their series numbered as psqlCopy numbers them.
func copyFile(b *testing.B, entries []store.Entry) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "candles.txt")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	ids := map[candle.Series]int{}
	for _, e := range entries {
		if ids[e.Series] == 0 {
			ids[e.Series] = len(ids) + 1
		}
		c := e.Candle
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ids[e.Series], c.OpenTime, c.CloseTime, c.Trades,
			c.Open, c.High, c.Low, c.Close, c.Volume, c.QuoteVolume, c.TakerBuyVolume, c.TakerBuyQuoteVolume)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// psqlCopy loads file with psql into a fresh database with velador's schema and gives rows per second.
func psqlCopy(b *testing.B, server *pgtest.Server, file string, rows int) float64 {
	b.Helper()
	url := server.Database(b)
	s, err := postgres.Open(b.Context(), postgres.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	command := exec.Command(server.PSQL(), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+url, "--command",
		`\copy candles (series_id, open_time, close_time, trades, open, high, low, close, volume, quote_volume, taker_buy_volume, taker_buy_quote_volume) from '`+file+`'`)
	begin := time.Now()
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("psql: %v\n%s", err, out)
	}
	took := time.Since(begin)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM candles").Scan(&n); err != nil || n != rows {
		b.Fatalf("psql stored %d of %d rows: %v", n, rows, err)
	}
	return float64(rows) / took.Seconds()
}
