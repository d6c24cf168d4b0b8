package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestEveryBadBodyOfAStartIs400(t *testing.T) {
	t.Parallel()
	h := build(t)
	for name, test := range map[string]struct{ body, code string }{
		"nothing":                 {"", "invalid_body"},
		"no JSON":                 {"timeframe=1m&symbol=ETHUSDT", "invalid_body"},
		"half of an object":       {`{"timeframe":"1m","symbol":`, "invalid_body"},
		"two objects":             {ethMinute + ethMinute, "invalid_body"},
		"an array":                {`[` + ethMinute + `]`, "invalid_body"},
		"null":                    {`null`, "invalid_body"},
		"a text":                  {`"ETHUSDT"`, "invalid_body"},
		"a number":                {`1`, "invalid_body"},
		"deep nesting":            {strings.Repeat(`{"a":`, 10_001) + `1` + strings.Repeat(`}`, 10_001), "invalid_body"},
		"deep arrays":             {`{"a":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`, "invalid_body"},
		"UTF-16":                  {"{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", "invalid_body"},
		"Latin-1":                 {"{\"timeframe\":\"1m\",\"symbol\":\"\xd1\"}", "invalid_body"},
		"no symbol":               {`{"timeframe":"1m"}`, "missing_parameter"},
		"an empty symbol":         {`{"timeframe":"1m","symbol":""}`, "missing_parameter"},
		"symbol null":             {`{"timeframe":"1m","symbol":null}`, "missing_parameter"},
		"symbol a number":         {`{"timeframe":"1m","symbol":5}`, "not_text"},
		"symbol an array":         {`{"timeframe":"1m","symbol":["ETHUSDT"]}`, "not_text"},
		"symbol unknown":          {`{"timeframe":"1m","symbol":"NOSUCH"}`, "unknown_symbol"},
		"symbol in lower case":    {`{"timeframe":"1m","symbol":"ethusdt"}`, "unknown_symbol"},
		"symbol with a blank":     {`{"timeframe":"1m","symbol":"ETH USDT"}`, "invalid_selector"},
		"symbol with a path":      {`{"timeframe":"1m","symbol":"../..\u0000"}`, "invalid_selector"},
		"symbol half a surrogate": {`{"timeframe":"1m","symbol":"\ud800"}`, "invalid_selector"},
		"symbol too long":         {`{"timeframe":"1m","symbol":"` + strings.Repeat("A", 51) + `"}`, "invalid_selector"},
		"a selector of nothing":   {`{"timeframe":"1m","symbol":"*NOSUCH"}`, "no_symbol_matches"},
		"no timeframe":            {`{"symbol":"ETHUSDT"}`, "missing_parameter"},
		"a member in upper case":  {`{"Timeframe":"1m","symbol":"ETHUSDT"}`, "missing_parameter"},
		"timeframe unknown":       {`{"timeframe":"7m","symbol":"ETHUSDT"}`, "invalid_timeframe"},
		"timeframe in other case": {`{"timeframe":"1D","symbol":"ETHUSDT"}`, "invalid_timeframe"},
		"timeframe a number":      {`{"timeframe":1,"symbol":"ETHUSDT"}`, "not_text"},
		"timeframe an object":     {`{"timeframe":{},"symbol":"ETHUSDT"}`, "not_text"},
		"exchange unknown":        {`{"timeframe":"1m","symbol":"ETHUSDT","exchange":"mtgox"}`, "unknown_exchange"},
		"exchange in upper case":  {`{"timeframe":"1m","symbol":"ETHUSDT","exchange":"Binance"}`, "unknown_exchange"},
		"exchange a number":       {`{"timeframe":"1m","symbol":"ETHUSDT","exchange":1}`, "not_text"},
		"since no instant":        {`{"timeframe":"1m","symbol":"ETHUSDT","since":"yesterday"}`, "invalid_since"},
		"since an object":         {`{"timeframe":"1m","symbol":"ETHUSDT","since":{}}`, "invalid_since"},
		"since a fraction":        {`{"timeframe":"1m","symbol":"ETHUSDT","since":1.5}`, "invalid_since"},
		"since true":              {`{"timeframe":"1m","symbol":"ETHUSDT","since":true}`, "invalid_since"},
		"since zero":              {`{"timeframe":"1m","symbol":"ETHUSDT","since":0}`, "invalid_since"},
		"since negative":          {`{"timeframe":"1m","symbol":"ETHUSDT","since":"-24h"}`, "invalid_since"},
		"since in the future":     {`{"timeframe":"1m","symbol":"ETHUSDT","since":"2030-01-01"}`, "invalid_since"},
		"since before all":        {`{"timeframe":"1m","symbol":"ETHUSDT","since":"36500d"}`, "invalid_since"},
		"since too many weeks":    {`{"timeframe":"1m","symbol":"ETHUSDT","since":"999999999999w"}`, "invalid_since"},
	} {
		r := h.post("/api/collectors/start", test.body, "Content-Type", "application/json")
		if r.status != 400 {
			t.Errorf("%s: %d %.200s", name, r.status, r.body)
		}
		r.problem(t, 400, test.code)
	}
	h.get("/api/collectors/status").want(t, 200, `{"collectors":[]}`)
}

func TestEveryBadPIDIs400(t *testing.T) {
	t.Parallel()
	h := build(t)
	for body, code := range map[string]string{
		``: "invalid_body", `[]`: "invalid_body", `{`: "invalid_body", `12345`: "invalid_body",
		`{}`: "invalid_pid", `{"pid":null}`: "invalid_pid", `{"pid":0}`: "invalid_pid", `{"pid":-1}`: "invalid_pid",
		`{"pid":-12345}`: "invalid_pid", `{"pid":1.5}`: "invalid_pid", `{"pid":"12345"}`: "invalid_pid", `{"pid":""}`: "invalid_pid",
		`{"pid":true}`: "invalid_pid", `{"pid":[12345]}`: "invalid_pid", `{"pid":{}}`: "invalid_pid", `{"pid":1e3}`: "invalid_pid",
		`{"pid":2147483648}`: "invalid_pid", `{"pid":4294967297}`: "invalid_pid", `{"pid":18446744073709551617}`: "invalid_pid",
		`{"pid":1e400}`: "invalid_pid", `{"PID":12345}`: "invalid_pid",
		`{"id":0}`: "invalid_id", `{"id":-1}`: "invalid_id", `{"id":"1"}`: "invalid_id", `{"id":9007199254740992}`: "invalid_id",
		`{"pid":0,"id":1}`: "invalid_pid",
	} {
		r := h.post("/api/collectors/stop", body)
		if r.status != 400 {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
		r.problem(t, 400, code)
	}
	h.post("/api/collectors/stop", `{"pid":2147483647}`).want(t, 404, `{"error":"Collector no encontrado o ya detenido","pid":2147483647}`)
}

func TestAByteOrderMarkIsPassedOver(t *testing.T) {
	t.Parallel()
	if r := build(t).post("/api/collectors/start", "\xef\xbb\xbf"+ethMinute); r.status != 200 {
		t.Errorf("the answer is %d %s", r.status, r.body)
	}
}

func TestAnUnknownSymbolInLowerCaseHearsOfUpperCase(t *testing.T) {
	t.Parallel()
	h := build(t)
	body := `{"timeframe":"1m","symbol":"ethusdt"}`
	h.post("/api/collectors/start", body).want(t, 400, `{"error":"El símbolo ethusdt no existe en binance (mayúsculas y minúsculas cuentan: ¿quizá ETHUSDT?)",`+
		`"code":"unknown_symbol","exchange":"binance","symbol":"ethusdt"}`)
	h.post("/api/collectors/start", body, "Accept-Language", "en").want(t, 400, `{"error":"The symbol ethusdt does not exist on binance (case matters: perhaps ETHUSDT?)",`+
		`"code":"unknown_symbol","exchange":"binance","symbol":"ethusdt"}`)
}

func TestABodyThatIsTooLargeIs413(t *testing.T) {
	t.Parallel()
	h := build(t)
	large := `{"symbol":"` + strings.Repeat("A", maxBody) + `"}`
	h.post("/api/collectors/start", large).problem(t, 413, "body_too_large")
	exact := `{"timeframe":"1m","symbol":"ETHUSDT","pad":"`
	exact += strings.Repeat(" ", maxBody-len(exact)-2) + `"}`
	if r := h.post("/api/collectors/start", exact); r.status != 200 {
		t.Errorf("a body of exactly the bound gets %d %s", r.status, r.body)
	}
	// Without a length, and on a path that wants no body.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.http.URL+"/api/collectors/status", io.MultiReader(strings.NewReader(large)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a chunked body that is too large gets %s", resp.Status)
	}
}

func TestAnUnknownPathIs404InTheContractsShape(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, path := range []string{"/api", "/api/", "/api/collectors/", "/api/collectors/status/", "/api/collectors/status/x", "/API/collectors/status",
		"/docs/", "/docs/nothing.js", "/schemas/StartRequest.json", "/openapi-3.0.json", "/%00", "/%C3%B1", "/metrics"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			h.call(method, path, "").problem(t, 404, "route_not_found")
		}
	}
	h.get("/nada").want(t, 404, `{"error":"La ruta /nada no existe: /docs muestra las que hay","code":"route_not_found","path":"/nada"}`)
}

func TestAWrongMethodIs405AndSaysWhichIsRight(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, test := range []struct{ method, path, allow string }{
		{"POST", "/api/collectors/status", "GET, HEAD"},
		{"GET", "/api/collectors/start", "POST"},
		{"HEAD", "/api/collectors/start", "POST"},
		{"PUT", "/api/collectors/start", "POST"},
		{"GET", "/api/collectors/stop", "POST"},
		{"DELETE", "/api/collectors/stop", "POST"},
		{"OPTIONS", "/api/collectors/stop", "POST"},
		{"DELETE", "/api/collectors/stop-all", "POST"},
		{"POST", "/api/collectors", "GET, HEAD"},
		{"DELETE", "/api/collectors/7", "GET, HEAD"},
		{"POST", "/api/collectors/7/history", "GET, HEAD"},
		{"POST", "/api/collectors/7/logs", "GET, HEAD"},
		{"PATCH", "/api/candles", "GET, HEAD"},
		{"POST", "/healthz", "GET, HEAD"},
		{"POST", "/docs", "GET, HEAD"},
		{"POST", "/openapi.json", "GET, HEAD"},
		{"POST", "/", "GET, HEAD"},
	} {
		r := h.call(test.method, test.path, "")
		if r.status != 405 || r.header.Get("Allow") != test.allow {
			t.Errorf("%s %s is answered by %d, Allow %q, not %q", test.method, test.path, r.status, r.header.Get("Allow"), test.allow)
		}
		if test.method != "HEAD" {
			r.problem(t, 405, "method_not_allowed")
		}
	}
}

func TestHeadIsAnsweredLikeGetWithoutABody(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	for _, path := range []string{"/api/collectors/status", "/healthz", "/api/candles?symbol=ETHUSDT&timeframe=1m&format=csv", "/api/collectors/1/logs?follow=true"} {
		if r := h.call("HEAD", path, ""); r.status != 200 || r.body != "" {
			t.Errorf("HEAD %s gets %d %q", path, r.status, r.body)
		}
	}
}

func TestBadQueriesAre400(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	const series = "symbol=ETHUSDT&timeframe=1m"
	for path, code := range map[string]string{
		"/api/candles":                                             "missing_parameter",
		"/api/candles?timeframe=1m":                                "missing_parameter",
		"/api/candles?symbol=ETHUSDT":                              "missing_parameter",
		"/api/candles?symbol=*USDT&timeframe=1m":                   "invalid_selector",
		"/api/candles?symbol=ETH%20USDT&timeframe=1m":              "invalid_selector",
		"/api/candles?symbol=%ff&timeframe=1m":                     "invalid_selector",
		"/api/candles?symbol=ETHUSDT&timeframe=2m":                 "invalid_timeframe",
		"/api/candles?" + series + "&exchange=mtgox":               "unknown_exchange",
		"/api/candles?" + series + "&exchange=../x":                "unknown_exchange",
		"/api/candles?" + series + "&from=yesterday":               "invalid_time",
		"/api/candles?" + series + "&to=1e12":                      "invalid_time",
		"/api/candles?" + series + "&to=99999999999999999999":      "invalid_time",
		"/api/candles?" + series + "&from=2&to=1":                  "invalid_range",
		"/api/candles?" + series + "&limit=0":                      "invalid_number",
		"/api/candles?" + series + "&limit=-1":                     "invalid_number",
		"/api/candles?" + series + "&limit=10001":                  "invalid_number",
		"/api/candles?" + series + "&limit=1.5":                    "invalid_number",
		"/api/candles?" + series + "&limit=ten":                    "invalid_number",
		"/api/candles?" + series + "&format=csv&limit=0":           "invalid_number",
		"/api/candles?" + series + "&order=up":                     "invalid_choice",
		"/api/candles?" + series + "&format=parquet":               "format_not_available",
		"/api/candles?" + series + "&format=arrow":                 "format_not_available",
		"/api/candles?" + series + "&format=JSON":                  "format_not_available",
		"/api/candles?" + series + "&from=%zz":                     "invalid_parameter",
		"/api/candles?" + series + ";from=1":                       "invalid_parameter",
		"/api/coverage":                                            "missing_parameter",
		"/api/coverage?symbol=ETHUSDT&timeframe=1":                 "invalid_timeframe",
		"/api/coverage?" + series + "&from=x":                      "invalid_time",
		"/api/collectors/0":                                        "invalid_id",
		"/api/collectors/-1":                                       "invalid_id",
		"/api/collectors/seven":                                    "invalid_id",
		"/api/collectors/1.5":                                      "invalid_id",
		"/api/collectors/99999999999999999999":                     "invalid_id",
		"/api/collectors/x/history":                                "invalid_id",
		"/api/collectors/1/history?limit=0":                        "invalid_number",
		"/api/collectors/1/history?limit=1001":                     "invalid_number",
		"/api/collectors/x/logs":                                   "invalid_id",
		"/api/collectors/1/logs?tail=0":                            "invalid_number",
		"/api/collectors/1/logs?tail=10001":                        "invalid_number",
		"/api/collectors/1/logs?follow=yes":                        "invalid_choice",
		"/api/collectors/status?" + strings.Repeat("a=%zz&", 1000): "invalid_parameter",
	} {
		r := h.get(path)
		if r.status != 400 {
			t.Errorf("%.80s: %d %.200s", path, r.status, r.body)
		}
		r.problem(t, 400, code)
	}
	members := h.get("/api/candles?"+series+"&format=parquet").problem(t, 400, "format_not_available")
	if members["allowed"] != "json csv" || members["format"] != "parquet" {
		t.Errorf("the members are %v", members)
	}
}

func TestARequestFromAnotherWebSiteIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute, "Sec-Fetch-Site", "cross-site").problem(t, 403, "cross_origin")
	h.post("/api/collectors/start", ethMinute, "Origin", "https://evil.example").problem(t, 403, "cross_origin")
	for _, path := range []string{"/api/collectors/stop", "/api/collectors/stop-all", "/api/collectors/restart", "/login", "/logout"} {
		for _, origin := range []string{"https://evil.example", "null", "http://localhost:1"} {
			h.post(path, "{}", "Origin", origin).problem(t, 403, "cross_origin")
		}
		h.post(path, "{}", "Sec-Fetch-Site", "same-site").problem(t, 403, "cross_origin")
	}
	if r := h.post("/api/collectors/start", ethMinute, "Origin", h.http.URL); r.status != 200 {
		t.Errorf("our own page is refused: %d %s", r.status, r.body)
	}
}

// TestWhatIsRepeatedOfARequestIsBounded: an error names what was wrong, never kilobytes of it, and a
// parameter's text is no template.
func TestWhatIsRepeatedOfARequestIsBounded(t *testing.T) {
	t.Parallel()
	h := build(t)
	r := h.get("/api/candles?symbol=ETHUSDT&timeframe=" + strings.Repeat("%C3%B1", 4000))
	r.problem(t, 400, "invalid_timeframe")
	if len(r.body) > 2000 {
		t.Errorf("the answer has %d bytes", len(r.body))
	}
	h.get("/api/candles?symbol=ETHUSDT&timeframe=1m&format=X{allowed}").want(t, 400,
		`{"error":"El formato X{allowed} no está disponible: use uno de json csv","code":"format_not_available","allowed":"json csv","format":"X{allowed}"}`)
}

// TestABodyThatDoesNotComeIsAnswered: the client keeps the connection and sends no more.
func TestABodyThatDoesNotComeIsAnswered(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.server.patience.body = 10 * time.Millisecond
	conn, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/collectors/start HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"timeframe\":")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 || !resp.Close {
		t.Errorf("the answer is %s, closing: %v", resp.Status, resp.Close)
	}
}

// TestABodyThatBreaksOffIsAnswered sends half of a body and no more.
func TestABodyThatBreaksOffIsAnswered(t *testing.T) {
	t.Parallel()
	h := build(t)
	conn, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/collectors/start HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"timeframe\":")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 || !resp.Close {
		t.Errorf("the answer is %s, closing: %v", resp.Status, resp.Close)
	}
}
