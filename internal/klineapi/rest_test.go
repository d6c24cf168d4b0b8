package klineapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"velador/internal/candle"
)

// SIM-R1
func TestEveryPathOfTheSurfaceAnswersAndNothingElse(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	for path, want := range map[string]string{
		"/api/v3/ping": "{}",
		"/api/v3/time": `{"serverTime":` + number(t0) + `}`,
		"/api/v3/klines?symbol=ETHUSDT&interval=1m&limit=1":   `[[` + number(t0) + `,"3000.91000000",`,
		"/api/v3/uiKlines?symbol=ETHUSDT&interval=1m&limit=1": `[[` + number(t0) + `,"3000.91000000",`,
		"/api/v3/ticker/price?symbol=ETHUSDT":                 `{"symbol":"ETHUSDT","price":"3000.91000000"}`,
		"/api/v3/ticker/24hr?symbol=ETHUSDT":                  `{"symbol":"ETHUSDT","priceChange":`,
		"/api/v3/exchangeInfo":                                `{"timezone":"UTC","serverTime":` + number(t0),
	} {
		r := x.get(path)
		if r.status != http.StatusOK || !strings.HasPrefix(r.body, want) || r.header.Get("Content-Type") != jsonType {
			t.Errorf("GET %s: %d %s %.80s; want 200 %s", path, r.status, r.header.Get("Content-Type"), r.body, want)
		}
	}
	for _, path := range []string{"/api/v1/klines", "/api/v1/ping", "/api/v3/depth", "/api/v3/historicalTrades", "/api/v3/ping/", "/", "/api/v3/order"} {
		if r := x.get(path); r.status != http.StatusNotFound || r.body != "" {
			t.Errorf("GET %s: %d %q, want 404 without a body", path, r.status, r.body)
		}
		if r := x.get(path, "Accept", "text/html"); r.status != http.StatusNotFound || !strings.Contains(r.body, "<html>") {
			t.Errorf("GET %s as a browser: %d %q, want 404 with a page", path, r.status, r.body)
		}
	}
	resp, err := x.server.Client().Post(x.server.URL+"/api/v3/ping", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST /api/v3/ping: %d, want 404", resp.StatusCode)
	}
}

// SIM-R2
func TestEveryBadCallGetsItsCodeAndItsWords(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	const symbolChars = `Illegal characters found in parameter 'symbol'; legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'.`
	for _, c := range []struct {
		path string
		code string
		msg  string
	}{
		{"klines", "-1102", "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."},
		{"klines?symbol=&interval=1m", "-1102", "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."},
		{"klines?symbol=ethusdt&interval=1m", "-1100", symbolChars},
		{"klines?symbol=ETH/USDT&interval=1m", "-1100", symbolChars},
		{"klines?symbol=ETH%20USDT&interval=1m", "-1100", symbolChars},
		{"klines?symbol=" + strings.Repeat("A", 51) + "&interval=1m", "-1100", symbolChars},
		{"klines?symbol=NOSUCH&interval=1m", "-1121", "Invalid symbol."},
		{"klines?symbol=" + url.QueryEscape("币安人生USDT") + "&interval=1m", "-1121", "Invalid symbol."},
		{"klines?symbol=ETHUSDT", "-1102", "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."},
		{"klines?symbol=ETHUSDT&interval=1mo", "-1120", "Invalid interval."},
		{"klines?symbol=ETHUSDT&interval=1H", "-1120", "Invalid interval."},
		{"klines?symbol=ETHUSDT&interval=1m&limit=ten", "-1100", "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."},
		{"klines?symbol=ETHUSDT&interval=1m&limit=-1", "-1100", "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."},
		{"klines?symbol=ETHUSDT&interval=1m&startTime=1.5", "-1100", "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'."},
		{"klines?symbol=ETHUSDT&interval=1m&endTime=" + strings.Repeat("9", 21), "-1100", "Illegal characters found in parameter 'endTime'; legal range is '^[0-9]{1,20}$'."},
		{"klines?symbol=ETHUSDT&interval=1m&endTime=", "-1105", "Parameter 'endTime' was empty."},
		{"klines?symbol=ETHUSDT&interval=1m&foo=1&bar=2", "-1104", "Not all sent parameters were read; read '2' parameter(s) but was sent '4'."},
		{"klines?symbol=ETHUSDT&symbol=ETHUSDT&interval=1m", "-1101", "Duplicate values for a parameter detected."},
		{"klines?symbol=ETHUSDT&interval=1m&limit=%zz", "-1100", "Illegal characters found in a parameter."},
		{"ping?x=1", "-1104", "Not all sent parameters were read; read '0' parameter(s) but was sent '1'."},
		{"time?x=1", "-1104", "Not all sent parameters were read; read '0' parameter(s) but was sent '1'."},
		{"ticker/24hr?symbol=ETHUSDT&type=HUGE", "-1139", "Invalid ticker type."},
		{"ticker/24hr?symbol=ETHUSDT&symbolStatus=BREAK", "-1220", "This symbol's status does not match the requested symbolStatus."},
		{"ticker/24hr?symbolStatus=DANCING", "-1122", "Invalid symbolStatus."},
		{"ticker/price?symbol=ETHUSDT&symbols=[%22BTCUSDT%22]", "-1128", "Combination of optional parameters invalid."},
		{"ticker/price?symbol=NOSUCH", "-1121", "Invalid symbol."},
	} {
		want := `{"code":` + c.code + `,"msg":"` + c.msg + `"}`
		if r := x.get("/api/v3/" + c.path); r.status != http.StatusBadRequest || r.body != want {
			t.Errorf("GET %s: %d %s\nwant 400 %s", c.path, r.status, r.body, want)
		}
	}
	r := x.get("/api/v3/klines?symbol=ETHUSDT&interval=1m", "X-MBX-TIME-UNIT", "NANOSECOND")
	if want := `{"code":-1194,"msg":"Invalid value for time unit; expected either MICROSECOND or MILLISECOND."}`; r.status != 400 || r.body != want {
		t.Errorf("a wrong time unit: %d %s, want %s", r.status, r.body, want)
	}
}

// SIM-R3
func TestRowsAreSelectedByOpenTime(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 30*time.Minute, nil)
	ms := func(d time.Duration) string { return number(t0.Add(d)) }
	const m = time.Minute
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"neither: the newest", "limit=2", at(29*m, 30*m)},
		{"start only: the oldest from there", "limit=2&startTime=" + ms(5*m), at(5*m, 6*m)},
		{"end only: the newest up to there", "limit=2&endTime=" + ms(5*m), at(4*m, 5*m)},
		{"both: as start, cut at the end, which is included", "startTime=" + ms(5*m) + "&endTime=" + ms(7*m), at(5*m, 6*m, 7*m)},
		{"both and a window above the limit: the oldest", "limit=1&startTime=" + ms(5*m) + "&endTime=" + ms(7*m), at(5 * m)},
		{"start equals end", "startTime=" + ms(5*m) + "&endTime=" + ms(5*m), at(5 * m)},
		{"a start inside an interval: the next open", "limit=1&startTime=" + number(t0.Add(5*m)+1), at(6 * m)},
		{"an end one millisecond before an open", "limit=1&endTime=" + number(t0.Add(6*m)-1), at(5 * m)},
		{"values beyond any era are adjusted silently", "limit=1&startTime=0&endTime=99999999999999999999", at(-60 * m)},
	} {
		if got := opens(x.klines("symbol=ETHUSDT&interval=1m&" + c.query)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// The official sample, at another hour: from 09:28 on, the first 1h candle is that of 10:00.
	if got := opens(x.klines("symbol=ETHUSDT&interval=1h&startTime=" + ms(-47*m))); !slices.Equal(got, at(-15*m)) {
		t.Errorf("from 09:28 on 1h gives %v, want 10:00 only", got)
	}
}

// long gives one symbol with 1200 minutes up to t0.
func long() *market {
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0-1200*minute, 1210)
	return m
}

// SIM-R3, SIM-R4
func TestLimitsAreDefaultedClampedOrRejectedAsTheProfileSays(t *testing.T) {
	t.Parallel()
	const notValid = `{"code":-1130,"msg":"Data sent for parameter 'limit' is not valid."}`
	clamp := start(t, long(), 0, func(p *Profile) { p.LimitZero = LimitDefault })
	reject := start(t, long(), 0, func(p *Profile) { p.LimitOver = LimitReject })
	for _, c := range []struct {
		x     *exchange
		limit string
		rows  int // 0: refused
	}{
		{clamp, "", 500}, {clamp, "&limit=1000", 1000}, {clamp, "&limit=1001", 1000}, {clamp, "&limit=99999999999999999999", 1000}, {clamp, "&limit=0", 500},
		{reject, "", 500}, {reject, "&limit=1000", 1000}, {reject, "&limit=1001", 0}, {reject, "&limit=0", 0},
	} {
		if c.rows == 0 {
			if r := c.x.get("/api/v3/klines?symbol=ETHUSDT&interval=1m" + c.limit); r.status != 400 || r.body != notValid {
				t.Errorf("limit %q rejected: %d %s", c.limit, r.status, r.body)
			}
			continue
		}
		rows := opens(c.x.klines("symbol=ETHUSDT&interval=1m" + c.limit))
		if len(rows) != c.rows || rows[len(rows)-1] != number(t0) || !slices.IsSorted(rows) {
			t.Errorf("limit %q: %d rows up to %s, want %d ascending up to the forming candle", c.limit, len(rows), rows[len(rows)-1], c.rows)
		}
	}
}

// SIM-R5
func TestAWindowWithoutRowsIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0-60*minute, 20)
	m.minutes("ETHUSDT", t0-10*minute, 20) // half an hour's halt before it
	x := start(t, m, 0, nil)
	for name, window := range map[string][2]candle.Millis{
		"start after end":    {t0 - minute, t0 - 2*minute},
		"inside a halt":      {t0 - 39*minute, t0 - 12*minute},
		"before the listing": {t0 - day, t0 - 2*hour},
		"in the future":      {t0 + hour, t0 + 2*hour},
	} {
		r := x.get("/api/v3/klines?symbol=ETHUSDT&interval=1m&startTime=" + number(window[0]) + "&endTime=" + number(window[1]))
		if r.status != 200 || r.body != "[]" {
			t.Errorf("%s: %d %s, want 200 []", name, r.status, r.body)
		}
	}
	// SIM-T6: what lies around the halt is served as it is.
	want := at(-42*time.Minute, -41*time.Minute, -10*time.Minute)
	if got := opens(x.klines("symbol=ETHUSDT&interval=1m&limit=3&startTime=" + number(t0-42*minute))); !slices.Equal(got, want) {
		t.Errorf("around a halt: %v, want %v", got, want)
	}
}

// SIM-R6
func TestTimesComeInMillisecondsOrMicroseconds(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 30*time.Minute, nil)
	from, to := t0+5*minute, t0+7*minute
	inMillis := x.klines("symbol=ETHUSDT&interval=1m&startTime=" + number(from) + "&endTime=" + number(to))
	inMicros := x.klines("symbol=ETHUSDT&interval=1m&startTime=" + number(from*1000) + "&endTime=" + number(to*1000+999))
	if len(inMillis) != 3 || !cmp.Equal(inMillis, inMicros) {
		t.Errorf("in ms %v\nin µs %v", inMillis, inMicros)
	}
	if rows := x.klines("symbol=ETHUSDT&interval=1m&startTime=" + number(from/1000) + "&endTime=" + number(to/1000)); len(rows) != 0 {
		t.Errorf("in seconds: %v, want none", rows)
	}
	if rows := opens(x.klines("symbol=ETHUSDT&interval=1m&limit=1&startTime=" + number(from*1000+1))); !slices.Equal(rows, []string{number(from + minute)}) {
		t.Errorf("one µs after an open: %v, want the next one", rows)
	}
	for _, unit := range []string{"MICROSECOND", "microsecond"} {
		row := x.klines("symbol=ETHUSDT&interval=1m&limit=1&startTime="+number(from), "X-MBX-TIME-UNIT", unit)[0]
		if row[0] != json.Number(number(from*1000)) || row[6] != json.Number(number((from+minute)*1000-1)) {
			t.Errorf("%s: open %v, close %v", unit, row[0], row[6])
		}
		if !strings.HasSuffix(row[6].(json.Number).String(), "999999") {
			t.Errorf("%s: the close time %v does not end in 999999", unit, row[6])
		}
		if r := x.get("/api/v3/time", "X-MBX-TIME-UNIT", unit); r.body != `{"serverTime":`+number(x.clock.Now())+`000}` {
			t.Errorf("%s: time is %s", unit, r.body)
		}
	}
}

// SIM-T5, SIM-T7
func TestRowsCarryTheSourcesTextUnchanged(t *testing.T) {
	t.Parallel()
	m := busy()
	recorded := Row{FirstTrade: 5, LastTrade: 7, Candle: candle.Candle{OpenTime: 1518170294789, CloseTime: 1518170290000, // closes before it opens
		Open: candle.MustDecimal("8155.13000000"), High: candle.MustDecimal("8200.00000001"), Low: candle.MustDecimal("8000.10"), Close: candle.MustDecimal("8100.00000000"),
		Volume: candle.MustDecimal("12.5"), QuoteVolume: candle.MustDecimal("101254.00000000"), Trades: 3,
		TakerBuyVolume: candle.MustDecimal("0.00000000"), TakerBuyQuoteVolume: candle.MustDecimal("0.10000000")}}
	m.recorded[candle.Series{Symbol: "ETHUSDT", Timeframe: candle.Minute15}] = []Row{recorded}
	x := start(t, m, 0, nil)
	r := x.get("/api/v3/klines?symbol=ETHUSDT&interval=15m&startTime=1518170294789&endTime=1518170294789")
	const want = `[[1518170294789,"8155.13000000","8200.00000001","8000.10","8100.00000000","12.5",1518170290000,"101254.00000000",3,"0.00000000","0.10000000","0"]]`
	if r.body != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
}

// SIM-R7
func TestTheNewestRowIsTheFormingCandle(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 20*time.Second, nil)
	before := x.klines("symbol=ETHUSDT&interval=1m&limit=1")[0]
	x.clock.Advance(2 * time.Second)
	after := x.klines("symbol=ETHUSDT&interval=1m&limit=1")[0]
	if before[0] != json.Number(number(t0)) || after[0] != before[0] {
		t.Fatalf("open times %v and %v, want %s twice", before[0], after[0], number(t0))
	}
	if before[5] == after[5] && before[8] == after[8] {
		t.Errorf("two seconds later neither volume nor trades have changed: %v", after)
	}
	if end, _ := after[6].(json.Number).Int64(); candle.Millis(end) < x.clock.Now() {
		t.Errorf("the forming candle closes at %d, which is past", end)
	}
}

// SIM-R8
func TestRestShowsAClosedCandleAsItWasWhileTheLagLasts(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), time.Minute+time.Second, func(p *Profile) { p.RestLag = Duration(3 * time.Second) })
	query := "symbol=ETHUSDT&interval=1m&limit=1&startTime=" + number(t0)
	early := x.klines(query)[0]
	x.clock.Advance(3 * time.Second)
	late := x.klines(query)[0]
	final := busy().all("ETHUSDT", candle.Minute1, 0, t0+hour)[60]
	if early[8] == late[8] || early[5] == late[5] {
		t.Errorf("1 s after the close the row is final already: %v", early)
	}
	if late[5] != final.Volume.String() || late[4] != final.Close.String() {
		t.Errorf("4 s after the close the row is %v, want %v", late, final)
	}
}

// SIM-R9
func TestATimeZoneShiftsWhereDaysOpen(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0-30*hour, 31*60)
	x := start(t, m, 0, nil)
	for _, c := range []struct {
		zone string
		open candle.Millis // within the UTC day
	}{{"0", 0}, {"8", 16 * hour}, {"%2B8", 16 * hour}, {"-1:00", hour}, {"05:45", 18*hour + 15*minute}, {"-12:00", 12 * hour}, {"14:00", 10 * hour}} {
		rows := x.klines("symbol=ETHUSDT&interval=1d&limit=1&timeZone=" + c.zone)
		if open, _ := rows[0][0].(json.Number).Int64(); candle.Millis(open)%day != c.open {
			t.Errorf("timeZone=%s: 1d opens at %s", c.zone, candle.Millis(open))
		}
	}
	for _, zone := range []string{"15", "14:01", "-12:01", "-13", "8:60", "8:", "x", "1:2", "+", "--1"} {
		r := x.get("/api/v3/klines?symbol=ETHUSDT&interval=1d&timeZone=" + url.QueryEscape(zone))
		if want := `{"code":-1130,"msg":"Data sent for parameter 'timeZone' is not valid."}`; r.status != 400 || r.body != want {
			t.Errorf("timeZone=%s: %d %s", zone, r.status, r.body)
		}
	}
}

// SIM-R10
func TestExchangeInfoIsFilteredAndItsCombinationsChecked(t *testing.T) {
	t.Parallel()
	m := busy()
	m.setStatus("BTCUSDT", "FOO")
	x := start(t, m, 0, nil)
	names := func(query string) string {
		r := x.get("/api/v3/exchangeInfo" + query)
		var info struct {
			Symbols []struct{ Symbol, Status string }
		}
		if err := json.Unmarshal([]byte(r.body), &info); err != nil || r.status != 200 {
			t.Errorf("exchangeInfo%s: %d %v: %s", query, r.status, err, r.body)
		}
		var list []string
		for _, s := range info.Symbols {
			list = append(list, s.Symbol+":"+s.Status)
		}
		return strings.Join(list, " ")
	}
	for query, want := range map[string]string{
		"":                                       "ETHUSDT:TRADING BTCUSDT:FOO", // an unknown status is served as it is
		"?symbol=BTCUSDT":                        "BTCUSDT:FOO",
		"?symbols=[%22BTCUSDT%22,%22ETHUSDT%22]": "BTCUSDT:FOO ETHUSDT:TRADING",
		"?symbolStatus=TRADING":                  "ETHUSDT:TRADING",
		"?permissions=SPOT":                      "ETHUSDT:TRADING BTCUSDT:FOO",
		"?permissions=[%22MARGIN%22,%22SPOT%22]": "ETHUSDT:TRADING BTCUSDT:FOO",
		"?permissions=MARGIN":                    "",
	} {
		if got := names(query); got != want {
			t.Errorf("exchangeInfo%s: %s, want %s", query, got, want)
		}
	}
	if r := x.get("/api/v3/exchangeInfo?showPermissionSets=false"); strings.Contains(r.body, "permissionSets") {
		t.Errorf("permission sets were not wanted: %s", r.body)
	}
	for query, code := range map[string]string{
		"?symbols=[%22BTCUSDT%22,%20%22ETHUSDT%22]":  "-1100",
		"?symbols=[%22btcusdt%22]":                   "-1100",
		"?symbols=BTCUSDT":                           "-1100",
		"?symbols=[%22BTCUSDT%22,%22BTCUSDT%22]":     "-1151",
		"?symbols=[%22BTCUSDT%22,%22NOSUCH%22]":      "-1121",
		"?symbol=NOSUCH":                             "-1121",
		"?symbol=ETHUSDT&symbols=[%22BTCUSDT%22]":    "-1128",
		"?symbol=ETHUSDT&permissions=SPOT":           "-1128",
		"?symbols=[%22BTCUSDT%22]&symbolStatus=HALT": "-1128",
		"?symbolStatus=DANCING":                      "-1122",
		"?permissions=DANCING":                       "-1130",
		"?showPermissionSets=maybe":                  "-1130",
		"?foo=1":                                     "-1104",
	} {
		if r := x.get("/api/v3/exchangeInfo" + query); r.status != 400 || !strings.HasPrefix(r.body, `{"code":`+code+`,`) {
			t.Errorf("exchangeInfo%s: %d %s, want 400 %s", query, r.status, r.body, code)
		}
	}
}

// SIM-R11
func TestAMarketThatDoesNotTradeKeepsItsHistory(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"BREAK", "HALT", "END_OF_DAY", "CANCEL_ONLY"} {
		m := busy()
		m.setStatus("ETHUSDT", status)
		x := start(t, m, 0, nil)
		if rows := x.klines("symbol=ETHUSDT&interval=1m&endTime=" + number(t0-minute)); len(rows) != 60 {
			t.Errorf("%s: %d rows, want 60", status, len(rows))
		}
	}
}

// EXCHANGES.md 2.7
func TestTickersRollOver24Hours(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0-26*hour, 27*60)
	x := start(t, m, 20*time.Second, nil)
	check := func() {
		t.Helper()
		now := x.clock.Now()
		want := newSpan()
		for _, r := range m.all("ETHUSDT", candle.Minute1, 0, now) {
			if r.OpenTime >= now-day {
				want.add(&r)
			}
		}
		var got map[string]any
		r := x.get("/api/v3/ticker/24hr?symbol=ETHUSDT")
		dec := json.NewDecoder(strings.NewReader(r.body))
		dec.UseNumber()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("%v: %s", err, r.body)
		}
		for key, value := range map[string]string{"openPrice": want.open.String(), "highPrice": want.high.String(), "lowPrice": want.low.String(),
			"lastPrice": want.close.String(), "volume": want.volume.String(), "quoteVolume": want.quote.String()} {
			if got[key] != value {
				t.Errorf("at %s %s is %v, want %s", now, key, got[key], value)
			}
		}
		for key, value := range map[string]int64{"openTime": int64(now - day), "closeTime": int64(now), "firstId": want.firstTrade, "lastId": want.lastTrade, "count": want.trades} {
			if got[key] != json.Number(number(candle.Millis(value))) {
				t.Errorf("at %s %s is %v, want %d", now, key, got[key], value)
			}
		}
	}
	check()
	x.clock.Advance(7 * time.Minute)
	check()
	x.clock.Advance(39 * time.Minute) // over the hour
	check()
	if r := x.get("/api/v3/ticker/24hr?symbols=[%22ETHUSDT%22]&type=MINI"); !strings.HasPrefix(r.body, `[{"symbol":"ETHUSDT","openPrice":`) || strings.Contains(r.body, "bidPrice") {
		t.Errorf("MINI: %s", r.body)
	}
}
