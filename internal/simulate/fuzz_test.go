package simulate

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whatever steers the clock and the archive: it is done, or refused with a sentence.
func FuzzControl(f *testing.F) {
	for _, seed := range []struct{ path, body string }{
		{"/control/clock", `{"do":"speed","speed":100}`}, {"/control/clock", `{"do":"step","step":"60s"}`}, {"/control/clock", `{"do":"step","step":"-9223372036854775808ns"}`},
		{"/control/clock", `{"do":"speed","speed":1e308}`}, {"/control/clock", `{"do":"now"} {}`}, {"/control/archive", `{"kind":"checksum","key":"data/*"}`},
		{"/control/archive", `{"kind":"checksum","key":"["}`}, {"/control/clock", `{"x":1}`}, {"/control/clock", ``},
	} {
		f.Add(seed.path, []byte(seed.body))
	}
	s, err := New(Options{Symbols: []string{"ETHUSDT"}, From: at("2026-03-02"), Paused: true})
	if err != nil {
		f.Fatal(err)
	}
	controls := s.controls()
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if path != "/control/archive" {
			path = "/control/clock"
		}
		before := s.Now()
		answer := httptest.NewRecorder()
		controls.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)))
		if answer.Code != http.StatusOK && answer.Code != http.StatusBadRequest || !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%d with %q", answer.Code, answer.Body)
		}
		if now := s.Now(); now < before {
			t.Errorf("the clock went back from %s to %s", before, now)
		}
		s.archive.faults.clear()
	})
}

func FuzzFileName(f *testing.F) {
	for _, name := range []string{"BTCUSDT-1m-2023-03-24.zip", "1INCH_USDT-1m.json.gz", "ETHUSDT/1M/2010-01-01.json.gz", "ETHUSDT/1mo/x.csv", "x-1m-9999-99.zip", "../..", "a\x00-1m-2023-01.csv", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if file, ok := parseFileName(name); ok && (!file.timeframe.Valid() || file.symbol == "" || file.path != name || file.until != 0 && file.until <= file.from) {
			t.Errorf("%q is taken for %+v", name, file)
		}
	})
}

// Whatever a zip holds: it is read, or refused, within its bounds.
func FuzzZip(f *testing.F) {
	for _, content := range []string{csvHeader + msRow + microsRow, "", "x"} {
		var packed bytes.Buffer
		z := zip.NewWriter(&packed)
		file, err := z.Create("BTCUSDT-1m-2023-03-24.csv")
		if err == nil {
			_, err = file.Write([]byte(content))
		}
		if err != nil || z.Close() != nil {
			f.Fatal(err)
		}
		f.Add(packed.Bytes())
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		content, err := openOnlyCSV(bytes.NewReader(packed), int64(len(packed)))
		if err != nil {
			return
		}
		defer content.Close()
		rows := 0
		err = readCSV(&bounded{from: content, left: 1 << 20}, func(recordedRow) error {
			rows++
			return nil
		})
		if err == nil && rows > 1<<20 {
			t.Errorf("%d rows of a mebibyte", rows)
		}
	})
}
