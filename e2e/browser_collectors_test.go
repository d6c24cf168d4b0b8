package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestACollectorIsStartedWatchedAndStoppedInTheBrowser goes the way of somebody who has just opened the
// dashboard: start a collector, see it in the table, watch its chart, stop it.
func TestACollectorIsStartedWatchedAndStoppedInTheBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil)
	server := s.serve(nil)
	p := b.open(t, server.url, look{})
	p.visit("/")
	p.shows("main", "Nothing is being collected")
	p.str("window.never = 'loaded again'")

	p.click(".page-head button", "Start")
	p.press("ETHU")
	p.until("the exchange's symbols are offered", "document.querySelector('[role=listbox] [role=option]')?.dataset.value === 'ETHUSDT'")
	p.press(kb.ArrowDown + kb.Enter)
	p.until("the symbol is chosen", "document.activeElement.value === 'ETHUSDT'")
	p.click("dialog label", "24")
	p.click("dialog button[type=submit]", "")
	p.until("the form is closed", "document.querySelector('dialog') === null")
	p.shows("tbody .c-market", "ETHUSDT")
	p.shows("tbody .c-state", "Live")
	pid := pidOf(t, server, "ETHUSDT", "1m")
	p.shows("tbody .c-pid", fmt.Sprint(pid))
	candle := p.str("document.querySelector('tbody .c-candle').innerText")
	p.until("the last candle moves on", fmt.Sprintf("document.querySelector('tbody .c-candle').innerText !== %q", candle))

	// The chart moves: the candle that forms, and then the next one.
	p.click("tbody a", "Chart of ETHUSDT")
	p.shows(".market-state", "Live")
	p.shows(".legend-time", "forming")
	const picture = "[...document.querySelectorAll('.market-chart canvas')].map((c) => c.toDataURL()).join()"
	p.str("window.before = {picture: " + picture + ", time: document.querySelector('.legend-time dd').innerText, close: document.querySelector('.legend-close dd').innerText}")
	p.until("the candle that forms changes", "document.querySelector('.legend-time dd').innerText === before.time ? document.querySelector('.legend-close dd').innerText !== before.close : (before.time = document.querySelector('.legend-time dd').innerText, before.close = document.querySelector('.legend-close dd').innerText, false)")
	p.until("the next candle begins", "document.querySelector('.legend-time dd').innerText.includes('forming') && document.querySelector('.legend-time dd').innerText > before.time")
	p.until("no candle is missing in between", "!document.querySelector('.market-keys').innerText.includes('missing')")
	p.until("the chart is drawn anew", picture+" !== before.picture")

	// A stop asks first.
	p.click("nav a", "Collectors")
	stop := func() {
		t.Helper()
		p.click("tbody button", "Stop")
		p.shows("dialog", "ETHUSDT")
	}
	stop()
	p.click("dialog footer button", "Cancel")
	p.until("the dialog is closed", "document.querySelector('dialog') === null")
	if !alive(pid) {
		t.Error("the collector was stopped by a question")
	}
	stop()
	p.click("dialog footer button", "Stop")
	p.until("the table is empty", "document.querySelector('tbody .c-market') === null")
	p.shows("main", "Nothing is being collected")
	eventually(t, "its process has ended", 20*time.Second, func() bool { return !alive(pid) })
	if p.str("window.never") != "loaded again" {
		t.Error("the page was loaded again")
	}
}
