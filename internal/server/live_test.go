package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/server/servertest"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// patient is how long a test waits for what must come.
const patient = time.Minute

// sse is a stream of events as a client reads it.
type sse struct {
	t      testing.TB
	lines  *bufio.Scanner
	hangUp context.CancelFunc
	judge  func(sseEvent) // of each event
}

type sseEvent struct{ id, name, data string }

func (h *house) stream(path string, headers ...string) *sse {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	h.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.http.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("the stream is %s %v", resp.Status, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	return &sse{h.t, lines, cancel, func(e sseEvent) { h.referee().event(h.t, path, e) }}
}

// next gives the next event; a zero one at the end.
func (s *sse) next() (e sseEvent) {
	for s.lines.Scan() {
		line := s.lines.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, ":"):
		case field == "id":
			e.id = value
		case field == "event":
			e.name = value
		case field == "data":
			e.data = value
		case line == "" && e != sseEvent{}:
			s.judge(e)
			return e
		}
	}
	return sseEvent{}
}

// want reads an event of a name.
func (s *sse) want(name string) sseEvent {
	s.t.Helper()
	e := s.next()
	if e.name != name {
		s.t.Fatalf("%s comes, not %s: %.300s (%v)", e.name, name, e.data, s.lines.Err())
	}
	return e
}

// counting counts the lists, and gives what it is told to instead of them.
type counting struct {
	*servertest.Fleet
	lists atomic.Int64
}

func (c *counting) All(ctx context.Context) ([]collector.Live, error) {
	c.lists.Add(1)
	return c.Fleet.All(ctx)
}

// quick makes the server look often.
func quick(h *house) *house {
	h.server.patience.news, h.server.patience.system = time.Millisecond, time.Millisecond
	h.server.patience.look, h.server.patience.forming = 5*time.Millisecond, time.Millisecond
	return h
}

func TestWhoWatchesGetsTheWholeListAndThenWhatChanges(t *testing.T) {
	t.Parallel()
	h := quick(build(t))
	h.post("/api/collectors/start", ethMinute)
	s := h.stream("/api/events")
	if got, want := s.want("collectors").data, strings.TrimSpace(h.get("/api/collectors").body); got != want {
		t.Errorf("first comes\n%s, and the call answers\n%s", got, want)
	}
	h.post("/api/collectors/start", `{"timeframe":"5m","symbol":"BTCUSDT"}`)
	var changes api.CollectorChanges
	read := func() {
		changes = api.CollectorChanges{}
		e := s.want("changes")
		if err := json.Unmarshal([]byte(e.data), &changes); err != nil || changes.Collectors == nil || changes.Gone == nil {
			t.Fatalf("%s: %v", e.data, err)
		}
	}
	if read(); len(changes.Collectors) != 1 || changes.Collectors[0].ID != 2 || len(changes.Gone) != 0 {
		t.Errorf("a start is told as %+v", changes)
	}
	h.fleet.Beats(1, collector.Vitals{Phase: collector.PhaseLive, RSS: 7 << 20})
	if read(); len(changes.Collectors) != 1 || changes.Collectors[0].ID != 1 || changes.Collectors[0].Memory.RSS != 7<<20 {
		t.Errorf("a beat is told as %+v", changes)
	}
	h.post("/api/collectors/stop", `{"id":1}`)
	if read(); len(changes.Collectors) != 0 || !slices.Equal(changes.Gone, []int64{1}) {
		t.Errorf("a stop is told as %+v", changes)
	}
}

func TestEventsSpeakTheWatchersLanguage(t *testing.T) {
	t.Parallel()
	h := quick(build(t))
	h.post("/api/collectors/start", ethMinute)
	h.fleet.Ended(1, collector.Exit{At: noon, Known: true, Code: 3}, noon.Add(time.Minute))
	spanish, english := h.stream("/api/events"), h.stream("/api/events", "Accept-Language", "en")
	if got := spanish.want("collectors").data; !strings.Contains(got, "terminó con el código de salida 3") {
		t.Errorf("in Spanish: %s", got)
	}
	if got := english.want("collectors").data; !strings.Contains(got, "ended with exit code 3") {
		t.Errorf("in English: %s", got)
	}
}

func TestManyWatchersShareOneProducerThatEndsWithTheLast(t *testing.T) {
	t.Parallel()
	fleet := &counting{}
	h := build(t, func(c *Config) { fleet.Fleet = c.Fleet.(*servertest.Fleet); c.Fleet = fleet })
	h.server.patience.news = time.Hour // one look, of the only producer
	var streams []*sse
	for range 20 {
		s := h.stream("/api/events")
		s.want("collectors")
		streams = append(streams, s)
	}
	if n := fleet.lists.Load(); n != 1 {
		t.Errorf("for 20 watchers the fleet was asked %d times", n)
	}
	for _, s := range streams {
		s.hangUp()
	}
	waitUntil(t, "the producer ends", func() bool {
		h.server.news.mu.Lock()
		defer h.server.news.mu.Unlock()
		return h.server.news.watchers == 0
	})
	<-h.server.news.ended
	h.stream("/api/events").want("collectors")
	if n := fleet.lists.Load(); n != 2 {
		t.Errorf("for one more watcher the fleet was asked %d times", n-1)
	}
}

// waitUntil waits for what must come to be.
func waitUntil(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain was waited until %s", what)
		}
	}
}

func TestTroubleIsToldOnceAndEndsWithTheWholeList(t *testing.T) {
	t.Parallel()
	h := quick(build(t))
	h.post("/api/collectors/start", ethMinute)
	s := h.stream("/api/events")
	s.want("collectors")
	h.fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, errors.New("secret"), "gone"))
	if got := s.want("trouble").data; !strings.Contains(got, `"code":"database_unavailable"`) || strings.Contains(got, "secret") {
		t.Errorf("it is told as %s", got)
	}
	late := h.stream("/api/events")
	if first, then := late.next(), late.next(); first.name != "collectors" || then.name != "trouble" {
		t.Errorf("who comes in the middle gets %s and then %s: a whole list after the trouble would end it", first.name, then.name)
	}
	h.fleet.Fail(nil)
	s.want("collectors")
	if got := late.want("collectors").data; !strings.Contains(got, `"id":1`) {
		t.Errorf("who came in the middle gets %s", got)
	}
}

func TestTheMachineryIsToldAsItsCallAnswers(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	h := quick(build(t, func(c *Config) {
		c.System = func(context.Context) (api.SystemAnswer, error) {
			if asked.Add(1) == 2 {
				return api.SystemAnswer{}, errors.New("not now")
			}
			answer := exampleSystem()
			answer.Version = "<1.2.3>"
			return answer, nil
		}
	}))
	want := strings.TrimSpace(h.get("/api/system").body)
	s := h.stream("/api/events")
	for told := 0; told < 2; {
		if e := s.next(); e.name == "system" {
			told++
			if e.data != want {
				t.Errorf("it is told as\n%s, and answered as\n%s", e.data, want)
			}
		} else if e.name == "" {
			t.Fatal("the stream ended")
		}
	}
}

// TestASlowWatcherIsBroughtToTheNewestState without anything being kept for it: what it has not seen is
// counted from what it saw last.
func TestASlowWatcherIsBroughtToTheNewestState(t *testing.T) {
	t.Parallel()
	s := New(Config{Fleet: servertest.NewFleet(time.Now), Candles: servertest.Minutes("A", 0, 1), Logs: servertest.NewLogs()})
	n := &s.news
	n.entries, n.oldest, n.changed = map[int64]*entry{}, 1, make(chan struct{})
	list := func(ids ...int64) (all []collector.Live) {
		for _, id := range ids {
			all = append(all, collector.Live{Record: collector.Record{ID: id, Status: collector.Running}, Uptime: time.Duration(n.passes) * time.Second})
		}
		return all
	}
	var swift, slow edition
	take := func(ids ...int64) string {
		n.take(t.Context(), s, list(ids...), nil)
		text, _ := n.since(s, &swift, spanish)
		return text
	}
	take(1, 2)
	n.since(s, &slow, spanish)
	if again := take(1, 2); again != "" {
		t.Errorf("an uptime alone is told: %s", again)
	}
	take(1, 2, 3)
	take(1, 3)
	take(1, 3, 4)
	text, _ := n.since(s, &slow, spanish)
	if strings.Count(text, "event: ") != 1 || !strings.Contains(text, "event: changes") || !strings.Contains(text, `"gone":[2]`) ||
		strings.Contains(text, `"id":1,`) || !strings.Contains(text, `"id":3,`) || !strings.Contains(text, `"id":4,`) {
		t.Errorf("what it missed comes as %s", text)
	}
	for id := range int64(maxTombs + 10) {
		take(1, 100+id)
	}
	text, _ = n.since(s, &slow, spanish)
	if strings.Count(text, "event: ") != 1 || !strings.Contains(text, "event: collectors") || strings.Contains(text, `"gone"`) {
		t.Errorf("who missed very much gets %.100s", text)
	}
	if len(n.tombs) > maxTombs || len(n.entries) != 2 {
		t.Errorf("%d tombs and %d entries are kept", len(n.tombs), len(n.entries))
	}
}

// shelf is a real database, a market, and what is stored.
type shelf struct {
	*sqlite.Store
	t      testing.TB
	market *servertest.Market
	series candle.Series
	broken atomic.Bool
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "velador.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &shelf{Store: db, t: t, market: &servertest.Market{}, series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}}
}

// EachCandle fails while the shelf is broken.
func (s *shelf) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	if s.broken.Load() {
		return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "gone")
	}
	return s.Store.EachCandle(ctx, q, yield)
}

// on puts the shelf into a server.
func (s *shelf) on(c *Config) { c.Candles, c.Browser, c.Market = s, s, s.market }

// minute gives the n-th candle.
func minuteOf(n int) candle.Candle {
	return servertest.Minutes("ETHUSDT", candle.MillisOf(noon)+candle.Millis(n)*60_000, 1).Stored[0]
}

// put stores candles by number, and tells of them where told.
func (s *shelf) put(told bool, numbers ...int) {
	s.t.Helper()
	var entries []store.Entry
	for _, n := range numbers {
		entries = append(entries, store.Entry{Series: s.series, Candle: minuteOf(n)})
	}
	if _, err := s.Write(s.t.Context(), entries); err != nil {
		s.t.Fatal(err)
	}
	if told {
		s.market.Store(s.series, candle.Range{From: minuteOf(slices.Min(numbers)).OpenTime, To: minuteOf(slices.Max(numbers)).OpenTime})
	}
}

// closed reads closed candles and checks which they are; those with a * have no id.
func (s *sse) closed(numbers ...string) {
	s.t.Helper()
	for _, want := range numbers {
		e := s.want("closed")
		text, late := strings.CutPrefix(want, "*")
		n, _ := strconv.Atoi(text)
		c := minuteOf(n)
		data, _ := json.Marshal(wireCandle(c))
		id := fmt.Sprint(int64(c.OpenTime))
		if late {
			id = ""
		}
		if e.data != string(data) || e.id != id {
			s.t.Fatalf("%+v comes, not candle %s: id %q, %s", e, want, id, data)
		}
	}
}

const ethStream = "/api/candles/stream?symbol=ETHUSDT&timeframe=1m"

func TestClosedCandlesFollowTheStoreWithoutASeam(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	db.put(false, 0, 1, 2)
	newest := h.stream(ethStream)
	after := h.stream(ethStream + "&after=" + fmt.Sprint(int64(minuteOf(0).OpenTime)))
	back := h.stream(ethStream+"&after=0", "Last-Event-ID", fmt.Sprint(int64(minuteOf(1).OpenTime))) // the header counts
	after.closed("1", "2")
	back.closed("2")
	waitUntil(t, "all listen", func() bool { return db.market.Listeners() == 6 })
	db.put(true, 3)
	db.put(true, 3) // what arrives twice is sent once
	db.put(true, 4)
	for _, s := range []*sse{newest, after, back} {
		s.closed("3", "4")
	}
}

func TestACandleThatComesLateIntoAHoleIsSentOnceAndWithoutAnID(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	db.put(false, 0)
	s := h.stream(ethStream + "&after=" + fmt.Sprint(int64(minuteOf(-1).OpenTime)))
	s.closed("0")
	waitUntil(t, "it listens", func() bool { return db.market.Listeners() == 2 })
	db.put(true, 5)
	s.closed("5")
	db.put(true, 3)
	s.closed("*3")
	db.put(true, 0, 1, 2, 3, 4, 5, 6) // the rest, and what was sent before
	s.closed("*1", "*2", "*4", "6")
	db.put(true, 7)
	s.closed("7")
}

func TestWhatNobodyToldIsFoundAllTheSame(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := quick(build(t, db.on))
	s := h.stream(ethStream) // of an empty series
	db.put(false, 4)
	s.closed("4")
	db.put(false, 6)
	s.closed("6")
	db.put(false, 5)
	s.closed("*5")
}

func TestTheFormingCandleIsShownUntilItIsClosed(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	h.server.patience.forming = time.Nanosecond
	db.put(false, 0)
	s := h.stream(ethStream)
	waitUntil(t, "it listens", func() bool { return db.market.Listeners() == 2 })
	forming := minuteOf(1)
	db.market.Form(db.series, forming)
	e := s.want("forming")
	if data, _ := json.Marshal(wireCandle(forming)); e.data != string(data) || e.id != "" {
		t.Errorf("it is shown as %+v", e)
	}
	db.put(true, 1)
	s.closed("1")
	db.market.Form(db.series, forming) // out of turn
	db.market.Form(candle.Series{Exchange: "binance", Symbol: "BTCUSDT", Timeframe: candle.Minute1}, minuteOf(9))
	db.put(true, 2)
	s.closed("2")
	db.market.Form(db.series, minuteOf(3))
	if e := s.want("forming"); !strings.Contains(e.data, fmt.Sprint(int64(minuteOf(3).OpenTime))) {
		t.Errorf("then comes %s", e.data)
	}
}

func TestManyCandlesAreSentInPages(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	var numbers []int
	var want []string
	for n := range 3*catchUp + 7 {
		numbers, want = append(numbers, n), append(want, strconv.Itoa(n))
	}
	db.put(false, numbers...)
	h.stream(ethStream + "&after=0").closed(want...)
}

func TestAStreamOutlivesTroubleWithTheDatabase(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := quick(build(t, db.on))
	db.put(false, 0)
	s := h.stream(ethStream + "&after=" + fmt.Sprint(int64(minuteOf(-1).OpenTime)))
	s.closed("0")
	db.broken.Store(true)
	if e := s.want("trouble"); !strings.Contains(e.data, "database_unavailable") {
		t.Errorf("it is told as %s", e.data)
	}
	db.put(true, 2)
	db.broken.Store(false)
	s.closed("2")
	db.put(true, 1)
	s.closed("*1")
}

func TestAStreamsListenersEndWithTheClientAndWithTheServer(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	first, second := h.stream(ethStream), h.stream(ethStream)
	waitUntil(t, "both listen", func() bool { return db.market.Listeners() == 4 })
	first.hangUp()
	waitUntil(t, "one has gone", func() bool { return db.market.Listeners() == 2 })
	h.server.close()
	if e := second.next(); e != (sseEvent{}) {
		t.Errorf("a server that ends says %+v", e) // no end: the client is to come back
	}
	waitUntil(t, "both have gone", func() bool { return db.market.Listeners() == 0 })
}

// TestAClientThatTakesNothingIsLetGo: it holds no listener and no goroutine for ever.
func TestAClientThatTakesNothingIsLetGo(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	server := New(Config{Fleet: servertest.NewFleet(time.Now), Candles: endless{}, Market: db.market, Logs: servertest.NewLogs()})
	server.patience.stall = 50 * time.Millisecond
	r := run(t, server)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + r.address + ethStream + "&after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	waitUntil(t, "it listens", func() bool { return db.market.Listeners() == 2 })
	waitUntil(t, "it is let go", func() bool { return db.market.Listeners() == 0 })
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// endless has a candle for every minute there is.
type endless struct{ Candles }

func (endless) EachCandle(_ context.Context, q store.Query, yield func(candle.Candle) error) error {
	for i := range q.Limit {
		c := minuteOf(0)
		c.OpenTime = q.Range.From + candle.Millis(i)*60_000
		if err := yield(c); err != nil {
			return err
		}
	}
	return nil
}

func TestWhatAStreamCannotBeginWithIsAnswered(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on)
	h.get("/api/candles/stream?timeframe=1m").problem(t, 400, "missing_parameter")
	h.get("/api/candles/stream?symbol=ETHUSDT&timeframe=7m").problem(t, 400, "invalid_timeframe")
	h.get("/api/candles/stream?symbol=ETHUSDT&timeframe=1m&exchange=mars").problem(t, 400, "unknown_exchange")
	if m := h.get(ethStream+"&after=soon").problem(t, 400, "invalid_time"); m["name"] != "after" {
		t.Errorf("%v", m)
	}
	if m := h.get(ethStream, "Last-Event-ID", "x").problem(t, 400, "invalid_time"); m["name"] != "Last-Event-ID" {
		t.Errorf("%v", m)
	}
	db.market.Fail()
	if e := h.stream(ethStream).want("error"); !strings.Contains(e.data, `"code":"internal"`) {
		t.Errorf("%+v", e)
	}
	db.broken.Store(true)
	h.get(ethStream).problem(t, 503, "database_unavailable")
	build(t).get(ethStream).problem(t, 404, "route_not_found")
}

func TestOneMailboxKeepsOneStretchAndOneCandle(t *testing.T) {
	t.Parallel()
	box := newMailbox()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			box.stored(candle.Range{From: candle.Millis(1000 - i), To: candle.Millis(1000 + i)})
			box.form(minuteOf(i))
		})
	}
	all.Wait()
	if got := box.takeStored(); got != (candle.Range{From: 901, To: 1099}) || len(box.signal) != 1 {
		t.Errorf("it keeps %v, and %d signals", got, len(box.signal))
	}
	if _, ok := box.takeForming(); !ok || !box.takeStored().Empty() {
		t.Error("it lost a candle, or kept a stretch")
	}
	if _, ok := box.takeForming(); ok {
		t.Error("it kept a candle that was taken")
	}
}
