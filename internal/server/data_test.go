package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/store"
)

func withSystem(c *Config) {
	c.System = func(context.Context) (api.SystemAnswer, error) { return exampleSystem(), nil }
}

// knownSymbols answers as exchange.Symbols does.
type knownSymbols []string

func (k knownSymbols) Symbols(_ context.Context, exchange string) ([]string, error) {
	if exchange != "binance" {
		return nil, problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, nil, "away", "exchange", exchange)
	}
	return k, nil
}

func withSymbols(c *Config) {
	c.Symbols = knownSymbols{"BTCUSDT", "ETHUSDT", "ethx", "BETHETH", "ETHBTC", "ÑETH"}
}

func TestSymbolsThatBeginWithTheWordsComeFirst(t *testing.T) {
	t.Parallel()
	h := build(t, withSymbols)
	h.get("/api/symbols?search=eth").want(t, 200, `{"exchange":"binance","symbols":["ETHBTC","ETHUSDT","ethx","BETHETH","ÑETH"],"total":5}`)
	h.get("/api/symbols?search=eth&limit=2&exchange=binance").want(t, 200, `{"exchange":"binance","symbols":["ETHBTC","ETHUSDT"],"total":5}`)
	h.get("/api/symbols?search=nothing").want(t, 200, `{"exchange":"binance","symbols":[],"total":0}`)
	h.get("/api/symbols?limit=1").want(t, 200, `{"exchange":"binance","symbols":["BETHETH"],"total":6}`)
	h.get("/api/symbols?exchange=mars").problem(t, 400, "unknown_exchange")
	h.get("/api/symbols?exchange=bybit").problem(t, 503, "exchange_unavailable")
	h.get("/api/symbols?limit=0").problem(t, 400, "invalid_number")
}

func TestARestartGivesTheNewProcess(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.post("/api/collectors/restart", `{"id":1}`).want(t, 200, `{"message":"Collector reiniciado para ETHUSDT en timeframe 1m","pid":13345,"id":1}`)
	h.post("/api/collectors/restart", `{"pid":13345}`, "Accept-Language", "en").want(t, 200,
		`{"message":"Collector restarted for ETHUSDT on timeframe 1m","pid":14345,"id":1}`)
	if got := h.get("/api/collectors/1/history").body; strings.Count(got, `"reason":"restarted on request"`) != 2 {
		t.Errorf("its history is %s", got)
	}
	h.post("/api/collectors/restart", `{"pid":12345}`).want(t, 404, `{"error":"Collector no encontrado o ya detenido","pid":12345}`)
	h.post("/api/collectors/restart", `{"pid":0}`).problem(t, 400, "invalid_pid")
	h.post("/api/collectors/restart", `{"id":"x"}`).problem(t, 400, "invalid_id")
	h.post("/api/collectors/restart", `{}`).problem(t, 400, "invalid_pid")
	h.fleet.Deafen(1, problem.New(problem.Unavailable, problem.CodeRestartFailed, nil, "x", "detail", "its agent is away"))
	if m := h.post("/api/collectors/restart", `{"id":1}`).problem(t, 503, "restart_failed"); m["id"] != 1.0 || m["error"] != "El collector no pudo reiniciarse: its agent is away" {
		t.Errorf("%v", m)
	}
	h.get("/api/collectors/restart").problem(t, 405, "method_not_allowed")
}

// filled is a database with something in every table.
func filled(t *testing.T) *shelf {
	t.Helper()
	db := newShelf(t)
	db.put(false, 0, 1, 2, 3, 4)
	for i, state := range []candle.GapState{candle.GapOpen, candle.GapAbsent, candle.GapRepaired} {
		from := minuteOf(-100 * (i + 1)).OpenTime
		gap := candle.Gap{Series: db.series, Range: candle.Range{From: from, To: from + 60_000}, State: state, Proofs: i}
		if _, err := db.Write(t.Context(), []store.Entry{{Series: db.series, Gap: &gap}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, selector := range []string{"ETHUSDT", "=BTC,\"quoted\"", "*USDT"} {
		r, err := db.CreateCollector(t.Context(), collector.Record{
			Spec: collector.Spec{Exchange: "binance", Selector: selector, Timeframe: candle.Minute1}, StartedAt: noon, Host: "one",
		})
		if err == nil && selector == "*USDT" {
			r.Wanted, r.Status, r.StoppedAt = false, collector.Stopped, noon
			err = db.UpdateCollector(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// page reads a page of a table.
func (h *house) page(path string) (page api.DataAnswer) {
	h.t.Helper()
	r := h.get(path)
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.UseNumber()
	if err := dec.Decode(&page); err != nil || r.status != 200 || page.Rows == nil {
		h.t.Fatalf("%s: %d %.300s (%v)", path, r.status, r.body, err)
	}
	return page
}

func TestTheSeriesThatAreStoredAreListed(t *testing.T) {
	t.Parallel()
	h := build(t, filled(t).on)
	h.get("/api/series").want(t, 200, fmt.Sprintf(`{"series":[{"exchange":"binance","symbol":"ETHUSDT","timeframe":"1m","first":%d,"last":%d,"openGaps":1,"absentGaps":1}]}`,
		minuteOf(0).OpenTime, minuteOf(4).OpenTime))
	build(t, newShelf(t).on).get("/api/series").want(t, 200, `{"series":[]}`)
}

func TestPagesOfEveryTableFollowEachOtherAndAreWhatTheCSVHolds(t *testing.T) {
	t.Parallel()
	h := build(t, filled(t).on)
	var listed api.TablesAnswer
	if err := json.Unmarshal([]byte(h.get("/api/data").body), &listed); err != nil || len(listed.Tables) != 4 {
		t.Fatalf("%v: %v", listed, err)
	}
	rows := map[string]int{"collectors": 3, "series": 1, "candles": 5, "gaps": 3}
	for _, table := range listed.Tables {
		path := "/api/data/" + table.Name + "?"
		if table.Name == "candles" {
			path += "symbol=ETHUSDT&timeframe=1m&"
		}
		for _, column := range table.Columns {
			if !column.Sort {
				continue
			}
			for _, order := range []string{"asc", "desc"} {
				query := path + "sort=" + column.Name + "&order=" + order
				whole := h.page(query)
				if len(whole.Rows) != rows[table.Name] || whole.Next != nil || !reflect.DeepEqual(whole.Columns, table.Columns) {
					t.Fatalf("%s has %d rows, next %v, columns %v", query, len(whole.Rows), whole.Next, whole.Columns)
				}
				var paged [][]any
				for next := ""; ; {
					page := h.page(query + "&limit=2&cursor=" + url.QueryEscape(next))
					paged = append(paged, page.Rows...)
					if page.Next == nil {
						break
					}
					if next = *page.Next; len(page.Rows) != 2 || len(paged) > 10 {
						t.Fatalf("%s: a page of %d, %d in all", query, len(page.Rows), len(paged))
					}
				}
				if !reflect.DeepEqual(paged, whole.Rows) {
					t.Errorf("%s: in pages\n%v, at once\n%v", query, paged, whole.Rows)
				}
				r := h.get(query + "&format=csv")
				lines, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
				if err != nil || len(lines) != len(whole.Rows)+1 || r.header.Get("Content-Type") != "text/csv; charset=utf-8" ||
					r.header.Get("Content-Disposition") != `attachment; filename="`+table.Name+`.csv"` {
					t.Fatalf("%s: %d lines, %v, %v", query, len(lines), err, r.header)
				}
				for i, row := range whole.Rows {
					for k, v := range row {
						text := ""
						if v != nil {
							text = fmt.Sprint(v)
						}
						if lines[i+1][k] != text || lines[0][k] != table.Columns[k].Name {
							t.Errorf("%s: cell %d of row %d is %q in CSV and %v in JSON", query, k, i, lines[i+1][k], v)
						}
					}
				}
			}
		}
	}
	if r := h.call(http.MethodHead, "/api/data/gaps?format=csv", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD answers %d %q", r.status, r.body)
	}
	if r := h.get("/api/data/gaps?format=csv&limit=2"); strings.Count(r.body, "\n") != 3 {
		t.Errorf("of two rows come %q", r.body)
	}
}

func TestRowsAreNarrowedByTheFiltersOfTheirTable(t *testing.T) {
	t.Parallel()
	h := build(t, filled(t).on)
	for path, want := range map[string]int{
		"collectors?status=stopped":                                 1,
		"collectors?symbol=*USDT":                                   1,
		"collectors?search=usdt&timeframe=1m&exchange=binance":      2,
		"collectors?from=2025-11-04T12:00:01Z":                      0,
		"collectors?from=2025-11-04&to=2025-11-05":                  3,
		"series?search=eth":                                         1,
		"series?exchange=bybit":                                     0,
		"gaps?state=absent":                                         1,
		"gaps?symbol=ETHUSDT&timeframe=1m&from=2025-11-04T08:41:00": 2,
		"candles?symbol=ETHUSDT&timeframe=1m&from=2025-11-04T12:01": 4,
		"candles?symbol=ETHUSDT&timeframe=1m&to=2025-11-04T12:01":   2,
		"candles?symbol=NONE&timeframe=1m":                          0,
	} {
		if page := h.page("/api/data/" + path); len(page.Rows) != want {
			t.Errorf("%s gives %d rows, not %d", path, len(page.Rows), want)
		}
	}
	page := h.page("/api/data/candles?symbol=ETHUSDT&timeframe=1m&limit=1")
	row := fmt.Sprint(page.Rows[0]...)
	for _, part := range []string{"100.10000000", "1234.50"} { // every digit
		if !strings.Contains(row, part) {
			t.Errorf("a candle is %s, without %s", row, part)
		}
	}
}

func TestSelectionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	db := filled(t)
	h := build(t, db.on)
	cursor := *h.page("/api/data/gaps?limit=1").Next
	forge := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for path, want := range map[string]string{
		"candles":                "missing_parameter",
		"candles?symbol=ETHUSDT": "missing_parameter",
		"candles?symbol=A&timeframe=1m&sort=close":                   "invalid_choice",
		"gaps?sort=color":                                            "invalid_choice",
		"gaps?order=up":                                              "invalid_choice",
		"gaps?state=lost":                                            "invalid_choice",
		"collectors?status=lost":                                     "invalid_choice",
		"gaps?status=running":                                        "invalid_parameter",
		"series?from=2025-01-01":                                     "invalid_parameter",
		"gaps?timeframe=7m":                                          "invalid_timeframe",
		"gaps?from=soon":                                             "invalid_time",
		"gaps?from=2&to=1":                                           "invalid_range",
		"gaps?limit=1001":                                            "invalid_number",
		"gaps?limit=0&format=csv":                                    "invalid_number",
		"gaps?format=xml":                                            "format_not_available",
		"gaps?symbol=%00":                                            "invalid_parameter",
		"gaps?search=" + strings.Repeat("a", 101):                    "invalid_parameter",
		"gaps?cursor=%21":                                            "invalid_parameter",
		"gaps?cursor=" + strings.Repeat("a", 5000):                   "invalid_parameter",
		"series?cursor=" + cursor:                                    "invalid_parameter",
		"gaps?order=desc&cursor=" + cursor:                           "invalid_parameter",
		"gaps?cursor=" + forge(`{"t":"gaps","a":["x"]}`):             "invalid_parameter",
		"gaps?cursor=" + forge(`{"t":"gaps","a":[null,1,2,3]}`):      "invalid_parameter",
		"gaps?cursor=" + forge(`{"t":"gaps","a":["a","b","c","d"]}`): "invalid_parameter",
		"gaps?cursor=" + forge(`{"t":"gaps","a":["a","b",1,1e400]}`): "invalid_parameter",
		"candles?symbol=A&timeframe=1m&cursor=" + forge(`{"t":"candles","a":["x"]}`): "invalid_parameter",
	} {
		h.get("/api/data/"+path).problem(t, 400, want)
	}
	h.get("/api/data/secrets").problem(t, 404, "route_not_found")
	h.call(http.MethodDelete, "/api/data/gaps", "").problem(t, 405, "method_not_allowed")
	h.post("/api/data/gaps", "{}").problem(t, 405, "method_not_allowed")
	build(t).get("/api/data/gaps").problem(t, 404, "route_not_found")
}

// failing fails from the second page on.
type failing struct {
	store.Browser
	pages int
}

func (f *failing) Browse(ctx context.Context, q store.Browse) (store.Page, error) {
	if f.pages++; f.pages > 1 {
		return store.Page{}, errors.New("the disk fell off")
	}
	p, err := f.Browser.Browse(ctx, q)
	for len(p.Rows) > 0 && len(p.Rows) < csvRows {
		p.Rows = append(p.Rows, p.Rows...)
	}
	p.Next = []any{"more"}
	return p, err
}

func TestACSVThatBreaksOffIsNeverTakenForWhole(t *testing.T) {
	t.Parallel()
	db := filled(t)
	h := build(t, db.on, func(c *Config) { c.Browser = &failing{Browser: db} })
	resp, err := h.client.Get(h.http.URL + "/api/data/collectors?format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); err == nil || len(data) == 0 {
		t.Errorf("%d bytes came, and %v", len(data), err)
	}
	r := h.get("/api/data/collectors?format=csv") // it fails at once
	r.problem(t, 500, "internal")
	if r.header.Get("Content-Disposition") != "" {
		t.Error("an error is to be saved as a file")
	}
}

func TestTheDashboardStandsAtItsPaths(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) {
		c.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	})
	for _, path := range []string{"/", "/market/binance/ETHUSDT/1m", "/market", "/completeness/x", "/collectors/7", "/collectors", "/system", "/data", "/assets/js/app.js"} {
		h.get(path).want(t, 200, "page "+path)
	}
	h.get("/docs/").problem(t, 404, "route_not_found")
	h.get("/datax").problem(t, 404, "route_not_found")
	h.post("/data", "{}").problem(t, 405, "method_not_allowed")
}

func TestTheStudioShowsTablesAndNothingElse(t *testing.T) {
	t.Parallel()
	db := filled(t)
	s := NewStudio(Config{Browser: db, Candles: db, Version: "1.2.3", Dashboard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "page "+r.URL.Path)
	})})
	h := &house{t: t, server: s, http: httptest.NewServer(s.Handler()), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	t.Cleanup(h.http.Close)
	h.get("/").want(t, 200, "page /")
	h.get("/assets/a.js").want(t, 200, "page /assets/a.js")
	if page := h.page("/api/data/collectors"); len(page.Rows) != 3 {
		t.Errorf("%v", page)
	}
	if r := h.get("/api/series"); r.status != 200 || !bytes.Contains([]byte(r.body), []byte("ETHUSDT")) {
		t.Errorf("%+v", r)
	}
	for _, path := range []string{"/api/system", "/api/collectors", "/api/events", "/api/candles", "/metrics", "/market/x", "/collectors"} {
		h.get(path).problem(t, 404, "route_not_found")
	}
	h.post("/api/collectors/stop", `{"id":1}`).problem(t, 404, "route_not_found")
}

func FuzzCursor(f *testing.F) {
	r := &rows{table: api.DataTable{Name: "gaps"}, browse: store.Browse{Table: store.TableGaps}}
	f.Add(r.cursor([]any{"binance", "ETHUSDT", int64(2), int64(-5)}))
	for _, text := range []string{`{"t":"gaps","a":[1.5]}`, `{"t":"gaps","a":[{}]}`, `{"t":"gaps","a":[1]} x`, `[]`, `{"t":"gaps","a":[9223372036854775808]}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		after, err := r.after(text)
		if err != nil || text == "" {
			return
		}
		again, err := r.after(r.cursor(after))
		if err != nil || !slices.Equal(after, again) {
			t.Fatalf("%q is read as %v, and written and read again as %v (%v)", text, after, again, err)
		}
	})
}
