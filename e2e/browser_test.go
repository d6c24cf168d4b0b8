package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take until it shows what it is waited for: others are at work too.
const patience = 60 * time.Second

// browser is a Chromium without a window, in a profile of its own.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser starts one. It ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	if raceEnabled {
		t.Skip("pages are looked at without the race detector: it finds nothing in a browser, and slows what is looked at")
	}
	profile, err := os.MkdirTemp(t.TempDir(), "profile-")
	if err != nil {
		t.Fatal(err)
	}
	// chromedp's own options switch off more than that; the page shall meet the browser that people have.
	allocator, end := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(profile), chromedp.Headless,
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true))
	ctx, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it may have ended by itself
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return &browser{t: t, ctx: ctx}
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatal("Chromium is not installed")
	}
	t.Skip("Chromium is not installed: nobody looks at the pages")
	return ""
}

// look is how somebody looks at pages: in which language, by day or night, on what.
type look struct {
	language string // as browsers send it; "": English
	dark     bool
	phone    bool
}

// tab is one of them, and all that went wrong in it: a request to another host, an error, a breach of the
// page's policy. Anything of that fails the test in the end.
type tab struct {
	t    *testing.T
	ctx  context.Context
	home string // the address of the server

	mu     sync.Mutex
	faults []string
	known  []string // parts of faults that are meant to happen
}

// open opens a tab with cookies of its own.
func (b *browser) open(t *testing.T, home string, as look) *tab {
	t.Helper()
	p := &tab{t: t, home: home}
	ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	if p.ctx = ctx; chromedp.Do(ctx) != nil {
		t.Fatal("Chromium opens no tab")
	}
	if as.language == "" {
		as.language = "en-GB,en"
	}
	width, height, scale := int64(1360), int64(850), 1.0
	if as.phone {
		width, height, scale = 390, 844, 2
	}
	agent := strings.ReplaceAll(p.str("navigator.userAgent"), "Headless", "")
	order(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: as.language})
	order(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: mediaOf(as.dark)})
	order(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: scale, Mobile: as.phone})
	order(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: as.phone})
	t.Cleanup(func() {
		if t.Failed() {
			p.shot(strings.NewReplacer("/", "-").Replace(t.Name()) + "-failed")
			t.Logf("the page is %s:\n%s", p.str("location.href"), p.str("document.body.innerText"))
		}
		leave()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, fault := range p.faults {
			if !slices.ContainsFunc(p.known, func(part string) bool { return strings.Contains(fault, part) }) {
				t.Errorf("in the browser: %s", fault)
			}
		}
	})
	return p
}

// mediaOf is what a system says that its reader likes: by day or by night, and nothing that moves.
func mediaOf(dark bool) []*emulation.MediaFeature {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
}

// hear notes what must not happen on any page.
func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !p.ours(e.Request.URL) {
			p.fault("a request to another host: %s", e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		p.fault("a WebSocket: %s", e.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, arg := range e.Args {
				words = append(words, string(arg.Value)+arg.Description)
			}
			p.fault("console.%s: %s", e.Type, strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		p.fault("an exception that nobody caught: %s", e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.fault("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
}

// ours tells whether an address is the server's, or none that leaves the page.
func (p *tab) ours(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch parsed.Scheme {
	case "data", "blob", "about":
		return true
	}
	return parsed.Scheme+"://"+parsed.Host == p.home
}

func (p *tab) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// meant tells that a fault with this in it is what the test is about.
func (p *tab) meant(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = append(p.known, part)
}

// do lets the browser do something.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// order gives the browser a command of its protocol.
func order[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// visit goes to a page of the server, and waits until it stands.
func (p *tab) visit(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.home + path))
	p.until(path+" stands", "document.querySelector('main h1') !== null && document.querySelector('main .skeleton:not([hidden] *)') === null")
}

// str evaluates an expression whose value is a text; what it fails with is a text too.
func (p *tab) str(expression string) string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		return err.Error()
	}
	return text
}

// until waits until an expression is true. A page that is being left may fail to say so.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		said := p.str("Boolean(" + expression + ")")
		if said == "true" {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("after %s the page does not show that %s: %s is %s", patience, what, expression, said)
		}
		time.Sleep(30 * time.Millisecond) // between two looks at another process
	}
}

// shows waits until the text of an element contains words.
func (p *tab) shows(selector, words string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s says %q", selector, words), fmt.Sprintf("document.querySelector(%q)?.innerText.replace(/\\s+/g, ' ').includes(%q)", selector, words))
}

// click presses the one visible element that a selector and words in it or in its name describe.
func (p *tab) click(selector, words string) {
	p.t.Helper()
	const mark = "data-test-here"
	p.until(fmt.Sprintf("there is one %s with %q", selector, words), fmt.Sprintf(`(() => {
		document.querySelector('[%[1]s]')?.removeAttribute('%[1]s')
		const fits = [...document.querySelectorAll(%[2]q)].filter((el) => el.checkVisibility() && !el.disabled && (el.innerText + ' ' + (el.ariaLabel ?? '')).includes(%[3]q))
		fits[0]?.setAttribute('%[1]s', '')
		return fits.length === 1
	})()`, mark, selector, words))
	p.do(chromedp.Click(chromedp.CSS("[" + mark + "]")))
	p.do(chromedp.MouseEvent("mouseMoved", 1, 1)) // what comes next is not under the pointer
}

// press strikes keys: a text, or those of package kb. A key that makes a character does so with its
// keydown, as a keyboard's does: who prevents the one prevents the other.
func (p *tab) press(keys string, modifiers ...chromedp.KeyOption) {
	p.t.Helper()
	for _, key := range keys {
		events := kb.Encode(key)
		down, up := events[0], events[len(events)-1]
		if len(events) == 3 {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		for _, event := range []*input.DispatchKeyEventParams{down, up} {
			for _, modify := range modifiers {
				modify(event)
			}
			order(p, input.DispatchKeyEvent, *event)
		}
	}
}

// tabTo presses the tabulator until the focus is where an expression says, as somebody without a
// pointer would.
func (p *tab) tabTo(what, expression string) {
	p.t.Helper()
	for range 60 {
		if p.str("Boolean(((el) => "+expression+")(document.activeElement))") == "true" {
			return
		}
		p.press(kb.Tab)
	}
	p.t.Fatalf("sixty steps of the tabulator do not lead to %s", what)
}

// shot keeps a picture of the page where VELADOR_ARTIFACTS names a folder.
func (p *tab) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("VELADOR_ARTIFACTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	err = errors.Join(err, os.MkdirAll(dir, 0o755))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600)
	}
	if err != nil {
		p.t.Errorf("the picture %s cannot be kept: %v", name, err)
	}
}

// TestTheBrowserTellsWhatAPageMayNot holds those who watch the pages to their word: what would fail the
// other tests is done on purpose.
func TestTheBrowserTellsWhatAPageMayNot(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	server := serve(t, nil)
	p := b.open(t, server.url, look{})
	p.visit("/system")
	heard := func(part, expression string) {
		t.Helper()
		p.meant(part)
		p.str(expression)
		eventually(t, part+" is heard", patience, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return slices.ContainsFunc(p.faults, func(fault string) bool { return strings.Contains(fault, part) })
		})
	}
	heard("console.error: \"alas\"", "console.error('alas')")
	heard("an exception that nobody caught", "setTimeout(() => { throw new Error('alas') })")
	heard("script-src 'self'", "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.pwned = true'}))")
	p.meant("Fetch API cannot load") // the same once more, in other words
	heard("connect-src 'self'", "fetch('http://127.0.0.1:1/').catch(() => {})")
	heard("status of 404", "fetch('/api/nothing')")
	if p.str("window.pwned") != "undefined" {
		t.Error("a script that stands in the page was run")
	}
	p.meant("Failed to load resource")
	heard("a request to another host", "void (location.href = 'http://127.0.0.1:1/')")
}
