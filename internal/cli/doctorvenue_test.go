package cli

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"velador/internal/exchange"
)

func TestDoctorHoldsTheClockAgainstTheExchanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		off          time.Duration
		state, words string
	}{
		{0, isWell, "of binance"},
		{-time.Hour, isBroken, " ahead of binance | let the system keep the time: timedatectl set-ntp true"},
		{time.Hour, isBroken, " behind binance"},
	} {
		d, _ := diagnose(t, t.TempDir(), "VELADOR_BINANCE_REST_URL="+exchangeAt(t, time.Now().Add(test.off)))
		d.wants(t, "clock", test.state, test.words)
		d.wants(t, "binance", isWell, "answers in ")
	}
	for _, test := range []struct {
		ahead, margin time.Duration
		state, says   string
	}{
		{0, 0, isWell, "within 1ms of binance"},
		{-3 * time.Millisecond, 8 * time.Millisecond, isWell, "within 8ms of binance"},
		{clockPoor + 200*time.Millisecond, 200 * time.Millisecond, isWell, "within 1.2s of binance"},
		{clockPoor + 201*time.Millisecond, 200 * time.Millisecond, isPoor, "1.2s ahead of binance"},
		{-5 * time.Second, 0, isPoor, "5s behind binance"},
		{clockBroken + 1, 0, isBroken, "30s ahead of binance"},
		{-80 * time.Minute, 0, isBroken, "1h20m0s behind binance"},
	} {
		if f := clockFinding(test.ahead, test.margin, "binance"); f.State != test.state || f.Says != test.says || (f.Do == "") != (f.State == isWell) {
			t.Errorf("%s ahead, known to within %s: %+v", test.ahead, test.margin, f)
		}
	}
}

func TestDoctorSaysWhyAnExchangeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer refusing.Close()
	another := httptest.NewServer(http.NotFoundHandler())
	defer another.Close()
	for _, test := range []struct{ name, url, words string }{
		{"nobody", nobody, "look at the internet connection and the firewall; VELADOR_BINANCE_REST_URL names another address"},
		{"a ban", refusing.URL, "wait; asking earlier makes it longer"},
		{"somebody else", another.URL, "VELADOR_BINANCE_REST_URL"},
		{"no address", "ftp://127.0.0.1", "an address that begins with http:// or https:// is expected | correct that setting"},
	} {
		d, code := diagnose(t, t.TempDir(), "VELADOR_BINANCE_REST_URL="+test.url)
		if code != ExitFailure {
			t.Errorf("%s: exit code %d", test.name, code)
		}
		d.wants(t, "binance", isBroken, test.words)
	}
}

func TestDoctorAsksNoExchangeThatRefusesUs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	budgets := filepath.Join(dir, budgetsName)
	if err := os.MkdirAll(budgets, 0o700); err != nil {
		t.Fatal(err)
	}
	broker := exchange.NewBroker(exchange.BrokerConfig{Exchange: "binance", File: budgetFile(budgets, "binance"), Logger: slog.New(slog.DiscardHandler)})
	broker.Ban(exchange.BanError{Exchange: "binance", Status: 418, Until: time.Now().Add(time.Hour)})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := broker.Run(ended); err != nil { // it writes down what it knows
		t.Fatal(err)
	}
	before, err := os.ReadFile(budgetFile(budgets, "binance"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 16)
	h := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer h.Close()
	d, code := diagnose(t, dir, "VELADOR_BINANCE_REST_URL="+h.URL)
	if code != ExitFailure || len(asked) > 0 {
		t.Errorf("exit code %d, and %d questions", code, len(asked))
	}
	d.wants(t, "binance", isBroken, "as a collector was told | wait")
	if after, err := os.ReadFile(budgetFile(budgets, "binance")); err != nil || string(after) != string(before) {
		t.Errorf("what is known of the exchange becomes %s, and was %s (%v)", after, before, err)
	}
}
