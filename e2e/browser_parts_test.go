package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/dashboard"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
	"velador/internal/store"
)

// parts is a server over parts in memory: it shows pages what a whole velador shows seldom, and not on
// request. What it is asked is counted, and an answer can be kept on its way.
type parts struct {
	t      *testing.T
	url    string
	fleet  *servertest.Fleet
	shelf  *shelf
	market *servertest.Market

	mu     sync.Mutex
	system api.SystemAnswer
	told   int // how often the system was told
	deaf   bool
	asked  map[string]int               // by path
	kept   []func(string) chan struct{} // give a channel for an address whose answer waits until it is closed
}

// monday is the first of the days that the shelf holds.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// newParts opens one with five days of ETHUSDT 1m.
func newParts(t *testing.T) *parts {
	t.Helper()
	p := &parts{
		t: t, fleet: servertest.NewFleet(time.Now, "ETHUSDT"), market: &servertest.Market{}, asked: map[string]int{},
		shelf: &shelf{all: servertest.Minutes("ETHUSDT", candle.MillisOf(monday), 5*24*60)},
		system: api.SystemAnswer{
			Version: "v1", StartedAt: api.Time{Time: monday}, Database: api.SystemDatabase{Kind: "sqlite", Up: true}, Bus: api.SystemBus{Connected: true},
			Gaps: &api.SystemGaps{}, Budgets: []api.SystemBudget{},
		},
	}
	s := server.New(server.Config{
		Fleet: p.fleet, Candles: p.shelf, Logs: servertest.NewLogs(), Dashboard: dashboard.Handler(), Browser: p.shelf, Market: p.market,
		System: func(context.Context) (api.SystemAnswer, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told++
			return p.system, nil
		},
	})
	over := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		var release chan struct{}
		for _, wants := range p.kept {
			if release == nil {
				release = wants(r.URL.RequestURI())
			}
		}
		deaf := p.deaf && r.URL.Path == "/api/candles/stream"
		p.mu.Unlock()
		if deaf {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if release == nil {
			s.Handler().ServeHTTP(w, r)
			return
		}
		made := httptest.NewRecorder() // the answer is that of the moment of the question
		s.Handler().ServeHTTP(made, r)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		maps.Copy(w.Header(), made.Header())
		w.WriteHeader(made.Code)
		_, _ = w.Write(made.Body.Bytes()) // the page may be gone
	}))
	t.Cleanup(func() {
		over.CloseClientConnections()
		over.Close()
	})
	p.url = over.URL
	return p
}

// keep has the next answer to an address with these words in it, and without those behind a !, wait until it is let go. begun tells that
// it waits.
func (p *parts) keep(words ...string) (begun func() bool, letGo func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	release := make(chan struct{})
	waits := false
	p.kept = append(p.kept, func(address string) chan struct{} {
		if waits || slices.ContainsFunc(words, func(word string) bool {
			rest, not := strings.CutPrefix(word, "!")
			return strings.Contains(address, rest) == not
		}) {
			return nil
		}
		waits = true
		return release
	})
	begun = func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return waits
	}
	return begun, sync.OnceFunc(func() { close(release) })
}

// deafen has no stream of candles begin, or lets them begin again.
func (p *parts) deafen(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// tell changes what the system says of itself.
func (p *parts) tell(change func(*api.SystemAnswer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.system)
}

// counted gives how often a path was asked for, and how often the system was told.
func (p *parts) counted(path string) (asked, told int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path], p.told
}

// collects starts the collector of ETHUSDT, which is live.
func (p *parts) collects() {
	p.t.Helper()
	r, err := p.fleet.Start(p.t.Context(), collector.Spec{Exchange: "binance", Selector: "ETHUSDT", Timeframe: candle.Minute1})
	if err != nil {
		p.t.Fatal(err)
	}
	p.fleet.Beats(r.ID, collector.Vitals{Phase: collector.PhaseLive})
}

// shelf holds candles to which others are added while it is read.
type shelf struct {
	mu  sync.Mutex
	all *servertest.Candles
}

// now gives what it holds at this moment.
func (s *shelf) now() *servertest.Candles {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &servertest.Candles{Series: s.all.Series, Stored: s.all.Stored, Gaps: s.all.Gaps}
}

// add stores the candle of the next minute.
func (s *shelf) add() candle.Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.all.Stored[len(s.all.Stored)-1]
	next.OpenTime, next.CloseTime = next.OpenTime+60_000, next.CloseTime+60_000
	s.all.Stored = append(slices.Clone(s.all.Stored), next) // others read the old list
	return candle.Range{From: next.OpenTime, To: next.OpenTime}
}

func (s *shelf) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	return s.now().EachCandle(ctx, q, yield)
}

func (s *shelf) Coverage(ctx context.Context, series candle.Series, r candle.Range) (store.Coverage, error) {
	return s.now().Coverage(ctx, series, r)
}

func (s *shelf) Days(ctx context.Context, series candle.Series, r candle.Range) ([]store.Day, error) {
	return s.now().Days(ctx, series, r)
}

// Browse lists the one series; the other tables are empty.
func (s *shelf) Browse(_ context.Context, q store.Browse) (store.Page, error) {
	if q.Table != store.TableSeries {
		return store.Page{}, nil
	}
	held := s.now()
	row := map[string]any{
		"exchange": "binance", "symbol": "ETHUSDT", "timeframe": "1m", "openGaps": int64(0), "absentGaps": int64(0),
		"first": int64(held.Stored[0].OpenTime), "last": int64(held.Stored[len(held.Stored)-1].OpenTime),
	}
	var page store.Page
	page.Rows = [][]any{nil}
	for _, c := range q.Table.Columns() {
		page.Rows[0] = append(page.Rows[0], row[c.Name])
	}
	return page, nil
}

// TestAPageSaysThatTheListCannotBeHad has the database go while a page is looked at, and another page be
// opened while it is away.
func TestAPageSaysThatTheListCannotBeHad(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	house := newParts(t)
	house.collects()
	p := b.open(t, house.url, look{})
	p.visit("/")
	p.shows(".verdict", "Everything is being collected.")
	away := problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, errors.New("secret"), "gone")
	house.fleet.Fail(away)
	p.shows(".verdict", "Whether everything is being collected is not known.")
	p.shows("#banner", "The collectors cannot be listed.")
	p.shows("#banner", "database")
	p.shows("#link-state", "Trouble")
	p.shows("tbody .c-market", "ETHUSDT") // what was known is still to be seen
	p.shot("trouble")
	house.fleet.Fail(nil)
	p.shows(".verdict", "Everything is being collected.")
	p.until("nothing is wrong any more", "document.getElementById('banner').hidden && document.getElementById('link-state').innerText === 'Live'")

	p.do(chromedp.Navigate("about:blank")) // the last one that watched takes along what was known
	house.fleet.Fail(away)
	p.visit("/")
	p.shows("main .empty", "The collectors cannot be listed")
	p.shows(".verdict", "is not known")
	p.shows(".collectors-tiles", "–")
	p.until("nothing is drawn as if it were about to come", "!document.querySelector('.list-loading').checkVisibility()")
	p.shot("trouble-first")
	p.click(".top button", "EN")
	p.shows("main .empty", "No se puede obtener la lista de collectors")
	p.until("the server's sentence is Spanish too", "/base de datos/.test(document.getElementById('banner').innerText)")
	house.fleet.Fail(nil)
	p.shows("tbody .c-market", "ETHUSDT")
	p.until("nothing is wrong any more", "document.getElementById('banner').hidden && !document.querySelector('main .empty').checkVisibility()")
}

// TestTheFiguresAreThoseThatTheirNamesSay holds each lag and each count of gaps against its label.
func TestTheFiguresAreThoseThatTheirNamesSay(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	house := newParts(t)
	house.collects()
	house.tell(func(a *api.SystemAnswer) {
		a.Writer = api.SystemWriter{Gaps: 40, Open: 31, Absent: 32, Repaired: 33, Rejected: 34, Lag: api.Lag{P50: 0.011, P99: 0.012, Max: 0.013}}
		a.Gaps = &api.SystemGaps{Open: 1, Absent: 2, Repaired: 3}
	})
	p := b.open(t, house.url, look{})
	pair := func(name string) string {
		return fmt.Sprintf("[...document.querySelectorAll('dt')].find((el) => el.innerText === %q)?.nextElementSibling.innerText.replace(/\\s/g, ' ')", name)
	}
	figure := func(name, want string) {
		t.Helper()
		p.until(name+" is "+want, fmt.Sprintf("%s === %q", pair(name), want))
	}
	p.visit("/system")
	figure("From close to stored (99 %)", "–")
	figure("From the bus to stored (99 %)", "12 ms")
	for name, want := range map[string]string{"Open": "1", "Absent at source": "2", "Repaired": "3", "Messages about gaps": "40", "Messages rejected": "34"} {
		figure(name, want)
	}
	p.visit("/")
	figure("Close to stored", "–")
	house.tell(func(a *api.SystemAnswer) { a.Writer.CloseLag = &api.Lag{P50: 0.5, P99: 0.9, Max: 4} })
	figure("Close to stored", "500 ms")
	p.shows(".collectors-tiles", "99 % within 900 ms")
	p.click("nav a", "System")
	figure("From close to stored (99 %)", "900 ms")
	p.shows(".system .figures", "half within 500 ms, the longest 4.00 s")
	figure("From the bus to stored (99 %)", "12 ms")
}

// TestAPageAsksAgainWhenSomethingWasStored lets the machinery tell of itself without that anything has
// changed, and then with it.
func TestAPageAsksAgainWhenSomethingWasStored(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	house := newParts(t)
	house.collects()
	for path, asks := range map[string]string{"/completeness": "/api/series", "/completeness/binance/ETHUSDT/1m": "/api/coverage"} {
		p := b.open(t, house.url, look{})
		p.visit("/system") // from here on what was stored is known
		p.shows(".system", "v1")
		before, _ := house.counted(asks)
		p.str(fmt.Sprintf("(history.pushState(null, '', %q), dispatchEvent(new PopStateEvent('popstate')))", path))
		p.until("it is shown", "document.querySelector('.page[data-page=completeness] :is(tbody tr, .calendar-row)') !== null")
		_, told := house.counted(asks)
		eventually(t, "the system is told four times more", patience, func() bool {
			_, now := house.counted(asks)
			return now >= told+4
		})
		if n, _ := house.counted(asks); n != before+1 {
			t.Errorf("while nothing was stored, %s asked %s %d times", path, asks, n-before)
		}
		house.shelf.add()
		house.tell(func(a *api.SystemAnswer) { a.Writer.New++ })
		eventually(t, path+" asks again", patience, func() bool {
			n, _ := house.counted(asks)
			return n == before+2
		})
	}
}

// TestADayIsWholeInTheTables asks for the candles from a day to the same day.
func TestADayIsWholeInTheTables(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	house := newParts(t)
	p := b.open(t, house.url, look{})
	p.visit("/data?table=candles&symbol=ETHUSDT&timeframe=1m&from=2026-03-03&to=2026-03-03")
	p.shows(".data-foot", "Rows 1 to 50")
	if _, _, csv := call(t, "GET", p.str("document.querySelector('.data-foot a').href"), ""); strings.Count(string(csv), "\n") != 1+24*60 {
		t.Errorf("a day has %d lines of CSV", strings.Count(string(csv), "\n"))
	}
	p.until("the day stands in the address, and in the form", "new URLSearchParams(location.search).get('to') === '2026-03-03' && document.querySelectorAll('.data-filters [type=date]')[1].value === '2026-03-03'")
}

// TestTheChartShowsWhatWasAskedForLast has answers overtake each other, and candles come while another
// stretch is under way.
func TestTheChartShowsWhatWasAskedForLast(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	house := newParts(t)
	day := func(n int) time.Time { return monday.AddDate(0, 0, n) }
	from := func(at time.Time) string { return fmt.Sprintf("from=%d", at.UnixMilli()) }
	before := func(at time.Time) string { return fmt.Sprintf("to=%d", at.UnixMilli()-1) }
	page := 1000 * time.Minute
	const loaded = "/candles from (.{16}) to (.{16})/.exec(document.querySelector('main .sr-only[id]').textContent)?.slice(1)"
	stands := func(p *tab, first, last time.Time) {
		t.Helper()
		const minute = "2006-01-02 15:04" // what is older may be loaded as well
		p.until(fmt.Sprintf("from %s to %s is loaded", first, last), fmt.Sprintf("((held) => held?.[0] <= %q && held[1] === %q)(%s)", first.Format(minute), last.Format(minute), loaded))
	}
	goTo := func(p *tab, at time.Time) {
		p.str(fmt.Sprintf("((field) => (field.value = %q, field.dispatchEvent(new Event('change'))))(document.querySelector('.market-tools input[type=date]'))", at.Format(time.DateOnly)))
	}
	const market, candles = "/market/binance/ETHUSDT/1m", "/api/candles"
	settle := func(p *tab) { // every answer is there, and what comes of it has been drawn
		t.Helper()
		asked, _ := house.counted(candles)
		p.until("every answer is there", fmt.Sprintf("performance.getEntriesByType('resource').filter(({name}) => name.includes('%s?')).length === %d", candles, asked))
		p.str("(window.painted = 0, requestAnimationFrame(function frame() { if (++window.painted < 5) requestAnimationFrame(frame) }))")
		p.until("it is painted", "window.painted === 5")
	}

	p := b.open(t, house.url, look{})
	p.visit(market + "?at=" + day(2).Format(time.DateOnly))
	p.shows(".market-state", "Live")
	stands(p, day(2).Add(-page), day(2).Add(page-time.Minute))

	// Of two days that are jumped to, the second one counts, whichever comes first.
	begun, letGo := house.keep(candles+"?", before(day(3)))
	goTo(p, day(3))
	eventually(t, "the first day is asked for", patience, begun)
	goTo(p, day(4))
	stands(p, day(4).Add(-page), day(4).Add(page-time.Minute))
	letGo()
	settle(p)
	stands(p, day(4).Add(-page), day(4).Add(page-time.Minute))

	// Who goes back to the newest ones while a day is under way, stays there.
	p.click(".market-tools button", "Newest")
	stands(p, day(5).Add(-page), day(5).Add(-time.Minute))
	begun, letGo = house.keep(candles+"?", from(day(2)))
	goTo(p, day(2))
	eventually(t, "the day is asked for", patience, begun)
	p.click(".market-tools button", "Newest")
	letGo()
	settle(p)
	stands(p, day(5).Add(-page), day(5).Add(-time.Minute))

	// What is older than the one is no part of the other.
	begun, letGo = house.keep(candles+"?", "order=desc", "to=")
	p.tabTo("the chart", "el.matches('.market-chart')")
	p.press(kb.Home)
	eventually(t, "what is older is asked for", patience, begun)
	goTo(p, day(2))
	stands(p, day(2).Add(-page), day(2).Add(page-time.Minute))
	letGo()
	settle(p)
	stands(p, day(2).Add(-page), day(2).Add(page-time.Minute))

	// A candle that is stored while the newest are on their way is in none of the answers.
	begun, letGo = house.keep(candles+"?", "order=desc", "!to=")
	p.click(".market-tools button", "Newest")
	eventually(t, "the newest are asked for", patience, begun)
	stored := house.shelf.add()
	house.market.Store(house.shelf.all.Series, stored)
	forming := house.shelf.now().Stored[0]
	forming.OpenTime, forming.Close = stored.From+60_000, candle.MustDecimal("123.45")
	house.market.Form(house.shelf.all.Series, forming)
	p.shows(".market-price", "123.45") // the stream has told of what came before it
	letGo()
	stands(p, day(5).Add(-page), day(5))

	// One that was stored between an answer and the stream's beginning is asked for when the next one comes.
	p = b.open(t, house.url, look{})
	p.meant("503")
	house.deafen(true)
	p.visit(market + "?at=" + day(2).Format(time.DateOnly))
	p.shows(".market-state", "lost")
	p.click(".market-tools button", "Newest")
	stands(p, day(5).Add(time.Minute-page), day(5))
	house.shelf.add()
	house.deafen(false)
	p.shows(".market-state", "Live")
	house.market.Store(house.shelf.all.Series, house.shelf.add())
	stands(p, day(5).Add(time.Minute-page), day(5).Add(2*time.Minute))
	p.until("nothing is missing", "!document.querySelector('.market-keys').innerText.includes('missing')")
}

// TestTheReferenceIsFitToBeRead has axe judge the page of the API. What stands in it is Swagger UI's: its
// colours, the buttons in its buttons and its lists without a name are not ours to mend.
func TestTheReferenceIsFitToBeRead(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	b := newBrowser(t)
	p := b.open(t, newParts(t).url, look{})
	p.bring(axe)
	p.do(chromedp.Navigate(p.home + "/docs"))
	p.until("the operations are listed", "document.querySelectorAll('.opblock').length > 5")
	p.until("it has a heading and a main part, and a language", "document.querySelectorAll('h1').length === 1 && document.querySelectorAll('main').length === 1 && document.documentElement.lang === 'en'")
	theirs := []string{"color-contrast", "nested-interactive", "select-name"}
	p.judged("docs", false, theirs...)
	p.str("document.querySelector('.opblock-post .opblock-summary-control').click()")
	p.until("an operation is shown", "document.querySelector('.opblock-body .response') !== null")
	p.judged("docs with an operation", false, theirs...)
	p.shot("docs")
}
