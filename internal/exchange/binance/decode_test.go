package binance

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

func decode(t *testing.T, text string) (frame, error) {
	t.Helper()
	var f frame
	err := newDecoder(candle.Minute1, []string{"ETHUSDT"}).frame([]byte(text), &f)
	return f, err
}

func TestFrameBecomesItsCandleDigitForDigit(t *testing.T) {
	t.Parallel()
	f, err := decode(t, benchFrame)
	if err != nil {
		t.Fatal(err)
	}
	const want = "1795428900000,3010.10000000,3012.00000000,3009.50000000,3011.25000000,42.50000000,1795428959999,127959.00000000,120,20.25000000,60970.72500000"
	if got := string(f.Event.Kline.candle().AppendCSV(nil)); got != want {
		t.Errorf("came %s, want %s", got, want)
	}
	if f.Event.Type != eventKline || f.Event.At != 1795428960012 || f.Event.Symbol != "ETHUSDT" || !f.Event.Kline.Closed || f.Event.Kline.Timeframe != candle.Minute1 {
		t.Errorf("%+v", f.Event)
	}
	var reference frame
	if err := json.Unmarshal([]byte(benchFrame), &reference); err != nil || reference != f {
		t.Errorf("encoding/json reads %+v (%v), the decoder %+v", reference, err, f)
	}
}

func TestFrameCostsOneAllocation(t *testing.T) {
	data, d := []byte(benchFrame), newDecoder(candle.Minute1, []string{"ETHUSDT"})
	var f frame
	if n := testing.AllocsPerRun(100, func() {
		if err := d.frame(data, &f); err != nil {
			t.Fatal(err)
		}
	}); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

func TestFrameIsReadInAnyOrderAndSpelling(t *testing.T) {
	t.Parallel()
	want, err := decode(t, benchFrame)
	if err != nil {
		t.Fatal(err)
	}
	var wrapped struct{ Data map[string]jsontext.Value }
	if err := jsonv2.Unmarshal([]byte(benchFrame), &wrapped, jsonv2.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	k := string(wrapped.Data["k"])
	for name, text := range map[string]string{
		"raw":               strings.TrimSuffix(strings.TrimPrefix(benchFrame, `{"stream":"ethusdt@kline_1m","data":`), "}"),
		"candle first":      `{"data":{"k":` + k + `,"s":"ETHUSDT","E":1795428960012,"e":"kline"},"stream":"ethusdt@kline_1m"}`,
		"blanks":            strings.ReplaceAll(strings.ReplaceAll(benchFrame, `,"`, " ,\n\t\""), `":`, "\" : "),
		"microseconds":      strings.NewReplacer("1795428960012", "1795428960012345", "1795428900000", "1795428900000000", "1795428959999", "1795428959999999").Replace(benchFrame),
		"unknown members":   strings.Replace(benchFrame, `"k":{`, `"z":[{"t":1}],"kk":null,"k":{"y":{"o":[1.5e3]},"tt":"x",`, 1),
		"escaped names":     strings.Replace(benchFrame, `"e":`, `"\u0065":`, 1),
		"escaped symbol":    strings.ReplaceAll(benchFrame, `"ETHUSDT"`, `"\u0045THUSDT"`),
		"unknown beside it": strings.Replace(benchFrame, `"data":`, `"x":{"a":"\\"},"data":`, 1),
	} {
		if got, err := decode(t, text); err != nil || got != want {
			t.Errorf("%s: %v\n%+v\nwant %+v", name, err, got.Event, want.Event)
		}
	}
}

func TestFrameThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	change := func(old, new string) string {
		if !strings.Contains(benchFrame, old) {
			t.Fatalf("the sample lacks %s", old)
		}
		return strings.Replace(benchFrame, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"text":                  "hello",
		"array":                 "[]",
		"cut short":             benchFrame[:len(benchFrame)-1],
		"cut within":            benchFrame[:200],
		"something behind":      benchFrame + "x",
		"zero byte behind":      benchFrame + "\x00",
		"price as number":       change(`"o":"3010.10000000"`, `"o":3010.1`),
		"price as float text":   change(`"o":"3010.10000000"`, `"o":"NaN"`),
		"price empty":           change(`"o":"3010.10000000"`, `"o":""`),
		"price negative":        change(`"o":"3010.10000000"`, `"o":"-1"`),
		"price of 81 digits":    change(`"3010.10000000"`, `"`+strings.Repeat("9", 81)+`"`),
		"price null":            change(`"o":"3010.10000000"`, `"o":null`),
		"high below open":       change(`"h":"3012.00000000"`, `"h":"3000"`),
		"volume missing":        change(`"v":"42.50000000",`, ``),
		"open time missing":     change(`"t":1795428900000,`, ``),
		"open time as text":     change(`"t":1795428900000`, `"t":"1795428900000"`),
		"open time a float":     change(`"t":1795428900000`, `"t":1.7e12`),
		"open time negative":    change(`"t":1795428900000`, `"t":-1`),
		"open time too large":   change(`"t":1795428900000`, `"t":99999999999999999999`),
		"leading zero":          change(`"n":120`, `"n":0120`),
		"trades negative":       change(`"n":120`, `"n":-1`),
		"closed as text":        change(`"x":true`, `"x":"true"`),
		"closed misspelt":       change(`"x":true`, `"x":truth`),
		"open time twice":       change(`"t":1795428900000`, `"t":1,"t":1795428900000`),
		"price twice":           change(`"o":"3010.10000000"`, `"o":"3010.2","o":"3010.1"`),
		"symbols differ":        change(`"s":"ETHUSDT","k"`, `"s":"BTCUSDT","k"`),
		"event time missing":    change(`"E":1795428960012,`, ``),
		"candle as array":       change(`"k":{`, `"k":[],"z":{`),
		"data twice":            change(`"data":`, `"data":{},"data":`),
		"comma too many":        change(`"B":"0"}`, `"B":"0",}`),
		"no comma":              change(`,"B"`, `"B"`),
		"control in a string":   change(`"ethusdt@`, "\"eth\nusdt@"),
		"broken UTF-8":          change(`"ethusdt@`, "\"\xff@"),
		"broken escape":         change(`"ethusdt@`, `"\x@`),
		"too deep":              change(`"B":"0"`, `"B":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)),
		"bad number in unknown": change(`"B":"0"`, `"B":01`),
		"bad word in unknown":   change(`"B":"0"`, `"B":nul`),
		"case matters":          change(`"t":`, `"TT":`),
	} {
		if f, err := decode(t, text); err == nil {
			t.Errorf("%s: accepted as %+v", name, f.Event)
		} else if len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d characters", name, len(err.Error()))
		}
	}
}

func TestOtherFramesAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want frame
	}{
		{`{"result":null,"id":7}`, frame{reply: true, id: 7}},
		{`{"id":"abc","result":["x"]}`, frame{reply: true}},
		{`{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`, frame{reply: true, failed: true, code: 2, msg: "Invalid request: invalid stream", id: 1}},
		{`{"error":{"code":3,"msg":"x"}}`, frame{reply: true, failed: true, code: 3, msg: "x"}},
		{`{"error":"x"}`, frame{reply: true, failed: true, msg: `"x"`}},
		{`{"code":2,"msg":"x","id":null}`, frame{reply: true, failed: true, code: 2, msg: "x"}},
		{`{"e":"serverShutdown","E":1795428900000}`, frame{Event: event{Type: eventShutdown, At: 1795428900000}}},
		{`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1795428900000}}`, frame{Event: event{Type: eventShutdown, At: 1795428900000}}},
		{`{"stream":"x@trade","data":{"e":"trade","E":"late","s":5,"k":false}}`, frame{Event: event{Type: "trade"}}},
		{`{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}`, frame{}},
		{`{}`, frame{}},
	} {
		if got, err := decode(t, c.text); err != nil || got != c.want {
			t.Errorf("%s: %v\n%+v\nwant %+v", c.text, err, got, c.want)
		}
	}
}

// FuzzFrame holds the decoder against another one, case-sensitive like itself.
func FuzzFrame(f *testing.F) {
	for _, text := range []string{benchFrame, `{"error":{"code":2,"msg":"\u00e9"},"id":-1}`, `{"e":"serverShutdown","E":1795428900000}`,
		klineFrame("币安人生USDT", testCandle(1), false, testStart), `{"data":{"k":{"t":1e3}},"a":[1,2.5,-0.1e+7,true,null,"\ud83d\ude00"]}`} {
		f.Add([]byte(text))
	}
	d := newDecoder(candle.Minute1, []string{"ETHUSDT"})
	f.Fuzz(func(t *testing.T, data []byte) {
		var got frame
		if err := d.frame(data, &got); err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted %q, which is no JSON", data)
		}
		if got.Event.Type != eventKline {
			return
		}
		if err := got.Event.Kline.candle().Validate(); err != nil {
			t.Fatal(err)
		}
		var wrapped struct {
			Data *event `json:"data"`
		}
		var reference event
		into := any(&reference)
		if strings.Contains(string(data), `"data"`) {
			wrapped.Data = &reference
			into = &wrapped
		}
		if err := jsonv2.Unmarshal(data, into, jsontext.AllowDuplicateNames(true)); err != nil {
			return // names in escapes, timeframes that velador does not have, exponents in unknown members …
		}
		if reference.Symbol != got.Event.Symbol || (reference.At < microsThreshold && reference.At != got.Event.At) {
			t.Fatalf("%q\n%+v\n%+v", data, got.Event, reference)
		}
		a, b := got.Event.Kline.candle(), reference.Kline.candle()
		if b.OpenTime < microsThreshold && b.CloseTime < microsThreshold && a != b {
			t.Fatalf("%q\n%+v\n%+v", data, a, b)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("[" + row(testCandle(1)) + "," + row(testCandle(2)) + "]")
	f.Add(`[[1,"1","1","1","1","0",0,"0",0,"0","0",{"a":[1e9]}]] `)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := decodeRows(strings.NewReader(text), nil)
		if err != nil {
			return
		}
		var reference [][]any
		if err := json.Unmarshal([]byte(text), &reference); err != nil || len(reference) != len(rows) {
			t.Fatalf("%q: %d rows, the reference has %d (%v)", text, len(rows), len(reference), err)
		}
		for i, c := range rows {
			// An exponent is written out, so only texts without one can be compared as they are.
			if open := reference[i][1].(string); !strings.ContainsAny(open, "eE") && open != c.Open.String() {
				t.Fatalf("%q: open %s, the reference has %s", text, c.Open, open)
			}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzExchangeInfo(f *testing.F) {
	f.Add(`{"serverTime":1795428905123,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}],"x":{},"symbols":` + testMarkets + `}`)
	f.Add(`{"symbols":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		count := 0
		if _, err := decodeInfo(strings.NewReader(text), func(exchange.Market) { count++ }, func(rateLimit) {}); err != nil {
			return
		}
		var reference struct {
			Symbols []json.RawMessage `json:"symbols"`
		}
		if err := jsonv2.Unmarshal([]byte(text), &reference); err != nil || len(reference.Symbols) != count {
			t.Fatalf("%q: %d markets, the reference has %d (%v)", text, count, len(reference.Symbols), err)
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{`{"serverTime":1795428905123}`, `{"serverTime":1795428905123456}`, `{"serverTime":0}`, `{"serverTime":-1}`, `{"a":[1],"serverTime":1e3}`, `[]`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, err := decodeTime(text)
		if err == nil && (at == 0 || !json.Valid(text)) {
			t.Fatalf("%q is read as %d", text, at)
		}
	})
}

// Whatever a refusal says: it is an error with a kind, a ban ends within three days, and its reason is
// short enough for a log.
func FuzzRefusal(f *testing.F) {
	for _, c := range []struct {
		status     int
		retry, use string
		body       string
	}{
		{429, "7", "6001", `{"code":-1003,"msg":"Too much request weight used"}`}, {418, "259201", "", `{"code":-1003,"msg":"banned until 1795428905123"}`},
		{418, "-1", "x", ""}, {429, "99999999999999999999", "-5", "<html>"}, {400, "", "", `{"code":-1121,"msg":"Invalid symbol."}`},
		{400, "", "", `{"code":-1100,"msg":"Illegal characters found in parameter 'symbol'"}`}, {451, "", "", `{"code":0,"msg":"\ud800"}`}, {503, "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", `{"code":"x"}`},
	} {
		f.Add(c.status, c.retry, c.use, c.body)
	}
	f.Fuzz(func(t *testing.T, status int, retry, use, body string) {
		if status == http.StatusOK {
			return
		}
		budget := exchange.NewLocalBudget(nil)
		e := New(Config{Budget: budget})
		header := http.Header{"Retry-After": {retry}, "X-Mbx-Used-Weight-1m": {use}}
		e.observe(header)
		err := e.answered(status, header, strings.NewReader(body), subject{symbol: "ETHUSDT", timeframe: candle.Minute1})
		kind := problem.KindOf(err)
		if len(err.Error()) > 2000 {
			t.Errorf("the reason is %d bytes long", len(err.Error()))
		}
		var ban *exchange.BanError
		isBan := errors.As(err, &ban)
		if isBan != (status == http.StatusTooManyRequests || status == http.StatusTeapot) || isBan != (kind == problem.Banned) {
			t.Fatalf("%d is %v", status, err)
		}
		if isBan {
			if left := time.Until(ban.Until); left <= 0 || left > maxRetryAfter {
				t.Errorf("Retry-After %q is a ban for %s", retry, left)
			}
			if _, banned := budget.Banned(); !banned {
				t.Error("the budget does not know of the ban")
			}
			return
		}
		if kind != problem.Unavailable && kind != problem.NotFound && kind != problem.Invalid {
			t.Errorf("%d %q is of kind %v", status, body, kind)
		}
	})
}
