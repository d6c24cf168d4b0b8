package simulate

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"velador/internal/candle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sharedData gives the folder of real recordings, which lies beside the repository, not in it.
func sharedData(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("the repository's root was not found")
	}
	data := filepath.Join(dir, "..", "shared", "data", "binance-spot")
	if _, err := os.Stat(data); err != nil {
		missing(t, "recorded market data is not at ../shared/data beside the repository")
	}
	return data
}

// missing skips a test for what the machine lacks; on CI that is a failure.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// at reads an instant; times in tests are UTC.
func at(text string) candle.Millis {
	m, err := candle.ParseMillis(text)
	if err != nil {
		panic(err)
	}
	return m
}

// replay gives a feed over recordings below the shared data folder. Tests share what is loaded:
// instruments never change.
func replay(t testing.TB, folder string, symbols ...string) *feed {
	t.Helper()
	root := filepath.Join(sharedData(t), folder)
	load, _ := loaded.LoadOrStore(root, sync.OnceValues(func() ([]*instrument, error) {
		r, err := Load(root, LoadOptions{})
		if err != nil {
			return nil, err
		}
		return r.instruments(1), nil
	}))
	all, err := load.(func() ([]*instrument, error))()
	if err != nil {
		t.Fatal(err)
	}
	var wanted []*instrument
	for _, in := range all {
		if len(symbols) == 0 || slices.Contains(symbols, in.market.Symbol) {
			wanted = append(wanted, in)
		}
	}
	return newFeed(wanted, statusTrading)
}

var loaded sync.Map // folder → its instruments, loaded once

// writeFile puts a file below dir and gives dir.
func writeFile(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

var everything = candle.Range{From: 0, To: Forever}
