package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/internal/access"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/verify"
)

// wellAsked is a request of each call that nothing is wrong with.
var wellAsked = map[string]struct{ path, body string }{
	"status": {"/api/collectors/status", ""}, "collectors": {"/api/collectors", ""},
	"start": {"/api/collectors/start", ethMinute}, "stop": {"/api/collectors/stop", `{"pid":12345}`},
	"restart": {"/api/collectors/restart", `{"id":1}`}, "stop-all": {stopAllPath, "{}"},
	"collector": {"/api/collectors/1", ""}, "history": {"/api/collectors/1/history", ""}, "logs": {"/api/collectors/1/logs?follow=true", ""},
	"candles": {"/api/candles?" + ethSeries, ""}, "coverage": {"/api/coverage?" + ethSeries, ""},
	"candle-stream": {"/api/candles/stream?" + ethSeries, ""}, "symbols": {"/api/symbols?limit=1", ""}, "verify": {verifyPath, ethMinute},
	"series": {"/api/series", ""}, "tables": {"/api/data", ""}, "data": {"/api/data/candles?" + ethSeries, ""},
	"events": {"/api/events", ""}, "system": {"/api/system", ""}, "metrics": {"/metrics", ""}, "health": {"/healthz", ""}, "ready": {"/readyz", ""},
}

// wronglyAsked are the requests that are mistakes of the caller: queries of a GET, bodies of a POST.
var wronglyAsked = map[string]map[problem.Code]string{
	"start": {
		problem.CodeInvalidTimeframe: `{"timeframe":"2m","symbol":"ETHUSDT"}`, problem.CodeInvalidSelector: `{"timeframe":"1m","symbol":"ETH USDT"}`,
		api.CodeMissingParameter: `{"timeframe":"1m"}`, api.CodeNotText: `{"timeframe":1}`, api.CodeInvalidSince: `{"timeframe":"1m","symbol":"ETHUSDT","since":"soon"}`,
		problem.CodeUnknownExchange: `{"timeframe":"1m","symbol":"ETHUSDT","exchange":"mars"}`, problem.CodeUnknownSymbol: `{"timeframe":"1m","symbol":"NOSUCH"}`,
		problem.CodeNoSymbolMatches: `{"timeframe":"1m","symbol":"NOSUCH*"}`,
	},
	"stop":      {problem.CodeInvalidPID: `{"pid":0}`, api.CodeInvalidID: `{"id":0}`},
	"restart":   {problem.CodeInvalidPID: `{"pid":0}`, api.CodeInvalidID: `{"id":0}`},
	"collector": {api.CodeInvalidID: "/api/collectors/x"},
	"history":   {api.CodeInvalidID: "/api/collectors/x/history", api.CodeInvalidNumber: "/api/collectors/1/history?limit=0"},
	"logs": {
		api.CodeInvalidID: "/api/collectors/x/logs", api.CodeInvalidNumber: "/api/collectors/1/logs?tail=0", api.CodeInvalidChoice: "/api/collectors/1/logs?follow=perhaps",
	},
	"candles": mistakesAbout("/api/candles?", map[problem.Code]string{
		api.CodeInvalidNumber: "limit=0", api.CodeInvalidChoice: "order=up", problem.CodeFormatNotAvailable: "format=xml",
	}),
	"coverage":      mistakesAbout("/api/coverage?", map[problem.Code]string{api.CodeInvalidChoice: "by=week", api.CodeTooManyDays: "by=day"}),
	"candle-stream": mistakesAbout("/api/candles/stream?", map[problem.Code]string{api.CodeInvalidTime: "after=yesterday"}),
	"data": mistakesAbout("/api/data/candles?", map[problem.Code]string{
		api.CodeInvalidNumber: "limit=0", api.CodeInvalidChoice: "order=up", problem.CodeFormatNotAvailable: "format=xml",
	}),
	"symbols": {problem.CodeUnknownExchange: "/api/symbols?exchange=mars", api.CodeInvalidNumber: "/api/symbols?limit=0"},
	"verify": {
		api.CodeMissingParameter: `{"timeframe":"1m"}`, api.CodeNotText: `{"symbol":1}`, problem.CodeInvalidSelector: `{"timeframe":"1m","symbol":"ETH USDT"}`,
		problem.CodeInvalidTimeframe: `{"timeframe":"2m","symbol":"ETHUSDT"}`, problem.CodeUnknownExchange: `{"timeframe":"1m","symbol":"ETHUSDT","exchange":"mars"}`,
		api.CodeInvalidTime: `{"timeframe":"1m","symbol":"ETHUSDT","from":"yesterday"}`, api.CodeInvalidRange: `{"timeframe":"1m","symbol":"ETHUSDT","from":"2","to":"1"}`,
		api.CodeInvalidChoice: `{"timeframe":"1m","symbol":"ETHUSDT","dryRun":"perhaps"}`,
	},
}

// mistakesAbout are those that every question about a series may make, and some more.
func mistakesAbout(path string, more map[problem.Code]string) map[problem.Code]string {
	all := map[problem.Code]string{
		api.CodeMissingParameter: path + "timeframe=1m", problem.CodeInvalidSelector: path + "symbol=*&timeframe=1m", problem.CodeInvalidTimeframe: path + "symbol=ETHUSDT&timeframe=2m",
		problem.CodeUnknownExchange: path + ethSeries + "&exchange=mars", api.CodeInvalidTime: path + ethSeries + "&from=yesterday", api.CodeInvalidRange: path + ethSeries + "&from=2&to=1",
	}
	for code, query := range more {
		all[code] = path + ethSeries + "&" + query
	}
	return all
}

// onlyByADefect are calls that no part of the server can make fail: 500 is a panic of their own.
var onlyByADefect = []string{"tables", "events", "metrics", "health", "ready"}

// TestEveryErrorThatIsDescribedIsAnswered makes each of them happen at each call. That none comes which is
// not described, the referee sees to.
func TestEveryErrorThatIsDescribedIsAnswered(t *testing.T) {
	t.Parallel()
	referee, err := theReferee()
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range referee.described.Paths {
		for method, op := range methods {
			t.Run(op.OperationID, func(t *testing.T) {
				t.Parallel()
				id, method := op.OperationID, strings.ToUpper(method)
				if _, known := wellAsked[id]; !known {
					t.Fatalf("this test knows no request for %s %s", method, path)
				}
				for status, answer := range op.Responses {
					if status == "200" {
						continue
					}
					for code := range answer.Content["application/json"].Examples {
						if code == api.CodeInternal && slices.Contains(onlyByADefect, id) {
							continue
						}
						if got := provoke(t, method, id, problem.Code(code), status); fmt.Sprint(got.status) != status || codeOf(got) != code {
							t.Errorf("%s is described with %s, and the answer is %d %.300s", code, status, got.status, got.body)
						}
					}
				}
			})
		}
	}
}

// provoke makes a call fail in one way.
func provoke(t *testing.T, method, id string, code problem.Code, status string) reply {
	t.Helper()
	ask := wellAsked[id]
	if wrong, given := wronglyAsked[id][code]; given {
		if method == http.MethodGet {
			ask.path = wrong
		} else {
			ask.body = wrong
		}
		h := build(t, everyPart(nil))
		h.candles.Gaps = longGap()
		return h.call(method, ask.path, ask.body)
	}
	switch code {
	case problem.CodeInvalidParameter:
		path, _, _ := strings.Cut(ask.path, "?")
		return build(t, everyPart(nil)).call(method, path+"?%zz", ask.body)
	case problem.CodeBodyTooLarge:
		return build(t, everyPart(nil)).call(method, ask.path, `{"symbol":"`+strings.Repeat("A", maxBody)+`"}`)
	case problem.CodeInvalidBody:
		return build(t, everyPart(nil)).brokenBody(method, ask.path)
	case problem.CodeShuttingDown:
		h := build(t, everyPart(nil))
		h.server.close()
		return h.call(method, ask.path, ask.body)
	case api.CodeHostNotAllowed:
		return build(t, everyPart(nil), func(c *Config) { c.Hosts = access.NewHosts("elsewhere") }).callAs("velador.example", method, ask.path, ask.body)
	case api.CodeUnauthorized:
		return build(t, everyPart(nil), withKeys(t)).call(method, ask.path, ask.body)
	case api.CodeTooManyRequests:
		h := build(t, everyPart(nil), withKeys(t))
		for range guessBurst {
			h.call(method, ask.path, ask.body, "Authorization", "Bearer wrong")
		}
		return h.call(method, ask.path, ask.body, "Authorization", "Bearer wrong")
	case api.CodeCrossOrigin:
		return build(t, everyPart(nil)).call(method, ask.path, ask.body, "Sec-Fetch-Site", "cross-site")
	case api.CodeReadOnly:
		return build(t, everyPart(nil), withKeys(t)).call(method, ask.path, ask.body, "Authorization", "Bearer "+readToken)
	case problem.CodeRouteNotFound:
		return build(t, everyPart(nil)).call(method, "/api/data/nothing", "")
	case api.CodeStopAllFailed:
		h := build(t, everyPart(nil))
		h.post("/api/collectors/start", ethMinute)
		h.fleet.Deafen(1, problem.New(kindFor(problem.CodeStopFailed, status), problem.CodeStopFailed, nil, "x", "detail", "its agent is away"))
		return h.call(method, ask.path, ask.body)
	case api.CodeVerifying, api.CodeTooManyVerifications:
		h := build(t, everyPart(nil))
		busy := []string{"ETHUSDT"}
		if code == api.CodeTooManyVerifications {
			busy = []string{"A", "B", "C", "D"}
		}
		for _, symbol := range busy {
			if _, err := h.server.enterVerification(candle.Series{Exchange: "binance", Symbol: symbol, Timeframe: candle.Minute1}); err != nil {
				t.Fatal(err)
			}
		}
		return h.call(method, ask.path, ask.body)
	}
	// What remains is found out behind the server.
	var failure error = problem.New(kindFor(code, status), code, nil, "x", sampleParams(code)...)
	if code == problem.CodeInternal {
		failure = errors.New("a defect")
	}
	h := build(t, everyPart(failure))
	h.fleet.Fail(failure)
	h.candles.Fail(failure, 0)
	return h.call(method, ask.path, ask.body)
}

// kindFor gives the kind with which a code has a status.
func kindFor(code problem.Code, status string) problem.Kind {
	for _, kind := range kindsOf(code) {
		if fmt.Sprint(statusOf(&problem.Error{Kind: kind, Code: code})) == status {
			return kind
		}
	}
	return problem.Internal
}

// longGap is more days than an answer may have.
func longGap() []candle.Gap {
	return []candle.Gap{{
		Series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}, State: candle.GapAbsent,
		Range: candle.Range{From: candle.MillisOf(noon.AddDate(0, 0, -maxDays-1)), To: candle.MillisOf(noon.Add(-time.Minute))},
	}}
}

// everyPart gives a server all parts that it may have; those that are not in the house fail with an error,
// unless it is nil.
func everyPart(failure error) func(*Config) {
	parts := lame{failure}
	return func(c *Config) {
		withMetrics(c)
		c.Market, c.Symbols, c.Browser = new(servertest.Market), parts, parts
		c.Verifier = &auditor{plan: func(task verify.Task) (verify.Plan, error) {
			if failure != nil {
				return verify.Plan{}, failure
			}
			return plainPlan(task)
		}}
		c.System = func(context.Context) (api.SystemAnswer, error) { return exampleSystem(), failure }
		c.Ready = []Check{{"database", func(context.Context) error { return failure }}}
	}
}

// lame are parts of which each call fails, or finds nothing.
type lame struct{ err error }

func (f lame) Symbols(context.Context, string) ([]string, error) { return nil, f.err }

func (f lame) Browse(context.Context, store.Browse) (store.Page, error) {
	return store.Page{}, f.err
}

// callAs is call by another name of the server's.
func (h *house) callAs(host, method, path, body string) reply {
	h.t.Helper()
	return h.raw(method, path, "Host: "+host+"\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
}

// brokenBody is a call whose body ends in the middle of nowhere.
func (h *house) brokenBody(method, path string) reply {
	h.t.Helper()
	return h.raw(method, path, "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n")
}

// raw is a call that no client would make.
func (h *house) raw(method, path, rest string) reply {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, method+" "+path+" HTTP/1.1\r\nConnection: close\r\n"+rest); err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	r := reply{resp.StatusCode, resp.Header, string(data)}
	h.referee().answer(h.t, method, path, r)
	return r
}
