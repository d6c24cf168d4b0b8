package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// liveCandle is what the stream and the call say of one candle, digit for digit.
type liveCandle = map[string]any

// watched is a stream of candles as a client has it.
type watched struct {
	mu     sync.Mutex
	closed map[int64]liveCandle
	faults []string
	newest int64 // as browsers keep it: the last id
	forms  int
	ended  chan struct{}
}

// watch follows a series until the test ends or hangUp is called. last is the id of a stream before.
func watch(t *testing.T, server *program, query, last string) (w *watched, hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.url+"/api/candles/stream?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("the stream is %s", resp.Status)
	}
	w = &watched{closed: make(map[int64]liveCandle), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		defer resp.Body.Close()
		w.read(bufio.NewScanner(resp.Body))
	}()
	hangUp = func() {
		cancel()
		<-w.ended
	}
	t.Cleanup(hangUp)
	return w, hangUp
}

func (w *watched) read(lines *bufio.Scanner) {
	var id, name string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			w.take(id, name, value)
			id, name = "", ""
		}
	}
}

func (w *watched) take(id, name, data string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var c liveCandle
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		w.faults = append(w.faults, fmt.Sprintf("%s %s: %v", name, data, err))
		return
	}
	number, _ := c["openTime"].(float64)
	open := int64(number)
	switch name {
	case "forming":
		if w.forms++; open <= w.newest {
			w.faults = append(w.faults, fmt.Sprintf("candle %d is forming after %d was closed", open, w.newest))
		}
	case "closed":
		if _, twice := w.closed[open]; twice {
			w.faults = append(w.faults, fmt.Sprintf("candle %d came twice", open))
		}
		w.closed[open] = c
		if id != "" {
			if id != strconv.FormatInt(open, 10) || open <= w.newest {
				w.faults = append(w.faults, fmt.Sprintf("candle %d has the id %s, after %d", open, id, w.newest))
			}
			w.newest = open
		}
	default:
		w.faults = append(w.faults, name+" "+data)
	}
}

// seen gives how many closed candles came, and the newest one's id.
func (w *watched) seen() (n int, newest int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.closed), w.newest
}

// all gives what came, oldest first.
func (w *watched) all() []liveCandle {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedCandles(w.closed)
}

func sortedCandles(byOpen map[int64]liveCandle) (all []liveCandle) {
	for _, c := range byOpen {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b liveCandle) int { return cmp.Compare(a["openTime"].(float64), b["openTime"].(float64)) })
	return all
}

// TestTheStreamsClosedCandlesAreThoseOfTheCall: each of them once, also those that a restarted collector
// brings, and without a seam where a client comes back.
func TestTheStreamsClosedCandlesAreThoseOfTheCall(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, env []string) {
		s := newSite(t, env, "--from", "2026-03-02T10:00:00Z")
		server := s.serve(nil)
		const since = "2026-03-02T09:00:00Z"
		const query = "symbol=ETHUSDT&timeframe=1m"
		whole, _ := watch(t, server, query+"&after=2026-03-02T08:59:59Z", "") // from before the first candle on
		start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT","since":"`+since+`"}`)
		passing, leave := watch(t, server, query+"&after=0", "")
		more := func(w *watched, n int) {
			t.Helper()
			before, _ := w.seen()
			eventually(t, fmt.Sprintf("%d more candles have come than %d", n, before), 90*time.Second, func() bool {
				now, _ := w.seen()
				return now >= before+n
			})
		}
		more(whole, 70)
		eventually(t, "the second one has come as far", 40*time.Second, func() bool { n, _ := passing.seen(); return n >= 70 })
		leave()
		_, last := passing.seen()
		status, _, text := call(t, "POST", server.url+"/api/collectors/restart", `{"id":1}`)
		if status != 200 || object(t, text)["id"] != 1.0 {
			t.Fatalf("the restart: %d %s", status, text)
		}
		s.attended(server, 1)
		more(whole, 10)
		back, _ := watch(t, server, query, strconv.FormatInt(last, 10))
		more(back, 3)
		more(whole, 3)
		s.whole(server, "ETHUSDT", 80) // no hole is left
		_, until := whole.seen()
		eventually(t, "who came back has come as far", 40*time.Second, func() bool {
			_, newest := back.seen()
			return newest >= until
		})
		_, _, text = call(t, "GET", server.url+"/api/candles?"+query+"&limit=10000&to="+strconv.FormatInt(until, 10), "")
		var stored struct{ Candles []liveCandle }
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		if got := upTo(whole.all(), until); !sameCandles(got, stored.Candles) {
			t.Errorf("%d candles came, and the call has %d; the first of them that differ:\n%s", len(got), len(stored.Candles), differing(got, stored.Candles))
		}
		both := upTo(passing.all(), last)
		both = append(both, upTo(back.all(), until)...)
		if !sameCandles(both, stored.Candles) {
			t.Errorf("before and after the break %d candles came, and the call has %d; the first of them that differ:\n%s", len(both), len(stored.Candles), differing(both, stored.Candles))
		}
		for name, w := range map[string]*watched{"the whole": whole, "the one that left": passing, "the one that came back": back} {
			w.mu.Lock()
			if len(w.faults) > 0 {
				t.Errorf("%s: %v", name, w.faults)
			}
			if name == "the whole" && w.forms == 0 {
				t.Error("no candle was shown while it formed")
			}
			w.mu.Unlock()
		}
		lives := object(t, second(call(t, "GET", server.url+"/api/collectors/1/history", "")))["lives"].([]any)
		if len(lives) != 1 || lives[0].(map[string]any)["reason"] != "restarted on request" {
			t.Errorf("its lives are %v", lives)
		}
		if status, _, text := call(t, "POST", server.url+"/api/collectors/stop-all", ""); status != 200 {
			t.Errorf("%d %s", status, text)
		}
		server.stop()
		for _, w := range []*watched{whole, back} {
			<-w.ended // with the server
		}
	})
}

func second(_ int, _ http.Header, text []byte) []byte { return text }

func upTo(all []liveCandle, until int64) []liveCandle {
	return slices.DeleteFunc(all, func(c liveCandle) bool { return int64(c["openTime"].(float64)) > until })
}

func sameCandles(a, b []liveCandle) bool { return differing(a, b) == "" }

// differing gives the first pair that differs; "" when there is none.
func differing(a, b []liveCandle) string {
	for i := range max(len(a), len(b)) {
		var pair [2][]byte
		for k, side := range [][]liveCandle{a, b} {
			if i < len(side) {
				pair[k], _ = json.Marshal(side[i])
			}
		}
		if !bytes.Equal(pair[0], pair[1]) {
			return fmt.Sprintf("%s\n%s", pair[0], pair[1])
		}
	}
	return ""
}
