package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTheChartGoesBackThroughAYear pans to the first candle that is stored, reads values off the
// crosshair, and looks at a stretch that the exchange has no candles of.
func TestTheChartGoesBackThroughAYear(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil)
	server := s.serve(nil)
	start(t, server, `{"timeframe":"1h","symbol":"BTCUSDT","since":"400d"}`)
	start(t, server, `{"timeframe":"1d","symbol":"BTCUSDT","since":"400d"}`)
	var coverage struct {
		First int64
		Gaps  []struct {
			State    string
			From, To int64
		}
	}
	const hourly = "exchange=binance&symbol=BTCUSDT&timeframe=1h"
	eventually(t, "a year is stored, and what the exchange lacks is proved", 90*time.Second, func() bool {
		_, _, text := call(t, "GET", server.url+"/api/coverage?"+hourly, "")
		if err := json.Unmarshal(text, &coverage); err != nil {
			t.Fatal(err)
		}
		return len(coverage.Gaps) > 0 && coverage.Gaps[0].State == "absent" && object(t, text)["present"].(float64) > 9500
	})
	p := b.open(t, server.url, look{})
	p.visit("/market/binance/BTCUSDT/1h")
	p.shows(".market-state", "Live")
	p.tabTo("the chart", "el.matches('.market-chart')")
	first := time.UnixMilli(coverage.First).UTC().Format("2006-01-02 15:04")
	const oldest = "/candles from (.{16})/.exec(document.querySelector('main .sr-only[id]').textContent)?.[1]"
	for held := p.str(oldest); held != first; held = p.str(oldest) {
		p.press(kb.Home)
		p.until("what is older than "+held+" is loaded", fmt.Sprintf("%s !== %q", oldest, held))
	}
	p.press(kb.Home)
	p.shows(".legend-time", first)
	var asked []string
	if err := json.Unmarshal([]byte(p.str("JSON.stringify(performance.getEntriesByType('resource').map(({name}) => name).filter((name) => name.includes('/api/candles?')))")), &asked); err != nil {
		t.Fatal(err)
	}
	for _, address := range asked {
		if parsed, err := url.Parse(address); err != nil || parsed.Query().Get("limit") != "1000" {
			t.Errorf("it asked for %s", address)
		}
	}
	if len(asked) < 9 || len(asked) > 15 {
		t.Errorf("it asked %d times for 9,600 candles", len(asked))
	}

	// What the crosshair says is what is stored, every digit.
	status, _, text := call(t, "GET", fmt.Sprintf("%s/api/candles?%s&from=%d&limit=1", server.url, hourly, coverage.First), "")
	stored := object(t, text)["candles"].([]any)[0].(map[string]any)
	if status != 200 || int64(stored["openTime"].(float64)) != coverage.First {
		t.Fatalf("%d %s", status, text)
	}
	for _, key := range []string{"open", "high", "low", "close", "volume"} {
		said := strings.ReplaceAll(p.str("document.querySelector('.legend-"+key+" dd').innerText"), ",", "")
		if want := stored[key].(string); strings.TrimRight(said, "0.") != strings.TrimRight(want, "0.") {
			t.Errorf("%s is %s on the chart, and %s in the store", key, said, want)
		}
	}

	// A day is jumped to; where the exchange has no candles the chart has none, and the pointer is told so.
	gap := time.UnixMilli(coverage.Gaps[0].From).UTC()
	p.visit("/market/binance/BTCUSDT/1h?at=" + gap.Format(time.DateOnly))
	p.shows(".market-state", "Live")
	var box struct{ Left, Top, Width, Height float64 }
	if err := json.Unmarshal([]byte(p.str("JSON.stringify((({left, top, width, height}) => ({left, top, width, height}))([...document.querySelectorAll('.market-chart canvas')].sort((a, b) => b.clientWidth * b.clientHeight - a.clientWidth * a.clientHeight)[0].getBoundingClientRect()))")), &box); err != nil {
		t.Fatal(err)
	}
	at := box.Left + box.Width*(float64(20+gap.Hour())+0.5)/150 // the page shows 150 bars, and begins 20 before the day
	p.do(chromedp.MouseEvent("mouseMoved", at-30, box.Top+box.Height/2), chromedp.MouseEvent("mouseMoved", at, box.Top+box.Height/2))
	p.shows(".legend-time", gap.Format("2006-01-02 15:04"))
	p.shows(".market-legend", "the exchange has none")
	p.shot("market-absent")

	p.click(".market-card .segments button", "1d")
	p.until("the other timeframe is shown", "location.pathname === '/market/binance/BTCUSDT/1d' && location.search === ''")
	p.shows(".market-state", "Live")
	p.shows(".legend-time", "00:00:00 forming")
}

// TestTablesAreBrowsedAndTakenAlong filters, sorts and turns the pages of the database's tables, and
// takes one as CSV.
func TestTablesAreBrowsedAndTakenAlong(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil, "--speed", "1")
	server := s.serve(nil)
	start(t, server, `{"timeframe":"5m","symbol":"ETHUSDT,BTCUSDT","since":"1d"}`)
	for _, symbol := range []string{"ETHUSDT", "BTCUSDT"} {
		eventually(t, symbol+" is stored", 60*time.Second, func() bool {
			_, _, text := call(t, "GET", server.url+"/api/coverage?timeframe=5m&symbol="+symbol, "")
			return object(t, text)["present"].(float64) >= 287
		})
	}
	p := b.open(t, server.url, look{})
	p.visit("/data")
	p.shows(".data-table tbody", "ETHUSDT,BTCUSDT")
	p.click("main .segments button", "Candles")
	p.shows(".data-none", "Choose a symbol and a timeframe")
	field := func(label string) string {
		return fmt.Sprintf("[...document.querySelectorAll('.data-filters label')].find((el) => el.innerText === %q).control", label)
	}
	choose := func(label, value string) { // native widgets draw outside of the page
		p.str(fmt.Sprintf("(%[1]s.value = %[2]q, %[1]s.dispatchEvent(new Event('change', {bubbles: true})))", field(label), value))
	}
	p.tabTo("the symbol", "el === "+field("Symbol, exactly"))
	p.press("ETHUSDT")
	choose("Timeframe", "5m")
	p.shows(".data-foot", "Rows 1 to 50")
	const firstRow = "document.querySelector('.data-table tbody tr').innerText"
	oldest := p.str(firstRow)
	p.click(".data-table th button", "Open time")
	p.until("it is sorted", "document.querySelector('th[aria-sort=ascending]') !== null")
	p.click(".data-table th button", "Open time")
	p.until("it is sorted the other way", fmt.Sprintf("document.querySelector('th[aria-sort=descending]') !== null && %s !== %q", firstRow, oldest))
	newest := p.str(firstRow)
	p.click(".data-foot button", "Next")
	p.shows(".data-foot", "Rows 51 to 100")
	p.until("other rows are shown", fmt.Sprintf("%s !== %q", firstRow, newest))
	p.click(".data-foot button", "Previous")
	p.until("the first page is shown again", fmt.Sprintf("%s === %q", firstRow, newest))

	address := p.str("document.querySelector('.data-foot a').href")
	status, header, csv := call(t, "GET", address, "")
	lines := strings.Split(strings.TrimSpace(string(csv)), "\n")
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || len(lines) < 288 || !strings.HasPrefix(lines[0], "open") {
		t.Errorf("%s is answered with %d, %v and %d lines, the first of them %s", address, status, header, len(lines), lines[0])
	}
	// What is chosen stands in the address: it can be kept and handed on.
	p.visit(strings.TrimPrefix(p.str("location.href"), server.url))
	p.until("the same rows are shown", fmt.Sprintf("document.querySelector('.data-table tbody tr') && %s === %q", firstRow, newest))
	p.click("main .segments button", "Series")
	p.until("both series are listed", "document.querySelectorAll('.data-table tbody tr').length === 2")
	choose("Timeframe", "1m")
	p.shows(".data-none", "No row fits")
}

// TestACollectorsPageTellsItsLife has a collector killed, and then started anew by its page's button.
func TestACollectorsPageTellsItsLife(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil)
	server := s.serve(nil)
	pid := start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT"}`)
	s.attended(server, 1)
	p := b.open(t, server.url, look{})
	p.visit("/")
	p.click("tbody button", "Log of ETHUSDT")
	p.shows("dialog .log-lines", "collecting")
	p.click("dialog a", "Everything about this collector")
	p.shows("h1", "ETHUSDT · 1m")
	p.shows(".collector-facts", fmt.Sprintf("PID %d", pid))
	p.shows(".series-table", "ETHUSDT")
	p.until("its line has one life, which lasts", "document.querySelectorAll('.life-bar').length === 1 && document.querySelector('.life-bar[data-kind=running]') !== null")
	const lines = "[...document.querySelectorAll('.log-lines p')].filter((line) => line.textContent.includes('collecting')).length" // also of those out of sight
	p.until("its log is there", lines+" === 1")

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.until("its line shows the crash", "document.querySelector('.life-bar[data-kind=crash]') !== null && document.querySelector('.life-crash') !== null")
	p.until("a new life has begun", "document.querySelector('.life-bar[data-kind=running]') !== null")
	p.click(".lives summary", "As a list")
	p.shows(".lives tbody", "SIGKILL")
	p.until("the log goes on with what the new process says", lines+" === 2")
	p.shows(".title-line", "Live")

	again := pidOf(t, server, "ETHUSDT", "1m")
	p.click(".page-head button", "Restart")
	p.shows("dialog", fmt.Sprintf("PID %d", again))
	p.click("dialog footer button", "Restart collector")
	p.until("there are three lives", "document.querySelectorAll('.lives tbody tr').length === 3")
	p.shows(".lives tbody", "restarted on request")
	p.click(".page-head button", "Stop")
	p.click("dialog footer button", "Stop collector")
	p.shows(".title-line", "Stopped")
	p.until("it can be started again", "[...document.querySelectorAll('.page-head button')].some((el) => el.checkVisibility() && el.innerText.includes('Start'))")
	p.shows("#link-state", "Live")
}
