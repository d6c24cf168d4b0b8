package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// limited starts a simulated exchange that counts requests and bans by the wall clock, as exchanges do.
func limited(t *testing.T, weight int) (*program, []string) {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(profile, fmt.Appendf(nil, `{"wall_control":true,"weight_limit":%d}`, weight), 0o600); err != nil {
		t.Fatal(err)
	}
	return simulator(t, "--profile", profile)
}

// spending is what an exchange has counted.
type spending struct{ requests, weight, refused, banned float64 }

func spentOf(t *testing.T, exchange *program) spending {
	t.Helper()
	_, _, text := call(t, "GET", exchange.url+"/control/counters", "")
	o := object(t, text)
	c := spending{weight: o["weight_used"].(float64), refused: o["status_429"].(float64), banned: o["status_418"].(float64)}
	for _, n := range o["requests"].(map[string]any) {
		c.requests += n.(float64)
	}
	return c
}

// symbolsOf lists so many of an exchange's symbols.
func symbolsOf(t *testing.T, exchange *program, n int) []string {
	t.Helper()
	_, _, text := call(t, "GET", exchange.url+"/control/", "")
	var symbols []string
	for _, symbol := range object(t, text)["symbols"].([]any) {
		if len(symbols) < n {
			symbols = append(symbols, symbol.(string))
		}
	}
	if len(symbols) < n {
		t.Fatalf("the exchange has %d symbols", len(symbols))
	}
	return symbols
}

// TestManyCollectorsKeepAnExchangesLimitTogether has twenty collectors fill their series, for which one
// window of the exchange is too small, and kills the server while they do: the limit is never
// exceeded, and all of them finish.
func TestManyCollectorsKeepAnExchangesLimitTogether(t *testing.T) {
	t.Parallel()
	exchange, urls := limited(t, 500)
	s := newSiteOn(t, exchange, urls)
	server := s.serve(nil)
	symbols := symbolsOf(t, exchange, 20)
	for _, symbol := range symbols {
		start(t, server, fmt.Sprintf(`{"timeframe":"1m","symbol":%q,"since":"50h"}`, symbol))
	}
	eventually(t, "the collectors ask", 60*time.Second, func() bool { return spentOf(t, exchange).weight > 150 })
	s.kill(server)
	eventually(t, "they go on alone, or have no more to ask", 90*time.Second, func() bool {
		now := spentOf(t, exchange).weight
		time.Sleep(time.Second)
		return spentOf(t, exchange).weight == now
	})
	server = s.serve(nil)
	for _, symbol := range symbols {
		eventually(t, symbol+" is whole", 4*time.Minute, func() bool {
			_, _, text := call(t, "GET", server.url+"/api/coverage?timeframe=1m&symbol="+symbol, "")
			c := object(t, text)
			return c["expected"].(float64) >= 3000 && c["present"] == c["expected"]
		})
	}
	if c := spentOf(t, exchange); c.refused > 0 || c.banned > 0 || c.weight <= 500 {
		t.Errorf("%+v", c)
	}
	server.stop()
}

// TestBanHoldsThroughTheDeathOfAll bans one collector while the others are at work, and kills all of
// them and the server: nobody asks before the ban is over, and then they go on.
func TestBanHoldsThroughTheDeathOfAll(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("a ban of a minute and a half; the race detector sees nothing of it")
	}
	const length = 20 * time.Second
	exchange, urls := limited(t, 6000)
	s := newSiteOn(t, exchange, urls)
	server := s.serve(nil)
	symbols := symbolsOf(t, exchange, 6)
	for _, symbol := range symbols[:5] {
		start(t, server, fmt.Sprintf(`{"timeframe":"1m","symbol":%q,"since":"2h"}`, symbol))
	}
	for _, symbol := range symbols[:5] {
		eventually(t, symbol+" is whole", 60*time.Second, func() bool {
			_, _, text := call(t, "GET", server.url+"/api/coverage?timeframe=1m&symbol="+symbol, "")
			c := object(t, text)
			return c["expected"].(float64) >= 120 && c["present"] == c["expected"]
		})
	}
	if status, _, text := call(t, "POST", exchange.url+"/control/faults", fmt.Sprintf(`{"kind":"rest-418","count":1,"retry_after":%q}`, length)); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	// Its process runs, and its first question is answered with the ban.
	if status, _, text := call(t, "POST", server.url+"/api/collectors/start", fmt.Sprintf(`{"timeframe":"1m","symbol":%q,"since":"2h"}`, symbols[5])); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	eventually(t, "one is banned", 30*time.Second, func() bool { return spentOf(t, exchange).banned > 0 })
	ends := time.Now().Add(length - time.Second) // at the latest it began when it was first seen
	banned := spentOf(t, exchange)
	if banned.banned > 2 {
		t.Errorf("%v were told of the ban by the exchange; others were only under way", banned.banned)
	}
	s.kill(server)
	for pid := range s.processes() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // it is ours, and was listed a moment ago
			t.Error(err)
		}
	}
	server = s.serve(nil)
	s.agrees(server, 6)
	for time.Now().Before(ends.Add(-2 * time.Second)) {
		if last := spentOf(t, exchange); last.requests > banned.requests+1 || last.banned > banned.banned+1 {
			t.Fatalf("somebody asks during the ban: %+v, then %+v", banned, last)
		}
		time.Sleep(200 * time.Millisecond) // between two looks at another process
	}
	for _, symbol := range symbols {
		eventually(t, symbol+" goes on after the ban", 90*time.Second, func() bool {
			_, _, text := call(t, "GET", server.url+"/api/coverage?timeframe=1m&symbol="+symbol, "")
			c := object(t, text)
			return c["expected"].(float64) >= 120 && c["present"] == c["expected"]
		})
	}
	if c := spentOf(t, exchange); c.banned > banned.banned+1 || c.refused > 0 || c.requests <= banned.requests {
		t.Errorf("%+v, then %+v", banned, c)
	}
	server.stop()
}
