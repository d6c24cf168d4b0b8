package klineapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"velador/internal/candle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; only a failing test takes that long.
const patience = 20 * time.Second

// t0 is the start of the tests' market: 2026-11-23 10:15 UTC, a whole quarter of an hour.
const t0 candle.Millis = 1795428900000

// stepClock moves when it is told to.
type stepClock struct {
	mu    sync.Mutex
	now   candle.Millis
	moved chan struct{} // closed and replaced when the clock moves
	// asleep holds how many wait for each instant; entered is closed and replaced when one more does.
	asleep  map[candle.Millis]int
	entered chan struct{}
}

func newStepClock(now candle.Millis) *stepClock {
	return &stepClock{now: now, moved: make(chan struct{}), asleep: make(map[candle.Millis]int), entered: make(chan struct{})}
}

func (c *stepClock) Now() candle.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *stepClock) Sleep(ctx context.Context, t candle.Millis) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep[t]++
	close(c.entered)
	c.entered = make(chan struct{})
	defer func() { c.asleep[t]-- }()
	for c.now < t {
		moved := c.moved
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-moved:
		}
		c.mu.Lock()
		if ctx.Err() != nil {
			break
		}
	}
	return ctx.Err()
}

// untilAsleep waits until someone sleeps until the given instant.
func (c *stepClock) untilAsleep(t *testing.T, until candle.Millis) {
	t.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		n, entered := c.asleep[until], c.entered
		c.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-entered:
		case <-timeout:
			t.Fatalf("nobody sleeps until %s", until)
		}
	}
}

// bar is a minute of the test market: prices in steps of 0.01, volume in steps of 1e-8.
type bar struct {
	open       candle.Millis
	o, h, l, c int64
	volume     int64
	trades     int64
	first      int64 // id of the first trade
	last       int64
}

// market is a deterministic source over explicit minutes. Inside a minute trades come evenly, and
// prices go from open to close.
type market struct {
	mu      sync.Mutex
	symbols []Market
	bars    map[string][]bar
	// recorded are rows of a series as a recording has them, served unchanged (SIM-T7).
	recorded map[candle.Series][]Row
}

func newMarket() *market {
	return &market{bars: make(map[string][]bar), recorded: make(map[candle.Series][]Row)}
}

func (m *market) list(symbol, base, quote string) {
	m.symbols = append(m.symbols, Market{Symbol: symbol, Base: base, Quote: quote, Status: "TRADING",
		TickSize: candle.MustDecimal("0.01000000"), StepSize: candle.MustDecimal("0.00010000")})
}

// minutes appends n minutes with trades from an instant on; each has other numbers.
func (m *market) minutes(symbol string, from candle.Millis, n int) {
	for i := range int64(n) {
		open := from + candle.Millis(i)*minute
		k := int64(open/minute) % 97
		m.bars[symbol] = append(m.bars[symbol], bar{open: open, o: 300_000 + k, h: 300_300 + 2*k, l: 299_000 - k, c: 300_100 + k,
			volume: 4_250_000_000 + k*1000, trades: 120 + k, first: int64(open/minute) * 1000, last: int64(open/minute)*1000 + 119 + k})
	}
}

// quiet appends n minutes without trades, flat at the last close.
func (m *market) quiet(symbol string, n int) {
	for range n {
		last := m.bars[symbol][len(m.bars[symbol])-1]
		m.bars[symbol] = append(m.bars[symbol], bar{open: last.open + minute, o: last.c, h: last.c, l: last.c, c: last.c})
	}
}

func (m *market) setStatus(symbol, status string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.symbols = slices.Clone(m.symbols)
	for i := range m.symbols {
		if m.symbols[i].Symbol == symbol {
			m.symbols[i].Status = status
		}
	}
}

func (m *market) Markets(candle.Millis) []Market {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.symbols
}

// at gives the bar as it is at now.
func (b bar) at(now candle.Millis) bar {
	if now >= b.open+minute || b.trades == 0 {
		return b
	}
	k := int64(now-b.open) * b.trades / int64(minute)
	part := func(from, to int64) int64 { return from + (to-from)*k/b.trades }
	return bar{open: b.open, o: b.o, c: part(b.o, b.c), h: max(b.o, part(b.o, b.h)), l: min(b.o, part(b.o, b.l)),
		volume: b.volume * k / b.trades, trades: k, first: b.first, last: b.first + k - 1}
}

// group gives the open time of the interval that holds t.
func group(tf candle.Timeframe, zone Zone, t candle.Millis) candle.Millis {
	shift := candle.Millis(zone.Milliseconds())
	switch tf {
	case candle.Month1:
		local := (t + shift).Time()
		return candle.MillisOf(time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, time.UTC)) - shift
	case candle.Week1:
		shift += 3 * day
	}
	step := candle.Millis(tf.Step().Milliseconds())
	return (t+shift)/step*step - shift
}

func groupEnd(tf candle.Timeframe, open candle.Millis) candle.Millis {
	if tf == candle.Month1 {
		return candle.Month1.Next(open) - 1
	}
	return open.Add(tf.Step()) - 1
}

// all gives the rows of a series as they are at now.
func (m *market) all(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis) []Row {
	return m.since(symbol, tf, zone, 0, now)
}

// since gives the rows of a series that open at or after from, which opens an interval.
func (m *market) since(symbol string, tf candle.Timeframe, zone Zone, from, now candle.Millis) []Row {
	if rows, recorded := m.recorded[candle.Series{Symbol: symbol, Timeframe: tf}]; recorded {
		n := 0
		for n < len(rows) && rows[n].OpenTime <= now {
			n++
		}
		return rows[:n]
	}
	var rows []Row
	var sum bar
	flush := func() {
		if sum.open != 0 {
			rows = append(rows, sum.row(groupEnd(tf, sum.open)))
		}
	}
	bars := m.bars[symbol]
	first, _ := slices.BinarySearchFunc(bars, from, func(b bar, t candle.Millis) int { return cmp.Compare(b.open, t) })
	for _, b := range bars[first:] {
		if b.open > now {
			break
		}
		b = b.at(now)
		open := group(tf, zone, b.open)
		if open != sum.open {
			flush()
			sum = b
			sum.open = open
			continue
		}
		sum.h, sum.l, sum.c = max(sum.h, b.h), min(sum.l, b.l), b.c
		if sum.trades == 0 {
			sum.first = b.first
		}
		if b.trades > 0 {
			sum.last = b.last
		}
		sum.volume += b.volume
		sum.trades += b.trades
	}
	flush()
	return rows
}

func (b bar) row(end candle.Millis) Row {
	price := func(n int64) candle.Decimal {
		return candle.MustDecimal(fmt.Sprintf("%d.%02d000000", n/100, n%100))
	}
	volume := func(n int64) candle.Decimal {
		return candle.MustDecimal(fmt.Sprintf("%d.%08d", n/fractionUnit, n%fractionUnit))
	}
	r := Row{FirstTrade: -1, LastTrade: -1, Candle: candle.Candle{OpenTime: b.open, CloseTime: end,
		Open: price(b.o), High: price(b.h), Low: price(b.l), Close: price(b.c),
		Volume: volume(b.volume), QuoteVolume: volume(b.volume * 3), Trades: b.trades,
		TakerBuyVolume: volume(b.volume / 2), TakerBuyQuoteVolume: volume(b.volume / 3)}}
	if b.trades > 0 {
		r.FirstTrade, r.LastTrade = b.first, b.last
	}
	return r
}

func (m *market) Rows(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis, span candle.Range, limit int, newest bool) []Row {
	rows := m.all(symbol, tf, zone, now)
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return !span.Contains(r.OpenTime) })
	if len(rows) > limit && newest {
		return rows[len(rows)-limit:]
	}
	return rows[:min(limit, len(rows))]
}

func (m *market) At(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis) (Row, bool) {
	rows := m.since(symbol, tf, zone, group(tf, zone, now), now)
	if len(rows) == 0 || rows[len(rows)-1].CloseTime < now {
		return Row{}, false
	}
	return rows[len(rows)-1], true
}

func (m *market) Closing(symbol string, tf candle.Timeframe, zone Zone, after, now candle.Millis) []Row {
	rows := m.since(symbol, tf, zone, group(tf, zone, after-1), now)
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.CloseTime+1 <= after || r.CloseTime+1 > now })
}

// exchange is a running surface over a market, behind a real TCP server.
type exchange struct {
	t      *testing.T
	api    *API
	clock  *stepClock
	market *market
	server *httptest.Server
	stop   func() // ends Run and waits for it
}

// busy gives ETHUSDT and BTCUSDT with two hours of minutes around t0.
func busy() *market {
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.list("BTCUSDT", "BTC", "USDT")
	m.minutes("ETHUSDT", t0-hour, 240)
	m.minutes("BTCUSDT", t0-hour, 240)
	return m
}

// start runs the surface at t0 plus some time; change may alter the profile.
func start(t *testing.T, m *market, at time.Duration, change func(*Profile)) *exchange {
	t.Helper()
	p := DefaultProfile()
	p.HubPace = 0
	if change != nil {
		change(&p)
	}
	x := &exchange{t: t, clock: newStepClock(t0.Add(at)), market: m}
	x.api = New(Config{Source: m, Clock: x.clock, Logger: slog.New(slog.DiscardHandler), Profile: p})
	x.server = httptest.NewServer(x.api.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = x.api.Run(ctx) // it has only the context's error to give
	}()
	x.stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(func() {
		x.stop()
		x.server.CloseClientConnections()
		x.server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return x
}

// reply is a REST answer.
type reply struct {
	status int
	header http.Header
	body   string
}

func (x *exchange) get(path string, header ...string) reply {
	x.t.Helper()
	r, err := x.try(path, header...)
	if err != nil {
		x.t.Fatalf("GET %s: %v", path, err)
	}
	return r
}

func (x *exchange) try(path string, header ...string) (reply, error) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.server.URL+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := x.server.Client().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// klines gets and decodes rows.
func (x *exchange) klines(query string, header ...string) [][]any {
	x.t.Helper()
	r := x.get("/api/v3/klines?"+query, header...)
	if r.status != http.StatusOK {
		x.t.Fatalf("klines?%s: status %d: %s", query, r.status, r.body)
	}
	var rows [][]any
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.UseNumber()
	if err := dec.Decode(&rows); err != nil {
		x.t.Fatalf("klines?%s: %v in %s", query, err, r.body)
	}
	return rows
}

// opens gives the open times of rows.
func opens(rows [][]any) []string {
	times := make([]string, len(rows))
	for i, row := range rows {
		times[i] = row[0].(json.Number).String()
	}
	return times
}

// at gives instants after t0 as klines write them.
func at(offsets ...time.Duration) []string {
	times := make([]string, len(offsets))
	for i, d := range offsets {
		times[i] = number(t0.Add(d))
	}
	return times
}

// client is the other side of a stream.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

func (x *exchange) dial(path string) *client {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, x.server.URL+path, nil)
	if err != nil {
		x.t.Fatalf("dial %s: %v", path, err)
	}
	ws.SetReadLimit(1 << 20)
	x.t.Cleanup(func() { ws.CloseNow() })
	return &client{x.t, ws}
}

// refused dials where the handshake is to fail, and gives the HTTP answer.
func (x *exchange) refused(path string) *http.Response {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, x.server.URL+path, nil)
	if err == nil {
		ws.CloseNow()
		x.t.Fatalf("dial %s: a handshake that should be refused succeeded", path)
	}
	if resp == nil {
		x.t.Fatalf("dial %s: %v", path, err)
	}
	return resp
}

func (c *client) write(message string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		c.t.Fatalf("write %s: %v", message, err)
	}
}

func (c *client) next() ([]byte, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	return data, err
}

// read gives the next message.
func (c *client) read() string {
	c.t.Helper()
	data, err := c.next()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(data)
}

// ask sends a request and expects an answer next.
func (c *client) ask(request, want string) {
	c.t.Helper()
	c.write(request)
	if got := c.read(); got != want {
		c.t.Fatalf("%s\nwas answered %s\n        want %s", request, got, want)
	}
}

// closed reads until the connection ends and gives the server's close code and reason.
func (c *client) closed() (websocket.StatusCode, string) {
	c.t.Helper()
	for {
		if _, err := c.next(); err != nil {
			var closing websocket.CloseError
			if asCloseError(err, &closing) {
				return closing.Code, closing.Reason
			}
			return -1, err.Error()
		}
	}
}

// kline is a decoded frame; keys are case-sensitive as in the payload.
type kline struct {
	stream string // of a combined frame
	event  string
	at     candle.Millis
	k      map[string]any
}

func (k kline) final() bool { return k.k["x"] == true }
func (k kline) open() candle.Millis {
	n, _ := k.k["t"].(json.Number).Int64()
	return candle.Millis(n)
}

// decode reads a frame without a struct: encoding/json would mix up keys that differ in case only.
func decode(t *testing.T, frame string) kline {
	t.Helper()
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader([]byte(frame)))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		t.Fatalf("frame %s: %v", frame, err)
	}
	var out kline
	if data, combined := fields["data"].(map[string]any); combined {
		out.stream, _ = fields["stream"].(string)
		fields = data
	}
	out.event, _ = fields["e"].(string)
	out.k, _ = fields["k"].(map[string]any)
	if n, isNumber := fields["E"].(json.Number); isNumber {
		ms, err := n.Int64()
		if err != nil {
			t.Fatalf("frame %s: %v", frame, err)
		}
		out.at = candle.Millis(ms)
	}
	return out
}

func (c *client) kline() kline {
	c.t.Helper()
	return decode(c.t, c.read())
}

// untilFinal reads frames up to and including the next closing frame.
func (c *client) untilFinal() []kline {
	c.t.Helper()
	var frames []kline
	for {
		k := c.kline()
		frames = append(frames, k)
		if k.final() {
			return frames
		}
	}
}

func asCloseError(err error, target *websocket.CloseError) bool { return errors.As(err, target) }

// untilServed waits until the hub has pushed all that is due at the instant the clock shows.
func (x *exchange) untilServed() {
	x.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		h := x.api.hub
		h.mu.Lock()
		served := len(h.queue) == 0 || h.queue[0].due > x.clock.Now()
		h.mu.Unlock()
		if served {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatal("the hub does not serve what is due")
		}
		runtime.Gosched()
	}
}
