package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

func TestAFullDiskIsUnavailableAndLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "velador.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// SQLite answers SQLITE_FULL when the file may not grow, as when the disk is full.
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	entries := make([]store.Entry, 5000)
	for i := range entries {
		entries[i] = store.Entry{Series: series, Candle: candle.Candle{OpenTime: candle.Millis(i), Open: candle.MustDecimal("1.00000000")}}
	}
	_, err = s.Write(t.Context(), entries)
	if problem.CodeOf(err) != problem.CodeDatabaseUnavailable || !strings.Contains(err.Error(), "full") {
		t.Errorf("on a full disk: %v", err)
	}
	if list, err := s.Series(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after it: %v, %v", list, err)
	}
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Write(t.Context(), entries); err != nil || w.New != len(entries) {
		t.Errorf("when there is room again: %+v, %v", w, err)
	}
}
