package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestAGapAppearsAndClosesInTheCalendar has the exchange's stream lose candles while its history
// refuses, with the calendar open; a click there leads to the chart of that day.
func TestAGapAppearsAndClosesInTheCalendar(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil, "--from", "2026-03-02T10:00:00Z")
	control := func(method, path, body string) {
		t.Helper()
		if status, _, text := call(t, method, s.exchange.url+"/control/"+path, body); status/100 != 2 {
			t.Fatalf("%s %s: %d %s", path, body, status, text)
		}
	}
	control("POST", "clock", `{"do":"step","step":"80m"}`) // past the halt that every generated market has in its first hour
	server := s.serve(nil)
	start(t, server, `{"timeframe":"1m","symbol":"ETHUSDT"}`)
	s.attended(server, 1)

	p := b.open(t, server.url, look{})
	p.visit("/completeness")
	p.click("tbody a", "ETHUSDT")
	p.shows(".verdict", "Every candle is stored")
	p.until("the day is complete", "document.querySelector('.calendar-row .day[data-state=complete]') !== null")
	p.str("window.never = 'loaded again'")

	control("POST", "faults", `{"kind":"rest-server-error","path":"/api/v3/klines"}`)
	control("POST", "faults", `{"kind":"stream-lost-close","symbol":"ETHUSDT","count":3}`)
	const open = ".calendar-row .day[data-state=open]"
	p.until("the gap is there", "document.querySelector('"+open+"') !== null")
	p.shows(".verdict", "missing and still asked for")
	p.shows(".page tbody", "Open")
	day := p.str("document.querySelector('" + open + "').dataset.date")
	p.until("the day says so in words", fmt.Sprintf("/\\d+ of [\\d,]+ missing and still asked for/.test(document.querySelector('%s')?.ariaLabel)", open))

	// On the chart it is a gap too, as wide as what is missing.
	p.click("header a", "Chart")
	p.shows(".market-state", "Live")
	p.tabTo("the chart", "el.matches('.market-chart')")
	for range 500 { // as many candles as may have come since
		if p.press(kb.ArrowLeft); p.str("document.querySelector('.market-legend').innerText.includes('missing, still asked for')") == "true" {
			break
		}
	}
	p.shows(".market-legend", "missing, still asked for")
	p.until("what the shade means is said", "document.querySelector('.market-keys li:not([hidden])')?.innerText === 'missing, still asked for'")
	p.until("the crosshair stays with its candle while others come", "document.querySelector('.legend-time dd').innerText === (window.held ??= document.querySelector('.legend-time dd').innerText) && document.querySelector('.market-table tbody tr').textContent !== (window.newest ??= document.querySelector('.market-table tbody tr').textContent)")
	p.shot("market-gap")
	p.click(".market-card a", "Completeness")
	p.until("the gap is still there", "document.querySelector('"+open+"') !== null")

	control("DELETE", "faults", "")
	closed := fmt.Sprintf(".calendar-row .day[data-date='%s'][data-state=repaired]", day)
	p.until("the gap has closed", fmt.Sprintf("document.querySelector(%q) !== null", closed))
	p.shows(".verdict", "Every candle is stored")
	p.until("the day says so in words", fmt.Sprintf("document.querySelector(%q)?.ariaLabel.includes('repaired')", closed))

	p.click(closed, "")
	p.until("the chart of the day is shown", fmt.Sprintf("location.pathname === '/market/binance/ETHUSDT/1m' && location.search === '?at=%[1]s' && document.querySelector('input[type=date]')?.value === '%[1]s'", day))
	p.shows(".market-state", "Live")
	if p.str("window.never") != "loaded again" {
		t.Error("the page was loaded again")
	}
}
