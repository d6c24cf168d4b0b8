package binance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"velador/internal/candle"
	"velador/internal/exchange/exchangetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSymbol  = "ETHUSDT"
	testUnknown = "NOSUCHUSDT"
	testStart   = candle.Millis(1795428900000)
)

// venue is a small double of Binance with one series of 1m candles and a clock that stands still.
type venue struct {
	t      *testing.T
	server *httptest.Server
	peers  sync.WaitGroup

	mu        sync.Mutex
	now       candle.Millis
	closed    []candle.Candle
	requests  []string // path and query of each REST request
	weight    int
	banned    time.Duration
	fault     http.HandlerFunc // answers instead, when set
	subscribe func(p *peer, id int, names []string)
	streams   map[*peer]bool
	messages  []time.Time // when each SUBSCRIBE came
	silent    bool
	over      bool // no more streams: the test ends
}

// peer is one stream connection as the venue sees it.
type peer struct {
	ws    *websocket.Conn
	names map[string]bool
}

func newVenue(t *testing.T) *venue {
	v := &venue{t: t, streams: make(map[*peer]bool)}
	for i := range 2300 {
		if i >= 700 && i < 780 {
			continue // a hole
		}
		v.closed = append(v.closed, testCandle(i))
	}
	v.now = testCandle(2300).OpenTime.Add(30 * time.Second)
	v.subscribe = v.acknowledge
	return v
}

// start serves it, over TLS or not.
func (v *venue) start(tls bool) *venue {
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", v.stream)
	mux.HandleFunc("/", v.rest)
	v.server = httptest.NewUnstartedServer(mux)
	if tls {
		v.server.StartTLS()
	} else {
		v.server.Start()
	}
	v.t.Cleanup(func() {
		v.locked(func() { v.over = true })
		v.cut()
		v.server.Close()
		v.peers.Wait()
	})
	return v
}

// adapter makes an adapter that is connected to the venue; set changes its configuration.
func (v *venue) adapter(set func(*Config)) *Exchange {
	config := Config{RESTURL: v.server.URL, WSURL: "ws" + strings.TrimPrefix(v.server.URL, "http")}
	if set != nil {
		set(&config)
	}
	e := New(config)
	v.t.Cleanup(e.CloseIdle)
	return e
}

func (v *venue) locked(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

func (v *venue) forming() candle.Candle {
	return testCandle(int((v.now - testStart) / candle.Millis(time.Minute.Milliseconds())))
}

func testCandle(i int) candle.Candle {
	price := func(cents int) candle.Decimal { return candle.MustDecimal(fmt.Sprintf("%d.%08d", 3000+i, cents)) }
	at := testStart.Add(time.Duration(i) * time.Minute)
	return candle.Candle{
		OpenTime: at, CloseTime: at.Add(time.Minute) - 1, Open: price(10), High: price(30), Low: price(0), Close: price(20),
		Volume: candle.MustDecimal("42.50000000"), QuoteVolume: candle.MustDecimal("127959.00000000"), Trades: int64(i),
		TakerBuyVolume: candle.MustDecimal("20.25000000"), TakerBuyQuoteVolume: candle.MustDecimal("60970.72500000"),
	}
}

func row(c candle.Candle) string {
	return fmt.Sprintf(`[%d,"%s","%s","%s","%s","%s",%d,"%s",%d,"%s","%s","0"]`, c.OpenTime, c.Open, c.High, c.Low, c.Close, c.Volume, c.CloseTime, c.QuoteVolume, c.Trades, c.TakerBuyVolume, c.TakerBuyQuoteVolume)
}

func klineFrame(symbol string, c candle.Candle, closed bool, at candle.Millis) string {
	return fmt.Sprintf(`{"stream":"%s@kline_1m","data":{"e":"kline","E":%d,"s":"%s","k":{"t":%d,"T":%d,"s":"%s","i":"1m","f":-1,"L":-1,"o":"%s","c":"%s","h":"%s","l":"%s","v":"%s","n":%d,"x":%t,"q":"%s","V":"%s","Q":"%s","B":"0"}}}`,
		strings.ToLower(symbol), at, symbol, c.OpenTime, c.CloseTime, symbol, c.Open, c.Close, c.High, c.Low, c.Volume, c.Trades, closed, c.QuoteVolume, c.TakerBuyVolume, c.TakerBuyQuoteVolume)
}

const testMarkets = `[{"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH","quoteAsset":"USDT","filters":[{"filterType":"LOT_SIZE","minQty":"0.1"}],"permissionSets":[["SPOT"]]},
 {"symbol":"OLDUSDT","status":"BREAK","baseAsset":"OLD","quoteAsset":"USDT"},{"symbol":"币安人生USDT","status":"TRADING","baseAsset":"币安人生","quoteAsset":"USDT"}]`

func (v *venue) rest(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests = append(v.requests, r.URL.RequestURI())
	v.weight++
	w.Header().Set("X-Mbx-Used-Weight-1m", strconv.Itoa(v.weight))
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if v.banned > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(v.banned.Seconds())))
		refuse(w, http.StatusTooManyRequests, -1003, "Too many requests queued.")
		return
	}
	if v.fault != nil {
		v.fault(w, r)
		return
	}
	q := r.URL.Query()
	switch symbol := q.Get("symbol"); {
	case r.URL.Path == "/api/v3/time":
		fmt.Fprintf(w, `{"serverTime":%d}`, v.now)
	case symbol != "" && symbol != testSymbol:
		refuse(w, http.StatusBadRequest, -1121, "Invalid symbol.")
	case r.URL.Path == "/api/v3/exchangeInfo":
		markets := testMarkets
		if symbol != "" {
			markets, _, _ = strings.Cut(markets, ",\n")
			markets += "]"
		}
		fmt.Fprintf(w, `{"timezone":"UTC","serverTime":%d,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000}],"exchangeFilters":[],"symbols":%s,"sors":[{"a":[1]}]}`, v.now, markets)
	case r.URL.Path == "/api/v3/klines":
		v.klines(w, q.Get("startTime"), q.Get("endTime"), q.Get("limit"))
	default:
		http.NotFound(w, r)
	}
}

func (v *venue) klines(w http.ResponseWriter, startTime, endTime, limit string) {
	from, err1 := strconv.ParseInt(startTime, 10, 64)
	to, err2 := strconv.ParseInt(endTime, 10, 64)
	most, err3 := strconv.Atoi(limit)
	if err1 != nil || err2 != nil || err3 != nil || from < 0 || to >= 100_000_000_000_000 {
		refuse(w, http.StatusBadRequest, -1100, "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'.")
		return
	}
	var rows []string
	for _, c := range append(slices.Clone(v.closed), v.forming()) {
		if int64(c.OpenTime) >= from && int64(c.OpenTime) <= to && len(rows) < most {
			rows = append(rows, row(c))
		}
	}
	fmt.Fprintf(w, "[%s]", strings.Join(rows, ","))
}

func refuse(w http.ResponseWriter, status, code int, msg string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%d,"msg":%q}`, code, msg)
}

func (v *venue) stream(w http.ResponseWriter, r *http.Request) {
	var fault http.HandlerFunc
	v.locked(func() { fault = v.fault })
	if fault != nil {
		fault(w, r)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	p := &peer{ws: ws, names: make(map[string]bool)}
	over := false
	v.locked(func() {
		if over = v.over; !over {
			v.peers.Add(1)
			v.streams[p] = true
		}
	})
	if over { // the server does not wait for connections that were taken from it
		return
	}
	defer v.peers.Done()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	v.peers.Add(1)
	go v.ping(ctx, p)
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			v.locked(func() { delete(v.streams, p) })
			return
		}
		var request struct {
			Method string
			Params []string
			ID     int
		}
		if err := json.Unmarshal(data, &request); err != nil || request.Method != "SUBSCRIBE" {
			v.t.Errorf("the client sent %s", data)
			return
		}
		v.locked(func() {
			v.messages = append(v.messages, time.Now())
			v.subscribe(p, request.ID, request.Params)
		})
	}
}

// ping sends pings, and with them waits for the pongs that carry their payload.
func (v *venue) ping(ctx context.Context, p *peer) {
	defer v.peers.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		silent := false
		v.locked(func() { silent = v.silent })
		if !silent && p.ws.Ping(ctx) != nil {
			return
		}
	}
}

// acknowledge answers a SUBSCRIBE; the lock is held.
func (v *venue) acknowledge(p *peer, id int, names []string) {
	for _, name := range names {
		p.names[name] = true
	}
	v.send(p, fmt.Sprintf(`{"result":null,"id":%d}`, id))
}

// send writes to a peer; the lock is held.
func (v *venue) send(p *peer, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.ws.Write(ctx, websocket.MessageText, []byte(text)) // a peer that has gone hears nothing
}

// say sends a text to every connection.
func (v *venue) say(texts ...string) {
	v.locked(func() {
		for p := range v.streams {
			for _, text := range texts {
				v.send(p, text)
			}
		}
	})
}

// closeNext closes the forming candle and tells those who have subscribed it.
func (v *venue) closeNext() candle.Candle {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.forming()
	begun := c
	begun.Trades, begun.Close = 0, begun.Open
	for p := range v.streams {
		if p.names["ethusdt@kline_1m"] {
			v.send(p, klineFrame(testSymbol, begun, false, v.now))
			v.send(p, klineFrame("BTCUSDT", c, true, v.now)) // not subscribed
			v.send(p, `{"stream":"ethusdt@trade","data":{"e":"trade","E":1,"s":"ETHUSDT","k":7}}`)
			v.send(p, klineFrame(testSymbol, c, true, c.CloseTime+13))
		}
	}
	v.closed = append(v.closed, c)
	v.now = c.CloseTime + 13
	return c
}

func (v *venue) cut() {
	v.locked(func() {
		for p := range v.streams {
			_ = p.ws.CloseNow() // it may have gone already
		}
	})
}

func (v *venue) asked() (paths []string) {
	v.locked(func() { paths = slices.Clone(v.requests) })
	return paths
}

func conformance(t *testing.T, tls bool) {
	exchangetest.Run(t, func(t *testing.T) exchangetest.Venue {
		v := newVenue(t).start(tls)
		e := v.adapter(func(c *Config) {
			c.Silence = 3 * time.Second // a machine that is busy is not silent
			if tls {
				pool := v.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
				c.HTTPClient = NewHTTPClient(pool)
			}
		})
		return exchangetest.Venue{
			Exchange: e, Symbol: testSymbol, Unknown: testUnknown, Timeframe: candle.Minute1,
			Closed: slices.Clone(v.closed), Forming: v.forming().OpenTime, PageRows: 1000,
			CloseNext: v.closeNext,
			Ban:       func(d time.Duration) { v.locked(func() { v.banned = d }) },
			Requests:  func() int { return len(v.asked()) },
			AnnounceShutdown: func() {
				v.say(`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1795428900000}}`)
			},
			GoSilent: func() { v.locked(func() { v.silent = true }) },
			Cut:      v.cut,
		}
	})
}

func TestBinanceKeepsTheContract(t *testing.T) { conformance(t, false) }

func TestBinanceKeepsTheContractOverTLS(t *testing.T) { conformance(t, true) }
