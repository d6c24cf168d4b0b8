package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestEverythingGoesByKeyboardAlone starts a collector, looks at its chart and its calendar and stops it
// without a pointer.
func TestEverythingGoesByKeyboardAlone(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t, nil)
	server := s.serve(nil)
	p := b.open(t, server.url, look{})
	p.visit("/")
	p.shows("main", "Nothing is being collected")

	// The first step of the tabulator is a way past the navigation.
	p.press(kb.Tab)
	p.until("the way past the navigation is seen", "document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().top >= 0 && document.activeElement.innerText === 'Skip to content'")
	p.press(kb.Enter)
	p.until("it leads to the content", "document.activeElement.id === 'main'")

	p.tabTo("the form", "el.matches('.page-head button') && el.innerText.includes('Start collector')")
	p.press(kb.Enter)
	p.until("the field has the focus", "document.activeElement.matches('dialog [role=combobox]')")
	p.press(kb.Escape)
	p.until("the form is closed, and the focus is where it was", "document.querySelector('dialog') === null && document.activeElement.matches('.page-head button')")
	p.press(kb.Enter + "ETHU")
	p.until("symbols are offered", "document.querySelector('[role=listbox] [role=option]')?.dataset.value === 'ETHUSDT'")
	p.press(kb.ArrowDown)
	p.until("the first one is pointed at", "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.innerText === 'ETHUSDT'")
	p.press(kb.Enter)
	p.until("it is chosen", "document.activeElement.value === 'ETHUSDT'")
	p.tabTo("the timeframes", "el.matches('[name=timeframe]')")
	p.press(kb.ArrowRight + kb.ArrowLeft)
	p.until("one of them is chosen", "document.querySelector('[name=timeframe]:checked').value === '1m'")
	p.tabTo("the button", "el.matches('dialog [type=submit]')")
	p.press(kb.Enter)
	p.shows("tbody .c-state", "Live")
	p.until("the focus is not lost", "document.activeElement !== document.body")

	p.tabTo("the chart's link", "el.matches('tbody a') && el.ariaLabel?.startsWith('Chart of')")
	p.press(kb.Enter)
	p.shows(".market-state", "Live")
	p.until("the new page's heading has the focus", "document.activeElement.matches('h1')")
	p.tabTo("the chart", "el.matches('.market-chart')")
	const time = "document.querySelector('.legend-time dd').innerText"
	p.until("two candles are there", "document.querySelectorAll('.market-table tbody tr').length > 1")
	p.press(kb.ArrowLeft + kb.ArrowLeft)
	p.until("the crosshair stands on a closed candle", "!"+time+".includes('forming')")
	p.until("it is said", "/Open.*High.*Low.*Close/s.test(document.getElementById('announcer').textContent)")
	p.press(kb.Escape)
	p.until("the newest one is shown again", time+".includes('forming')")

	p.tabTo("the calendar's link", "el.matches('.market-card a') && el.innerText.includes('Completeness')")
	p.press(kb.Enter)
	p.tabTo("the newest day", "el.matches('.calendar-row a.day')")
	p.press(kb.ArrowLeft + kb.ArrowRight)
	p.until("the arrows go from day to day", "document.activeElement.matches('.calendar-row a.day[href]')")
	p.press(kb.Enter)
	p.until("Enter leads to the chart of the day", "location.pathname.startsWith('/market/') && location.search.startsWith('?at=')")

	p.visit("/")
	p.tabTo("the stop", "el.matches('tbody button') && el.ariaLabel === 'Stop ETHUSDT 1m'")
	p.press(kb.Enter)
	p.until("the focus is on what destroys nothing", "document.activeElement.matches('dialog footer button') && document.activeElement.innerText === 'Cancel'")
	p.press(kb.Tab)
	p.until("the next one stops", "document.activeElement.innerText === 'Stop collector'")
	p.press(kb.Enter)
	p.shows("main", "Nothing is being collected")
	p.until("the focus is not lost", "document.activeElement !== document.body")
}
