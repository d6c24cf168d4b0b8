package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

func TestAPathThatCannotBeWrittenIsRefusedInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"": "names no file", dir: "is a directory", filepath.Join(dir, "missing", "velador.db"): "does not exist",
		filepath.Join(file, "velador.db"): "directory", file: "no SQLite database",
	}
	if os.Geteuid() == 0 { // root writes everywhere but in /proc
		cases["/proc/velador.db"] = "not writable"
	} else {
		cases[filepath.Join(closed, "velador.db")] = "not writable"
	}
	for path, say := range cases {
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.CodeDatabaseUnavailable || !strings.Contains(p.Text, say) || !strings.Contains(p.Text, path) {
			t.Errorf("%q: %v, %v", path, s, err)
		}
	}
}

func TestAnyFileNameWillDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "what?.db", "50%25.db", "#1&x=y.db", "señal.db"} {
		path := filepath.Join(dir, name)
		s := open(t, path)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestSeveralMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "velador.db")
	var wg sync.WaitGroup
	for range 4 {
		s := open(t, path)
		wg.Go(func() {
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := open(t, path).Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Applied.IsZero() {
			t.Errorf("%+v is pending", m)
		}
	}
}

func entry(n int) store.Entry {
	d := candle.MustDecimal("1.0")
	return store.Entry{
		Series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1},
		Candle: candle.Candle{OpenTime: candle.Millis(n) * 60_000, Open: d, High: d, Low: d, Close: d},
	}
}

func TestALockHeldByAnotherProcessIsWaitedForUntilTheDeadline(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "velador.db")
	s := open(t, path)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Write(ctx, []store.Entry{entry(0)}); problem.CodeOf(err) != problem.CodeDatabaseUnavailable {
		t.Errorf("beside another writer: %v", err)
	}
	if _, err := s.Coverage(t.Context(), entry(0).Series, candle.Range{}); err != nil {
		t.Errorf("a reader beside another writer: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), []store.Entry{entry(0)}); err != nil {
		t.Errorf("after it: %v", err)
	}
}
