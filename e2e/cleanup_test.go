package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"velador/internal/store/sqlite"
)

// TestRowsOfLongAgoAreRemovedByTheServerAndTheirCandlesStay lets a collector have stopped eight days ago,
// and another one six.
func TestRowsOfLongAgoAreRemovedByTheServerAndTheirCandlesStay(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.serve(nil)
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		start(t, server, `{"timeframe":"1m","symbol":"`+symbol+`"}`)
		s.whole(server, symbol, 2)
	}
	if status, _, text := call(t, "POST", server.url+"/api/collectors/stop-all", ""); status != 200 {
		t.Fatalf("stop: %d %s", status, text)
	}
	present, _, _ := collected(t, server, "ETHUSDT")
	server.stop()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(s.dir, "velador.db")})
	if err != nil {
		t.Fatal(err)
	}
	for id, days := range map[int64]int{1: 8, 2: 6} {
		row, err := db.CollectorByID(t.Context(), id)
		if err == nil {
			row.StoppedAt = time.Now().Add(-time.Duration(days) * 24 * time.Hour)
			err = db.UpdateCollector(t.Context(), row)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	server = s.serve(nil)
	eventually(t, "the old row is gone", 20*time.Second, func() bool {
		status, _, _ := call(t, "GET", server.url+"/api/collectors/1", "")
		return status == 404
	})
	if status, _, text := call(t, "GET", server.url+"/api/collectors/2", ""); status != 200 {
		t.Errorf("the younger row: %d %s", status, text)
	}
	if now, _, _ := collected(t, server, "ETHUSDT"); now != present || now == 0 {
		t.Errorf("%v candles became %v", present, now)
	}
}
