package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestTheDoorLetsInWhoHasAToken tries the login page with a wrong token, with one that may only read,
// and with one that may do everything.
func TestTheDoorLetsInWhoHasAToken(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	const full, read = "full-0123456789abcdef", "read-0123456789abcdef"
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("ops "+full+"\nguest "+read+" read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, nil)
	server := s.serve([]string{"VELADOR_TOKEN_FILE=" + tokens})
	if status, _, text := call(t, "POST", server.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"ETHUSDT"}`, "Authorization", "Bearer "+full); status != 200 {
		t.Fatalf("%d %s", status, text)
	}

	p := b.open(t, server.url, look{})
	p.meant("401") // the answer to a wrong token
	p.visit("/system")
	p.shows("h1", "Sign in to velador")
	p.until("the field has the focus", "document.activeElement.id === 'token'")
	p.press("wrong-0123456789abcdef" + kb.Enter)
	p.shows("[role=alert]", "That token is not valid.")
	p.until("the token is not in the page", "!document.documentElement.outerHTML.includes('wrong-0123456789abcdef') && location.search === ''")

	// Who may only read sees everything and is offered no change; one asked for all the same is refused in words.
	p.press(read + kb.Enter)
	p.shows("main h1", "System")
	p.until("the page that was wanted is shown", "location.pathname === '/system'")
	p.shows("#link-state", "read only")
	p.click("nav a", "Collectors")
	p.shows("tbody .c-market", "ETHUSDT")
	p.until("no change is offered", "![...document.querySelectorAll('.page-head button, main tbody button')].some((el) => el.checkVisibility() && /start|stop/i.test(el.innerText + el.ariaLabel))")
	p.click("tbody .symbol", "ETHUSDT")
	p.shows("h1", "ETHUSDT")
	p.until("nor on the collector's own page", "document.querySelector('.log-lines') !== null && ![...document.querySelectorAll('.page-head button')].some((el) => el.checkVisibility())")
	p.meant("403")
	p.str("fetch('/api/collectors/stop', {method: 'POST', headers: {'Content-Type': 'application/json', 'Accept-Language': 'en'}, body: '{\"id\":1}'}).then((a) => a.json()).then((a) => window.refused = a.error)")
	p.until("it is refused in words", "window.refused?.includes('read-only')")
	if cookies := p.str("document.cookie"); cookies != "" {
		t.Errorf("a script reads the cookie %q", cookies)
	}

	leave := func() {
		t.Helper()
		p.click(".top button", "Sign out")
		p.shows("h1", "Sign in to velador")
		p.visit("/market")
		p.shows("h1", "Sign in to velador")
	}
	leave()
	p.until("the door keeps what was wanted", "location.search === '?next=%2Fmarket'")
	p.press(full + kb.Enter)
	p.shows("main h1", "ETHUSDT")
	p.click("nav a", "Collectors")
	p.click("tbody button", "Stop ETHUSDT")
	p.click("dialog footer button", "Stop")
	p.shows("main", "Nothing is being collected")
	leave()
}
