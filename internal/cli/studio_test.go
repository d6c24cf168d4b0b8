package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

func nowIs() time.Time { return lookedAt }

// studio runs the command until the test ends, and gives its address.
func studio(t *testing.T, args ...string) (url string, ended <-chan error) {
	t.Helper()
	reading, writing := io.Pipe()
	p := &program{stdin: strings.NewReader(""), stdout: writing, stderr: t.Output()}
	root := p.root()
	root.SetArgs(append([]string{"db", "studio", "--env-file", "/dev/null", "--port", "0"}, args...))
	root.SetErr(t.Output())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		_ = writing.CloseWithError(io.EOF)
		done <- err
	}()
	t.Cleanup(cancel)
	line, _ := bufio.NewReader(reading).ReadString('\n')
	_, url, _ = strings.Cut(strings.TrimSpace(line), " is shown on ")
	end := make(chan error, 1)
	go func() { end <- <-done }()
	if url != "" {
		t.Cleanup(func() {
			cancel()
			if err := <-end; err != nil {
				t.Errorf("the studio ended with %v", err)
			}
		})
	}
	return url, end
}

func TestTheStudioShowsADatabaseWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, sqliteFile)})
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	series := candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}
	if err == nil {
		_, err = db.Write(t.Context(), []store.Entry{{Series: series, Candle: candle.Candle{OpenTime: 60_000, CloseTime: 119_999, Open: candle.MustDecimal("1.50")}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a server that runs beside it
	url, _ := studio(t, "--data-dir", dir)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		resp, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("it is shown on %q", url)
	}
	if status, body := get("/"); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("the page is %d %.200s", status, body)
	}
	var page api.DataAnswer
	status, body := get("/api/data/candles?symbol=ETHUSDT&timeframe=1m")
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 || len(page.Rows) != 1 || fmt.Sprint(page.Rows[0][1]) != "1.50" {
		t.Errorf("the candles are %d %s", status, body)
	}
	if status, body := get("/api/system"); status != 404 {
		t.Errorf("it answers as a server does: %d %s", status, body)
	}
}

func TestTheStudioMakesNoDatabase(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	if url, ended := studio(t, "--data-dir", empty); url != "" {
		t.Errorf("nothing is shown on %s", url)
	} else if err := <-ended; exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("it ended with %v", err)
	}
	if made, _ := filepath.Glob(filepath.Join(empty, "*")); len(made) > 0 {
		t.Errorf("it made %v", made)
	}
	old := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(old, sqliteFile)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrations(t.Context()); err != nil { // the file is there, the schema is not
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if url, ended := studio(t, "--data-dir", old); url != "" {
		t.Errorf("an old schema is shown on %s", url)
	} else if err := <-ended; exitCode(err) != ExitUsage || !strings.Contains(err.Error(), "velador db migrate") {
		t.Errorf("it ended with %v", err)
	}
}
