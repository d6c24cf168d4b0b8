package cli

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/server"
	"velador/internal/server/servertest"
)

// TestAnExportShowsHowFarItIsWhereAPersonWaitsForAFile: into a file, before a terminal; nowhere else.
func TestAnExportShowsHowFarItIsWhereAPersonWaitsForAFile(t *testing.T) {
	t.Parallel()
	h := httptest.NewServer(server.New(server.Config{Fleet: servertest.NewFleet(time.Now), Candles: servertest.Minutes("ETHUSDT", 0, 5000), Logs: servertest.NewLogs()}).Handler())
	t.Cleanup(h.Close)
	call := []string{"candles", "ETHUSDT", "1m", "--csv", "--server", h.URL, "--env-file", os.DevNull}
	env := []string{"LANG=en_US.UTF-8", "TERM=xterm", "NO_COLOR=1"}
	var plain, said strings.Builder
	if code := Main(call, env, strings.NewReader(""), &plain, &said); code != ExitOK || said.Len() > 0 || strings.Count(plain.String(), "\n") != 5001 {
		t.Fatalf("into a pipe: exit code %d, %d lines, %s", code, strings.Count(plain.String(), "\n"), said.String())
	}
	for _, test := range []struct {
		kind string
		bar  bool
	}{{"TERM=xterm", true}, {"TERM=dumb", false}} {
		keyboard, screen := terminal(t)
		shown := make(chan string, 1)
		go func() {
			text, some := "", make([]byte, 4096)
			for {
				n, err := keyboard.Read(some)
				text += string(some[:n])
				if err != nil {
					shown <- text
					return
				}
			}
		}()
		path := filepath.Join(t.TempDir(), "eth.csv")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if code := Main(call, []string{env[0], test.kind, env[2]}, strings.NewReader(""), file, screen); code != ExitOK {
			t.Errorf("exit code %d", code)
		}
		file.Close()
		screen.Close()
		text := <-shown
		if got, err := os.ReadFile(path); err != nil || string(got) != plain.String() {
			t.Errorf("the file has %d bytes, and a pipe %d (%v)", len(got), plain.Len(), err)
		}
		full := slices.ContainsFunc(painted(text), func(line string) bool {
			return strings.Contains(line, "exporting ETHUSDT 1m") && strings.Contains(line, "5000 candles") || strings.Contains(line, "5.00K candles")
		})
		if full != test.bar {
			t.Errorf("with %s a bar is %v: %q", test.kind, full, text)
		}
	}
}
