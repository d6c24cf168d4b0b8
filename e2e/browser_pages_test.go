package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shown is a page of the dashboard, by a name for its pictures.
type shown struct {
	name, path string
	ready      string // an expression that is true when it has something to show
	english    string // its heading
	spanish    string
}

// all are the pages, of a site that furnish has filled.
var all = []shown{
	{"collectors", "/", "document.querySelectorAll('tbody .c-market').length === 6 && [...document.querySelectorAll('.c-memory')].slice(1).every((el) => el.innerText.includes('MiB'))", "Collectors", "Collectors"},
	{"market", "/market/binance/ETHUSDT/1m", "/Live|En vivo/.test(document.querySelector('.market-state')?.innerText)", "ETHUSDT", "ETHUSDT"},
	{"completeness", "/completeness", "document.querySelectorAll('tbody tr').length > 5", "Completeness", "Completitud"},
	{"calendar", "/completeness/binance/XRPUSDT/15m", "document.querySelectorAll('.calendar-year').length > 1 && document.querySelector('.calendar-row .day[data-state=partly]')", "XRPUSDT", "XRPUSDT"},
	{"collector", "/collectors/1", "document.querySelector('.series-table tbody tr') && document.querySelector('.log-lines p')", "ETHUSDT", "ETHUSDT"},
	{"data", "/data", "document.querySelectorAll('.data-table tbody tr').length === 6", "Data", "Datos"},
	{"candles", "/data?table=candles&symbol=BTCUSDT&timeframe=1h&sort=openTime&order=desc", "document.querySelectorAll('.data-table tbody tr').length === 50", "Data", "Datos"},
	{"system", "/system", "document.querySelector('.system:not([hidden]) .parts li')", "System", "Sistema"},
	{"nothing", "/collectors/4711", "document.querySelector('main .empty')", "There is no such collector", "No existe ese collector"},
}

// furnish has a server collect what a reader would: several symbols and timeframes, with a year behind them.
func furnish(t *testing.T) (*site, *program) {
	t.Helper()
	s := newSite(t, nil, "--speed", "60")
	server := s.serve(nil)
	for _, body := range []string{
		`{"timeframe":"1m","symbol":"ETHUSDT","since":"3d"}`, `{"timeframe":"1h","symbol":"BTCUSDT","since":"420d"}`, `{"timeframe":"5m","symbol":"SOLUSDT,BNBUSDT","since":"3d"}`,
		`{"timeframe":"15m","symbol":"XRPUSDT","since":"420d"}`, `{"timeframe":"1d","symbol":"ETHUSDT","since":"420d"}`, `{"timeframe":"4h","symbol":"*BTC","since":"60d"}`,
	} {
		start(t, server, body)
	}
	for query, least := range map[string]float64{"symbol=ETHUSDT&timeframe=1m": 4300, "symbol=BTCUSDT&timeframe=1h": 10000, "symbol=XRPUSDT&timeframe=15m": 40000, "symbol=ETHUSDT&timeframe=1d": 415} {
		eventually(t, query+" is stored, and what the exchange lacks is proved", 2*time.Minute, func() bool {
			_, _, text := call(t, "GET", server.url+"/api/coverage?"+query, "")
			c := object(t, text)
			open := slices.ContainsFunc(c["gaps"].([]any), func(gap any) bool { return gap.(map[string]any)["state"] == "open" })
			return c["present"].(float64) >= least && !open
		})
	}
	return s, server
}

// TestEveryPageIsFitToBeSeen looks at all pages by day and by night, on a desk and on a phone, in both
// languages, and has axe judge how they are for those who do not look.
func TestEveryPageIsFitToBeSeen(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	b := newBrowser(t)
	s, server := furnish(t)
	t.Run("on a desk", func(t *testing.T) {
		p := b.open(t, server.url, look{})
		p.bring(axe)
		for _, each := range all {
			p.see(each)
			for _, dark := range []bool{false, true} {
				p.theme(dark)
				p.judged(each.name, dark)
				p.shot(fmt.Sprintf("%s-%s", each.name, nightOr(dark)))
			}
		}
		p.visit("/")
		p.click(".page-head button", "Start")
		p.press("BTC")
		p.until("symbols are offered", "document.querySelector('[role=option]') !== null")
		for _, dark := range []bool{false, true} {
			p.theme(dark)
			p.judged("start", dark)
			p.shot("start-" + nightOr(dark))
		}
		p.visit("/")
		p.click("tbody button", "Stop XRPUSDT")
		p.judged("stop", true)
		p.shot("stop-dark")
	})
	t.Run("on a phone", func(t *testing.T) {
		p := b.open(t, server.url, look{phone: true})
		p.bring(axe)
		for _, each := range all {
			p.see(each)
			for _, dark := range []bool{true, false} {
				p.theme(dark)
				p.shot(fmt.Sprintf("%s-phone-%s", each.name, nightOr(dark)))
			}
			p.judged(each.name, false)
			p.fits(each.name)
		}
		p.visit("/")
		p.click(".page-head button", "Start")
		p.judged("start", false)
		p.fits("start")
		p.shot("start-phone-light")
	})
	t.Run("in Spanish", func(t *testing.T) {
		p := b.open(t, server.url, look{language: "es-ES,es;q=0.9,en;q=0.8"})
		for _, each := range all {
			p.see(each)
			p.spoken("es", each.name, each.spanish)
			p.shot(each.name + "-es")
		}
		p.click("nav a", "Collectors")
		p.click("tbody button", "Reiniciar XRPUSDT")
		p.click("dialog footer button", "Reiniciar")
		p.shows(".toasts", "XRPUSDT") // the server's own sentence
		p.until("the server speaks Spanish too", "/reiniciado/i.test(document.querySelector('.toasts').innerText)")
		// Who chooses a language has it for good.
		p.click(".top button", "ES")
		p.until("the page speaks English", "document.documentElement.lang === 'en'")
		p.visit("/system")
		p.spoken("en", "system", "System")
	})
	t.Run("in a language that it does not speak", func(t *testing.T) {
		p := b.open(t, server.url, look{language: "fr-FR,fr"})
		p.see(all[0])
		p.spoken("en", "collectors", "Collectors")
	})
	t.Run("the door", func(t *testing.T) {
		door := serve(t, []string{"VELADOR_TOKEN=full-0123456789abcdef"})
		p := b.open(t, door.url, look{})
		p.bring(axe)
		p.meant("401") // the answer to a wrong token
		p.visit("/")
		p.press("wrong" + kb.Enter)
		p.shows("[role=alert]", "That token is not valid.")
		for _, dark := range []bool{false, true} {
			p.theme(dark)
			p.judged("login", dark)
			p.shot("login-" + nightOr(dark))
		}
		phone := b.open(t, door.url, look{language: "es", phone: true, dark: true})
		phone.visit("/")
		phone.spoken("es", "login", "Entrar en velador")
		phone.fits("login")
		phone.shot("login-phone-dark")
		// Its sentences are the server's, and so is the language that it says they are in.
		phone.str("localStorage.setItem('velador.language', 'en')")
		phone.visit("/login")
		phone.spoken("es", "login", "Entrar en velador")
		stranger := b.open(t, door.url, look{language: "fr-FR,fr"})
		stranger.visit("/")
		stranger.spoken("en", "login", "Sign in to velador")
	})
	t.Run("the studio", func(t *testing.T) {
		studio := run(t, environ(s.env...), "db", "studio", "--port", "0")
		p := b.open(t, studio.url, look{})
		p.bring(axe)
		each := shown{"studio", "/", "document.querySelectorAll('.data-table tbody tr').length === 6", "Data", "Datos"}
		p.see(each)
		for _, dark := range []bool{false, true} {
			p.theme(dark)
			p.judged(each.name, dark)
			p.shot("studio-" + nightOr(dark))
		}
		p.until("nothing but the data is offered", "document.querySelectorAll('nav li').length === 1 && [...document.querySelectorAll('a')].every((el) => !el.checkVisibility() || el.pathname !== '/docs')")
		phone := b.open(t, studio.url, look{phone: true})
		phone.see(each)
		phone.fits(each.name)
	})
}

// see goes to a page and waits until it has something to show.
func (p *tab) see(each shown) {
	p.t.Helper()
	if each.name == "nothing" {
		p.meant("404")
	}
	p.visit(each.path)
	p.until(each.name+" has something to show", each.ready)
}

// theme changes what the system says that it likes; the page follows.
func (p *tab) theme(dark bool) {
	p.t.Helper()
	order(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: mediaOf(dark)})
	p.until("the page is "+nightOr(dark), fmt.Sprintf("(([r, g, b]) => Number(r) + Number(g) + Number(b) < 384)(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)) === %t", dark))
	// Until it is painted, some of its parts may still be told in the old colours.
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[chromedp.Void]("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))", chromedp.EvalAwaitPromise)); err != nil {
		p.t.Fatalf("the page is not painted: %v", err)
	}
}

func nightOr(dark bool) string {
	if dark {
		return "dark"
	}
	return "light"
}

// fits tells that nobody has to scroll sideways.
func (p *tab) fits(name string) {
	p.t.Helper()
	if over := p.str("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over != "0" {
		p.t.Errorf("%s is %s px wider than a phone: %s", name, over, p.str(`[...document.querySelectorAll('body *')].filter((el) => el.getBoundingClientRect().right > innerWidth + 1).map((el) => el.tagName + '.' + el.className).slice(0, 5).join(', ')`))
	}
}

// spoken tells that a page speaks a language and no other: its heading, and no key stands where a
// sentence should.
func (p *tab) spoken(lang, name, heading string) {
	p.t.Helper()
	p.until("the heading of "+name+" is "+heading, fmt.Sprintf("document.documentElement.lang === %q && document.querySelector('h1').innerText.startsWith(%q)", lang, heading))
	if unfilled := p.str(`[...document.querySelectorAll('*')].flatMap((el) => [el.ariaLabel, el.title, ...[...el.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data)]).filter((text) => /\{\w+\}|undefined|NaN/.test(text ?? '')).join(' | ')`); unfilled != "" {
		p.t.Errorf("%s in %s shows %s", name, lang, unfilled)
	}
	if keys := p.str(`[...new Set(document.body.innerText.match(/\b[a-z]+(\.[a-zA-Z0-9]+){1,3}\b/g) ?? [])].filter((word) => /^(shell|nav|link|error|time|collectors|collector|start|stop|stopAll|restart|life|series|logs|system|market|completeness|data|phase|dialog|toast)\./.test(word)).join(' ')`); keys != "" {
		p.t.Errorf("%s in %s shows %s", name, lang, keys)
	}
}

// axeCore reads the judge of accessibility.
func axeCore(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("axe", "node_modules", "axe-core", "axe.min.js"))
	if err == nil {
		return string(text)
	}
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatal(err)
	}
	t.Skip("axe-core is not installed: \"npm ci\" in e2e/axe brings it")
	return ""
}

// bring has every page of the tab know a script. The protocol brings it past the page's policy, which
// lets no page do that.
func (p *tab) bring(script string) {
	p.t.Helper()
	order(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// judged has axe look at the page. What it calls serious or critical fails the test, but for what rules
// find that are excused.
func (p *tab) judged(name string, dark bool, excused ...string) {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ['violations']}).then(({violations}) => JSON.stringify(violations
		.map(({id, impact, help, nodes}) => ({id, impact, help, nodes: nodes.slice(0, 4).map(({target, failureSummary}) => target.join(' ') + ': ' + failureSummary)}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("axe does not judge %s: %v", name, err)
	}
	var findings []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(text), &findings); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range findings {
		words := fmt.Sprintf("%s, %s: %s (%s, %s)\n%s", name, nightOr(dark), f.Help, f.ID, f.Impact, strings.Join(f.Nodes, "\n"))
		if (f.Impact == "serious" || f.Impact == "critical") && !slices.Contains(excused, f.ID) {
			p.t.Error(words)
		} else {
			p.t.Log(words)
		}
	}
}
