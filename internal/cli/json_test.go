package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// TestEveryCommandWithJSONHasItsMembersDocumented runs each and compares what it prints with docs/CLI.md.
func TestEveryCommandWithJSONHasItsMembersDocumented(t *testing.T) {
	t.Parallel()
	page, root := commandsPage(t)
	documented := make(map[string]string)
	for _, row := range rows(section(t, page, "JSON")) {
		documented[strings.TrimPrefix(quoted(row[0])[0], "velador ")] = row[1]
	}
	var has []string
	each(root, func(name string, cmd *cobra.Command) {
		if cmd.Flags().Lookup("json") != nil {
			has = append(has, name)
		}
	})
	slices.Sort(has)
	if names := slices.Sorted(maps.Keys(documented)); !slices.Equal(names, has) {
		t.Errorf("documented are %q, and --json is a flag of %q", names, has)
	}

	fleet := servertest.NewFleet(time.Now, "ETHUSDT", "BTCUSDT", "XRPUSDT")
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}); err != nil {
			t.Fatal(err)
		}
	}
	fleet.Ended(1, collector.Exit{At: time.Now(), Known: true, Code: 1, Reason: "x"}, time.Time{})
	logs := servertest.NewLogs()
	logs.Write(1, "hello")
	h := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 3), Logs: logs, Exchanges: []string{"binance"}}).Handler())
	t.Cleanup(h.Close)
	verified, _ := verifyServer(t)
	migrated := t.TempDir()
	if _, said, code := run(t, "db", "migrate", "--data-dir", migrated); code != ExitOK {
		t.Fatal(said)
	}
	for _, test := range []struct {
		name, server string
		args         []string
	}{
		{"status", h.URL, nil}, {"history", h.URL, []string{"1"}}, {"logs", h.URL, []string{"--id", "1"}}, {"candles", h.URL, []string{"ETHUSDT", "1m"}},
		{"coverage", h.URL, []string{"ETHUSDT", "1m"}}, {"verify", verified, []string{"ETHUSDT", "1m"}}, {"start", h.URL, []string{"XRPUSDT", "1m"}},
		{"restart", h.URL, []string{"--id", "1"}}, {"stop", h.URL, []string{"--id", "1"}}, {"health", h.URL, nil},
		{"doctor", h.URL, []string{"--data-dir", t.TempDir(), "--binance-rest-url", nobody}},
		{"db status", "", []string{"--data-dir", t.TempDir()}}, {"db migrate", "", []string{"--data-dir", t.TempDir(), "--log-level", "warn"}}, {"db push", "", []string{"--data-dir", t.TempDir(), "--log-level", "warn"}},
		{"db ping", "", []string{"--data-dir", t.TempDir()}}, {"db cleanup", "", []string{"--data-dir", migrated}},
	} {
		has = slices.DeleteFunc(has, func(name string) bool { return name == test.name })
		args := append(strings.Fields(test.name), append(test.args, "--json")...)
		if test.server != "" {
			args = append(args, "--server", test.server)
		}
		out, said, _ := run(t, args...)
		decoder := json.NewDecoder(strings.NewReader(out))
		var members map[string]any
		if err := decoder.Decode(&members); err != nil || decoder.More() || said != "" || !strings.HasSuffix(out, "}\n") {
			t.Errorf("velador %s --json prints %s%s (%v)", test.name, out, said, err)
			continue
		}
		cell := documented[test.name]
		of, _, _ := strings.Cut(cell, "; with `-") // which is another answer
		of, inside, nested := strings.Cut(of, ": of each")
		known := quoted(of)
		for member := range members {
			if !slices.Contains(known, member) && !strings.HasSuffix(of, "and more") {
				t.Errorf("velador %s --json has a member %s, which docs/CLI.md does not name", test.name, member)
			}
		}
		for _, member := range known {
			if _, ok := members[member]; !ok {
				t.Errorf("velador %s --json has no member %s", test.name, member)
			}
		}
		if !nested {
			continue
		}
		list, ok := members[known[len(known)-1]].([]any)
		if !ok || len(list) == 0 {
			t.Errorf("velador %s --json lists nothing: %s", test.name, out)
			continue
		}
		inside, optional, _ := strings.Cut(inside, " and, where known,")
		one := list[0].(map[string]any)
		for _, member := range quoted(inside) {
			if _, ok := one[member]; !ok && !slices.Contains([]string{isWell, isPoor, isBroken}, member) {
				t.Errorf("velador %s --json: one of the list has no member %s: %v", test.name, member, one)
			}
		}
		for member := range one {
			if !strings.Contains(inside+optional, "`"+member+"`") && !strings.HasSuffix(cell, "and more") {
				t.Errorf("velador %s --json: one of the list has a member %s, which docs/CLI.md does not name", test.name, member)
			}
		}
	}
	if len(has) > 0 {
		t.Errorf("%q are not looked at", has)
	}
}

// follow runs a command until it has printed so many lines, and gives these.
func follow(t *testing.T, p *program, read io.Reader, lines int, args ...string) (printed []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := p.root()
	root.SetArgs(append(args, "--env-file", os.DevNull))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	scan := bufio.NewScanner(read)
	for len(printed) < lines && scan.Scan() {
		printed = append(printed, scan.Text())
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, read) }()                     // what it still says
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) { // in the midst of a question
		t.Errorf("%q ends with %v", args, err)
	}
	return printed
}

func TestWhatGoesOnIsAnObjectALine(t *testing.T) {
	t.Parallel()
	fleet := servertest.NewFleet(time.Now, "ETHUSDT")
	if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1}); err != nil {
		t.Fatal(err)
	}
	logs := servertest.NewLogs()
	logs.Write(1, `a "quoted" word`)
	logs.Write(1, "<and> another")
	h := httptest.NewServer(server.New(server.Config{Fleet: fleet, Candles: &servertest.Candles{}, Logs: logs}).Handler())
	t.Cleanup(h.Close)
	read, write := io.Pipe()
	defer write.Close()
	got := follow(t, &program{stdout: write, stderr: io.Discard}, read, 2, "logs", "--id", "1", "-f", "--json", "--server", h.URL)
	if want := []string{`{"id":1,"line":"a \"quoted\" word"}`, `{"id":1,"line":"<and> another"}`}; !slices.Equal(got, want) {
		t.Errorf("logs --follow --json prints %q", got)
	}
	read, write = io.Pipe()
	defer write.Close()
	watchAsJSON(t, h.URL, write, read)
}

// watchAsJSON holds what "status --watch --json" prints.
func watchAsJSON(t *testing.T, address string, to io.Writer, from io.Reader) {
	t.Helper()
	for _, line := range follow(t, &program{stdout: to, stderr: io.Discard}, from, 3, "status", "--watch", "--every", "100ms", "--json", "--server", address) {
		var answer api.CollectorsAnswer
		if err := json.Unmarshal([]byte(line), &answer); err != nil || len(answer.Collectors) != 1 {
			t.Errorf("status --watch --json prints %q (%v)", line, err)
		}
	}
}
