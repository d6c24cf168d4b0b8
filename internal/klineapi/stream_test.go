package klineapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"velador/internal/candle"
)

const ethKline = "ethusdt@kline_1m"

// SIM-W1, SIM-W2
func TestEveryFormOfConnectionDeliversTheSameCandle(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, nil)
	forms := map[string]*client{}
	for _, path := range []string{"/ws/" + ethKline, "/ws/" + url.PathEscape(ethKline), "/ws/btcusdt@kline_1h/" + ethKline, "/stream?streams=" + ethKline,
		"/stream?streams=" + url.QueryEscape("btcusdt@kline_1h/"+ethKline), "/ws", "/stream", "/stream?timeUnit=microsecond&streams=" + ethKline} {
		c := x.dial(path)
		forms[path] = c
		if path == "/ws" || path == "/stream" {
			c.write(`{"method":"SUBSCRIBE","params":["` + ethKline + `"],"id":1}`)
			c.read()
		} else {
			c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, fmt.Sprintf(`{"result":%t,"id":1}`, strings.HasPrefix(path, "/stream")))
		}
	}
	x.clock.Advance(2 * time.Second)
	var first *kline
	for path, c := range forms {
		frame := c.read()
		for !strings.Contains(frame, `"s":"ETHUSDT"`) {
			frame = c.read()
		}
		k := decode(t, frame)
		combined := strings.HasPrefix(path, "/stream")
		if combined != (k.stream == ethKline) || combined != strings.HasPrefix(frame, `{"stream":"`+ethKline+`","data":{"e":"kline",`) {
			t.Errorf("%s: the framing is wrong: %s", path, frame)
		}
		if strings.Contains(path, "timeUnit") {
			if k.at/1000 < t0 || !strings.Contains(frame, `"t":`+number(t0)+`000,"T":`+number(t0+minute-1)+`999,`) {
				t.Errorf("%s: not in microseconds: %s", path, frame)
			}
			continue
		}
		if first == nil {
			first = &k
		}
		if k.open() != t0 || k.k["c"] != first.k["c"] || k.k["v"] != first.k["v"] || k.at != first.at {
			t.Errorf("%s: another candle: %s", path, frame)
		}
	}
	if resp := x.refused("/ws?timeUnit=NANOSECOND"); resp.StatusCode != 400 {
		t.Errorf("a wrong time unit: %d", resp.StatusCode)
	}
	if resp := x.refused("/streams"); resp.StatusCode != 404 {
		t.Errorf("/streams: %d", resp.StatusCode)
	}
}

// SIM-W2
func TestTheCombinedPropertyWrapsTheNextFrame(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, nil)
	c := x.dial("/ws/" + ethKline)
	c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":false,"id":1}`)
	x.clock.Advance(2 * time.Second)
	if frame := c.read(); !strings.HasPrefix(frame, `{"e":"kline",`) {
		t.Errorf("a raw frame: %s", frame)
	}
	c.ask(`{"method":"SET_PROPERTY","params":["combined",true],"id":2}`, `{"result":null,"id":2}`)
	x.clock.Advance(2 * time.Second)
	if frame := c.read(); !strings.HasPrefix(frame, `{"stream":"`+ethKline+`","data":{"e":"kline",`) || !strings.HasSuffix(frame, "}}}") {
		t.Errorf("a combined frame: %s", frame)
	}
	c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":3}`, `{"result":true,"id":3}`)
}

// SIM-W3
func TestControlMessagesAreAnsweredWithTheirID(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.MaxClientFrames = 0 })
	c := x.dial("/ws")
	for _, ex := range [][2]string{
		{`{"method":"SUBSCRIBE","params":["ethusdt@kline_1m","btcusdt@kline_1m"],"id":7}`, `{"result":null,"id":7}`},
		{`{"method":"LIST_SUBSCRIPTIONS","id":"abc"}`, `{"result":["ethusdt@kline_1m","btcusdt@kline_1m"],"id":"abc"}`},
		{`{"method":"SUBSCRIBE","params":["ethusdt@kline_1m"],"id":null}`, `{"result":null,"id":null}`},
		{`{"method":"LIST_SUBSCRIPTIONS","id":-9223372036854775808}`, `{"result":["ethusdt@kline_1m","btcusdt@kline_1m"],"id":-9223372036854775808}`},
		{`{"method":"UNSUBSCRIBE","params":["nosuch@kline_1m"],"id":8}`, `{"result":null,"id":8}`},
		{`{"method":"UNSUBSCRIBE","params":["ethusdt@kline_1m"],"id":9}`, `{"result":null,"id":9}`},
		{`{"method":"LIST_SUBSCRIPTIONS"}`, `{"result":["btcusdt@kline_1m"],"id":null}`},
		{` {"id":10,"params":[],"method":"SUBSCRIBE"} `, `{"result":null,"id":10}`},
	} {
		c.ask(ex[0], ex[1])
	}
}

// SIM-W3
func TestADoubleSubscriptionDoesNotDoubleFrames(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 59*time.Second, nil)
	c := x.dial("/ws/" + ethKline + "/" + ethKline)
	c.ask(`{"method":"SUBSCRIBE","params":["ethusdt@kline_1m","ethusdt@kline_1m"],"id":1}`, `{"result":null,"id":1}`)
	x.clock.Advance(time.Minute)
	x.clock.Advance(time.Minute)
	seen := map[candle.Millis]int{}
	for len(seen) < 2 {
		frames := c.untilFinal()
		seen[frames[len(frames)-1].open()]++
	}
	for open, n := range seen {
		if n != 1 {
			t.Errorf("%d closing frames of %s", n, open)
		}
	}
}

// SIM-W4
func TestWellFormedUnknownStreamsAreAcknowledgedAndSilent(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	silent := x.dial("/stream")
	silent.ask(`{"method":"SUBSCRIBE","params":["nosuch@kline_1m","ETHUSDT@kline_1m","ethusdt@kline_7m","ethusdt@trade","!ticker@arr","ethusdt@kline_1d@+03:00"],"id":1}`, `{"result":null,"id":1}`)
	live := x.dial("/ws/" + ethKline)
	live.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	x.clock.Advance(61 * time.Second)
	live.untilFinal()
	silent.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":2}`, `{"result":true,"id":2}`)
}

// SIM-W4
func TestAMalformedStreamNameIsAnErrorAndTheEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"@@@", "", "ethusdt", "ethusdt@", "@kline_1m", "eth usdt@kline_1m", "ethusdt@kline 1m", "!", "!@arr", "ethusdt@kline_1m@", strings.Repeat("x", 300) + "@trade"} {
		x := start(t, busy(), 0, nil)
		c := x.dial("/ws")
		c.ask(`{"method":"SUBSCRIBE","params":["`+ethKline+`","`+name+`"],"id":1}`, `{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`)
		if code, _ := c.closed(); code != closePolicy {
			t.Errorf("%q: closed with %d", name, code)
		}
	}
	x := start(t, busy(), 0, nil)
	c := x.dial("/ws/@@@")
	if got := c.read(); got != `{"error":{"code":2,"msg":"Invalid request: invalid stream"}}` {
		t.Errorf("in the URL: %s", got)
	}
	if code, _ := c.closed(); code != closePolicy {
		t.Errorf("in the URL: closed with %d", code)
	}
	x = start(t, busy(), 0, func(p *Profile) { p.CloseOnBadStream = false })
	c = x.dial("/ws")
	c.ask(`{"method":"SUBSCRIBE","params":["`+ethKline+`","@@@"],"id":1}`, `{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":2}`, `{"result":[],"id":2}`)
}

// SIM-W5
func TestBadControlMessagesGetTheirCodes(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.MaxClientFrames = 0; p.CloseOnBadStream = false })
	nested, flat := x.dial("/ws"), start(t, busy(), 0, func(p *Profile) { p.MaxClientFrames = 0; p.ErrorFraming = FramingFlat }).dial("/ws")
	const variants = ", expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column "
	for _, c := range []struct {
		request string
		code    int
		msg, id string
	}{
		{`{`, 3, "Invalid JSON: expected value at line 1 column 1", ""},
		{`{"method":x}`, 3, "Invalid JSON: expected value at line 1 column 11", ""},
		{``, 3, "Invalid JSON: expected value at line 1 column 1", ""},
		{`{"id":1}`, 2, "Invalid request: missing field `method` at line 1 column 8", "1"},
		{`[]`, 2, "Invalid request: missing field `method` at line 1 column 2", ""},
		{`null`, 2, "Invalid request: missing field `method` at line 1 column 4", ""},
		{`{"method":"X","id":1}`, 2, "Invalid request: unknown variant `X`" + variants + "21", "1"},
		{`{"METHOD":"SUBSCRIBE","id":1}`, 2, "Invalid request: missing field `method` at line 1 column 29", "1"},
		{`{"method":5,"id":1}`, 2, "Invalid request: method must be a string", "1"},
		{`{"method":"SUBSCRIBE","params":["a@b"],"id":1.5}`, 2, "Invalid request: request ID must be an unsigned integer", ""},
		{`{"method":"SUBSCRIBE","params":["a@b"],"id":9223372036854775808}`, 2, "Invalid request: request ID must be an unsigned integer", ""},
		{`{"method":"SUBSCRIBE","params":["a@b"],"id":"` + strings.Repeat("a", 37) + `"}`, 2, "Invalid request: request ID must be an unsigned integer", ""},
		{`{"method":"SUBSCRIBE","params":["a@b"],"id":"a b"}`, 2, "Invalid request: request ID must be an unsigned integer", ""},
		{`{"method":"SUBSCRIBE","params":["a@b"],"id":{}}`, 2, "Invalid request: request ID must be an unsigned integer", ""},
		{`{"method":"SUBSCRIBE","params":[1],"id":1}`, 2, invalidStreamText, "1"},
		{`{"method":"SUBSCRIBE","params":"a@b","id":1}`, 2, "Invalid request: params must be an array", "1"},
		{`{"method":"LIST_SUBSCRIPTIONS","params":["x"],"id":1}`, 2, "Invalid request: too many parameters", "1"},
		{`{"method":"GET_PROPERTY","params":["combined",1],"id":1}`, 2, "Invalid request: too many parameters", "1"},
		{`{"method":"SET_PROPERTY","params":["combined",true,1],"id":1}`, 2, "Invalid request: too many parameters", "1"},
		{`{"method":"GET_PROPERTY","params":[5],"id":1}`, 2, "Invalid request: property name must be a string", "1"},
		{`{"method":"GET_PROPERTY","id":1}`, 2, "Invalid request: property name must be a string", "1"},
		{`{"method":"GET_PROPERTY","params":["colour"],"id":1}`, 0, "Unknown property", "1"},
		{`{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}`, 1, "Invalid value type: expected Boolean", "1"},
		{`{"method":"SET_PROPERTY","params":["combined"],"id":1}`, 1, "Invalid value type: expected Boolean", "1"},
	} {
		id := ""
		if c.id != "" {
			id = `,"id":` + c.id
		}
		inner := fmt.Sprintf(`"code":%d,"msg":"%s"`, c.code, c.msg)
		nested.ask(c.request, `{"error":{`+inner+`}`+id+`}`)
		if c.msg != invalidStreamText {
			flat.ask(c.request, `{`+inner+id+`}`)
		}
	}
}

// SIM-W6
func TestOneStreamTooManyIsAnErrorAndTheEnd(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	c := x.dial("/ws")
	names := make([]string, 1024)
	for i := range names {
		names[i] = fmt.Sprintf(`"sym%d@kline_1m"`, i)
	}
	c.ask(`{"method":"SUBSCRIBE","params":[`+strings.Join(names, ",")+`],"id":1}`, `{"result":null,"id":1}`)
	c.ask(`{"method":"SUBSCRIBE","params":["sym0@kline_1m"],"id":2}`, `{"result":null,"id":2}`)
	c.ask(`{"method":"SUBSCRIBE","params":["more@kline_1m"],"id":3}`, `{"error":{"code":4,"msg":"Too many subscriptions"},"id":3}`)
	if code, reason := c.closed(); code != 1008 || reason != "Too many subscriptions" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// SIM-W7
func TestMoreThanFiveFramesASecondEndTheConnection(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	c := x.dial("/ws")
	for i := range 5 {
		c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
		if i == 0 {
			x.clock.Advance(time.Second) // the first one is a second old when the sixth comes
		}
	}
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":6}`, `{"result":[],"id":6}`)
	c.write(`{"method":"LIST_SUBSCRIPTIONS","id":7}`)
	if code, reason := c.closed(); code != 1008 || reason != "Too many requests" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// SIM-W7
func TestTheUpgradeAfterTheThreeHundredthIsRefused(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.MaxUpgrades = 3 })
	if DefaultProfile().MaxUpgrades != 300 {
		t.Errorf("by default %d handshakes are allowed", DefaultProfile().MaxUpgrades)
	}
	for range 3 {
		x.dial("/ws")
	}
	resp := x.refused("/ws")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "300" {
		t.Errorf("%d, Retry-After %s", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	x.clock.Advance(5 * time.Minute)
	x.dial("/ws")
}

// SIM-W9, SIM-W19
func TestAConnectionEndsWithItsAgeAndTheNextOneHasNoReplay(t *testing.T) {
	t.Parallel()
	m := newMarket()
	m.list("ETHUSDT", "ETH", "USDT")
	m.minutes("ETHUSDT", t0-hour, 26*60)
	x := start(t, m, 10*time.Second, func(p *Profile) { p.PingInterval, p.PongDeadline = Duration(48*time.Hour), Duration(48*time.Hour) })
	c := x.dial("/ws")
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
	x.clock.Advance(24*time.Hour - time.Millisecond)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":2}`, `{"result":[],"id":2}`)
	x.clock.Advance(time.Millisecond)
	if code, _ := c.closed(); code != closeGoingAway {
		t.Errorf("closed with %d", code)
	}
	c = x.dial("/ws/" + ethKline)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	x.clock.Advance(61 * time.Second)
	if k := c.untilFinal()[0]; k.open() < t0+day {
		t.Errorf("a frame of %s is replayed", k.open())
	}
}

// SIM-W10
func TestAShutdownIsAnnouncedThenTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, lead := range []time.Duration{time.Minute, 0} {
		x := start(t, busy(), 0, nil)
		raw, combined, micros := x.dial("/ws"), x.dial("/stream"), x.dial("/ws?timeUnit=MICROSECOND")
		for _, c := range []*client{raw, combined, micros} {
			c.write(`{"method":"LIST_SUBSCRIPTIONS","id":1}`)
			c.read()
		}
		if told := x.api.AnnounceShutdown(lead); told != 3 {
			t.Errorf("%d connections were told", told)
		}
		for c, want := range map[*client]string{
			raw:      `{"e":"serverShutdown","E":` + number(t0) + `}`,
			combined: `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":` + number(t0) + `}}`,
			micros:   `{"e":"serverShutdown","E":` + number(t0) + `000}`,
		} {
			if got := c.read(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		late := x.dial("/ws")
		if lead > 0 {
			raw.ask(`{"method":"LIST_SUBSCRIPTIONS","id":2}`, `{"result":[],"id":2}`)
			x.clock.untilAsleep(t, t0.Add(lead))
			x.clock.Advance(lead)
		}
		for _, c := range []*client{raw, combined, micros} {
			if code, _ := c.closed(); code != closeGoingAway {
				t.Errorf("closed with %d", code)
			}
		}
		late.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
	}
}

// SIM-W10
func TestAShutdownComesOnSchedule(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, func(p *Profile) { p.ShutdownEvery = Duration(time.Hour); p.ShutdownLead = 0 })
	x.clock.untilAsleep(t, t0+hour)
	c := x.dial("/ws")
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`)
	x.clock.Advance(time.Hour)
	if got := c.read(); got != `{"e":"serverShutdown","E":`+number(t0+hour)+`}` {
		t.Errorf("got %s", got)
	}
	if code, _ := c.closed(); code != closeGoingAway {
		t.Errorf("closed with %d", code)
	}
}

// SIM-W15
func TestTheStreamInUTCPlus8OpensDaysAt16(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 10*time.Second, nil)
	for _, path := range []string{"/ws/ethusdt@kline_1d@+08:00", "/stream?streams=ethusdt@kline_1d@+08:00", "/stream?streams=" + url.QueryEscape("ethusdt@kline_1d@+08:00")} {
		c := x.dial(path)
		c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["ethusdt@kline_1d@+08:00"],"id":1}`)
		x.clock.Advance(2 * time.Second)
		if k := c.kline(); k.open()%day != 57_600_000 || k.k["i"] != "1d" {
			t.Errorf("%s: the day opens at %s", path, k.open())
		}
	}
}

// SIM-W17
func TestTwoSubscribersGetTheSameFrames(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	one, two := x.dial("/ws/"+ethKline), x.dial("/ws/"+ethKline)
	for _, c := range []*client{one, two} {
		c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	}
	for range 100 {
		x.clock.Advance(1700 * time.Millisecond)
	}
	for finals := 0; finals < 2; {
		a, b := one.read(), two.read()
		if a != b {
			t.Fatalf("they differ:\n%s\n%s", a, b)
		}
		if decode(t, a).final() {
			finals++
		}
	}
}

func TestAClientsCloseIsAnsweredWithItsCode(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	c := x.dial("/ws/" + ethKline)
	if err := c.ws.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("the close is not answered: %v", err)
	}
}

func TestStoppingClosesEveryConnection(t *testing.T) {
	t.Parallel()
	x := start(t, busy(), 0, nil)
	c := x.dial("/ws/" + ethKline)
	c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":["`+ethKline+`"],"id":1}`)
	x.stop()
	if code, _ := c.closed(); code != closeGoingAway {
		t.Errorf("closed with %d", code)
	}
	if resp := x.refused("/ws"); resp.StatusCode != 503 {
		t.Errorf("a handshake after the end: %d", resp.StatusCode)
	}
	if x.api.AnnounceShutdown(time.Minute) != 0 {
		t.Error("a shutdown is announced after the end")
	}
	if c := x.api.Counters(); c.Connections != 0 || c.Streams != 0 {
		t.Errorf("left over: %d connections, %d streams", c.Connections, c.Streams)
	}
}
