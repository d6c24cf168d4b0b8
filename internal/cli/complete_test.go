package cli

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/exchange"
	"velador/internal/server"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// completed is what a shell is offered for a command line, and the directive behind it.
func completed(t *testing.T, env []string, line ...string) (offered []string, directive string) {
	t.Helper()
	var out, said strings.Builder
	if code := Main(append([]string{"__complete"}, line...), append([]string{"LANG=en_US.UTF-8"}, env...), strings.NewReader(""), &out, &said); code != ExitOK {
		t.Errorf("%q: exit code %d: %s", line, code, said.String())
	}
	// What stands on the standard error is kept from the command line by the script of each shell; a
	// sentence of ours would not belong there either.
	if strings.Contains(said.String(), "velador:") {
		t.Errorf("%q: it says %s", line, said.String())
	}
	offered = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	return offered[:len(offered)-1], offered[len(offered)-1]
}

func TestTheShellIsOfferedWhatTheServerHas(t *testing.T) {
	t.Parallel()
	fleet := servertest.NewFleet(time.Now, "ETHUSDT", "ETHBTC", "BTCUSDT")
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}); err != nil {
			t.Fatal(err)
		}
	}
	fleet.Ended(2, collector.Exit{At: time.Now(), Known: true, Code: 1}, time.Now().Add(time.Hour))
	market := exchange.NewSymbols(map[string]exchange.Catalogue{"binance": catalogue{"ETHUSDT", "ETHBTC", "BTCUSDT"}}, time.Hour, time.Now)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "velador.db")})
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var entries []store.Entry
	for _, series := range []candle.Series{{Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Hour1}, {Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Minute1}, {Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}} {
		entries = append(entries, store.Entry{Series: series, Candle: servertest.Minutes("ETHUSDT", 0, 1).Stored[0]})
	}
	if _, err := db.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server.New(server.Config{
		Fleet: fleet, Candles: db, Browser: db, Logs: servertest.NewLogs(), Symbols: market, Exchanges: []string{"binance"},
	}).Handler())
	t.Cleanup(h.Close)
	const (
		plain   = ":4"  // no names of files
		ordered = ":36" // and in this order
		more    = ":6"  // and no blank behind
	)
	for _, test := range []struct {
		line      []string
		offered   []string
		directive string
	}{
		{[]string{"start", "ETH"}, []string{"ETHBTC", "ETHUSDT"}, more},
		{[]string{"start", "eth"}, []string{"ETHBTC", "ETHUSDT"}, more},
		{[]string{"start", "BTCUSDT,ETHU"}, []string{"BTCUSDT,ETHUSDT"}, more},
		{[]string{"start", "DOGE"}, nil, more},
		{[]string{"start", "ETHUSDT", ""}, timeframes(), ordered},
		{[]string{"start", "ETHUSDT", "1m", ""}, nil, plain},
		{[]string{"start", "--exchange", ""}, []string{"binance"}, plain},
		{[]string{"stop", ""}, []string{"12345\tETHUSDT 1m, starting"}, plain}, // the other one has no process
		{[]string{"restart", ""}, []string{"12345\tETHUSDT 1m, starting"}, plain},
		{[]string{"logs", ""}, []string{"12345\tETHUSDT 1m, starting"}, plain},
		{[]string{"stop", "12345", ""}, nil, plain},
		{[]string{"stop", "--id", ""}, []string{"1\tETHUSDT 1m, starting", "2\tBTCUSDT 1m, backoff"}, plain},
		{[]string{"history", ""}, []string{"1\tETHUSDT 1m, starting", "2\tBTCUSDT 1m, backoff"}, plain},
		{[]string{"candles", "BT"}, []string{"BTCUSDT\t1m 1h"}, plain},
		{[]string{"coverage", ""}, []string{"BTCUSDT\t1m 1h", "ETHUSDT\t1m"}, plain},
		{[]string{"verify", "BTCUSDT", ""}, []string{"1m", "1h"}, ordered},
		{[]string{"verify", "DOGEUSDT", ""}, timeframes(), ordered},
		{[]string{"collect", "ETHUSDT", ""}, timeframes(), ordered},
	} {
		offered, directive := completed(t, []string{"VELADOR_SERVER=" + h.URL}, test.line...)
		if !slices.Equal(offered, test.offered) || directive != test.directive {
			t.Errorf("%q offers %q (%s), not %q (%s)", test.line, offered, directive, test.offered, test.directive)
		}
	}
}

// catalogue is an exchange that has these symbols.
type catalogue []string

func (c catalogue) Markets(context.Context) (markets []exchange.Market, err error) {
	for _, symbol := range c {
		markets = append(markets, exchange.Market{Symbol: symbol, Trading: true})
	}
	return markets, nil
}

// TestWithoutAServerNothingIsPrintedIntoTheLine: neither where nobody listens, nor where somebody never
// answers, nor where the settings make no sense.
func TestWithoutAServerNothingIsPrintedIntoTheLine(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	file := t.TempDir() + "/.env"
	if err := os.WriteFile(file, []byte("this is\nno file of settings \x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{nobody, "http://" + silent.Addr().String(), "no address", "ftp://x"} {
		for _, line := range [][]string{{"start", "ETH"}, {"stop", ""}, {"stop", "--id", ""}, {"candles", "BT"}, {"verify", ""}, {"history", ""}} {
			begun := time.Now()
			offered, _ := completed(t, []string{"VELADOR_SERVER=" + server}, line...)
			if len(offered) > 0 {
				t.Errorf("%s offers %q for %q", server, offered, line)
			}
			if took := time.Since(begun); took > 20*time.Second { // within completeTimeout, on a machine that is idle
				t.Errorf("%s keeps %q waiting for %s", server, line, took)
			}
		}
	}
	if offered, _ := completed(t, nil, "stop", "--env-file", file, ""); len(offered) > 0 {
		t.Errorf("with settings that cannot be read it offers %q", offered)
	}
	// Timeframes need no server.
	if offered, _ := completed(t, []string{"VELADOR_SERVER=" + nobody}, "candles", "ETHUSDT", ""); !slices.Equal(offered, timeframes()) {
		t.Errorf("behind a symbol it offers %q", offered)
	}
}

func TestEveryShellGetsItsScript(t *testing.T) {
	t.Parallel()
	for shell, words := range map[string]string{"bash": "complete -o default -F __start_velador velador", "zsh": "#compdef velador", "fish": "complete -c velador", "powershell": "Register-ArgumentCompleter"} {
		if out, said, code := run(t, "completion", shell); code != ExitOK || said != "" || !strings.Contains(out, words) {
			t.Errorf("%s: exit code %d, %s, and %d bytes", shell, code, said, len(out))
		}
	}
	if _, said, code := run(t, "completion", "csh"); code != ExitUsage || !strings.Contains(said, `"csh" is no command of velador completion`) {
		t.Errorf("of a shell that nobody knows: exit code %d: %s", code, said)
	}
}
