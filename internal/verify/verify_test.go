package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const minute = candle.Millis(60_000)

// t0 is the first open time of all tests, on the grid of a day.
const t0 candle.Millis = 1762214400000

var series = candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}

func decimal(text string) candle.Decimal {
	d, err := candle.ParseDecimal(text)
	if err != nil {
		panic(err)
	}
	return d
}

// at makes the candle that opens n minutes after t0; its close is price.
func at(n int, price string) candle.Candle {
	open := t0 + candle.Millis(n)*minute
	return candle.Candle{
		OpenTime: open, CloseTime: open + minute - 1, Trades: 7, Open: decimal("100"), High: decimal("200"), Low: decimal("50"), Close: decimal(price),
		Volume: decimal("1.50"), QuoteVolume: decimal("150"), TakerBuyVolume: decimal("0.5"), TakerBuyQuoteVolume: decimal("50"),
	}
}

// minutes makes n candles, from t0 on.
func minutes(n int) []candle.Candle {
	all := make([]candle.Candle, n)
	for i := range all {
		all[i] = at(i, fmt.Sprintf("%d.10", 100+i%50))
	}
	return all
}

// history is a venue's, in pages of its own length.
type history struct {
	rows     []candle.Candle
	page     int
	now      candle.Millis
	failures []error // of the next questions about candles
	cut      []int   // rows that the next answers are cut to, as if there were no more
	asked    int
}

func (h *history) Time(context.Context) (candle.Millis, error) { return h.now, nil }

func (h *history) Candles(_ context.Context, symbol string, tf candle.Timeframe, r candle.Range) (exchange.Page, error) {
	h.asked++
	if len(h.failures) > 0 {
		err := h.failures[0]
		h.failures = h.failures[1:]
		return exchange.Page{}, err
	}
	if symbol != series.Symbol || tf != series.Timeframe {
		return exchange.Page{}, errors.New("another series was asked for")
	}
	p := exchange.Page{AsOf: h.now}
	for _, c := range h.rows {
		if r.Contains(c.OpenTime) && len(p.Candles) < h.page {
			p.Candles = append(p.Candles, c)
		}
	}
	p.Full = len(p.Candles) == h.page
	if len(h.cut) > 0 {
		p.Candles, p.Full = p.Candles[:min(h.cut[0], len(p.Candles))], false
		h.cut = h.cut[1:]
	}
	return p, nil
}

// bench is a verifier between a venue and a real database.
type bench struct {
	t     *testing.T
	venue *history
	db    *sqlite.Store
	*Verifier
}

// set opens one: both sides begin with what the venue has.
func set(t *testing.T, rows []candle.Candle) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "v.db")})
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
	b := &bench{t: t, venue: &history{rows: rows, page: 10, now: t0 + 1_000*minute}, db: db}
	b.Verifier = &Verifier{Venue: b.venue, Candles: db, looks: []time.Duration{1, 1}}
	return b
}

func (b *bench) store(candles ...candle.Candle) {
	b.t.Helper()
	var entries []store.Entry
	for _, c := range candles {
		entries = append(entries, store.Entry{Series: series, Candle: c})
	}
	b.write(entries...)
}

func (b *bench) write(entries ...store.Entry) {
	b.t.Helper()
	if _, err := b.db.Write(b.t.Context(), entries); err != nil {
		b.t.Fatal(err)
	}
}

// verify plans and runs; it gives the differences as kind and minute.
func (b *bench) verify(t Task) (Report, []string) {
	b.t.Helper()
	t.Series = series
	plan, err := b.Plan(b.t.Context(), t)
	if err != nil {
		b.t.Fatal(err)
	}
	var told []string
	report, err := b.Run(b.t.Context(), plan, Watcher{Difference: func(d Difference) {
		told = append(told, fmt.Sprint(d.Kind, " ", int64((max(d.Stored.OpenTime, d.Served.OpenTime)-t0)/minute)))
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return report, told
}

// stored gives all that the database has.
func (b *bench) stored() (all []candle.Candle) {
	b.t.Helper()
	if err := b.db.EachCandle(b.t.Context(), store.Query{Series: series}, func(c candle.Candle) error {
		all = append(all, c)
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// confirmed gives the minutes between which the series is confirmed.
func (b *bench) confirmed() string {
	b.t.Helper()
	found, err := b.db.Coverage(b.t.Context(), series, candle.Range{})
	if err != nil {
		b.t.Fatal(err)
	}
	if found.Confirmed == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d-%d", (found.Confirmed.From-t0)/minute, (found.Confirmed.To-t0)/minute)
}

// ledger gives the rows of the ledger in words.
func (b *bench) ledger() (rows []string) {
	b.t.Helper()
	found, err := b.db.Coverage(b.t.Context(), series, candle.Range{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, g := range found.Gaps {
		rows = append(rows, fmt.Sprintf("%d-%d %s", (g.Range.From-t0)/minute, (g.Range.To-t0)/minute, g.State))
	}
	return rows
}

func TestWhatIsRightIsConfirmedAndNotWritten(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(95))
	b.store(b.venue.rows...)
	report, told := b.verify(Task{})
	want := Counts{Checked: 95, UpTo: t0 + 94*minute, Requests: 11} // the time, and ten pages
	if report.Counts != want || told != nil || report.Corrected != 0 || report.Range != (candle.Range{From: t0, To: t0 + 94*minute}) {
		t.Errorf("%+v %v", report, told)
	}
	if got := b.confirmed(); got != "0-94" || report.Confirmed == nil || *report.Confirmed != report.Range {
		t.Errorf("confirmed is %s, and by the report %v", got, report.Confirmed)
	}
}

// An answer that is cut short, or empty, is no proof that the exchange has lost what is stored.
func TestAnAnswerThatEndsTooEarlyIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, cut := range [][]int{{5}, {0}, {5, 0}} {
		b := set(t, minutes(60))
		wrong := slices.Clone(b.venue.rows)
		wrong[40] = at(40, "1.11")
		b.store(wrong...)
		b.venue.cut = cut
		report, told := b.verify(Task{})
		if !slices.Equal(told, []string{"differing 40"}) || report.Requests != int64(1+6+len(cut)) || b.confirmed() != "0-59" {
			t.Errorf("cut to %v: %+v %v, confirmed is %s", cut, report, told, b.confirmed())
		}
		if !b.stored()[40].Equal(b.venue.rows[40]) {
			t.Error("the wrong candle is still there")
		}
	}
}

// A hole that no ledger knows is looked at three times before what lies beyond it is confirmed; one
// that it knows, once.
func TestAHoleOnBothSidesIsBelievedWhenThreeAnswersAgree(t *testing.T) {
	t.Parallel()
	for state, requests := range map[candle.GapState]int64{"": 8, candle.GapOpen: 6, candle.GapAbsent: 6, candle.GapRepaired: 8} {
		b := set(t, slices.Concat(minutes(60)[:14], minutes(60)[18:]))
		b.store(b.venue.rows...)
		if state != "" {
			b.write(store.Entry{Series: series, Gap: &candle.Gap{Series: series, State: state, Range: candle.Range{From: t0 + 14*minute, To: t0 + 17*minute}}})
		}
		before := b.ledger()
		report, told := b.verify(Task{})
		if told != nil || report.Absent != 4 || report.Requests != 1+requests || b.confirmed() != "0-59" || !slices.Equal(b.ledger(), before) {
			t.Errorf("known as %q: %+v %v, confirmed is %s, the ledger says %v", state, report, told, b.confirmed(), b.ledger())
		}
	}
}

// What was stored before anything was confirmed is confirmed as soon as it touches what is.
func TestWhatIsOlderThanTheConfirmedIsConfirmedWithIt(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(60))
	b.store(b.venue.rows...)
	b.write(store.Entry{Series: series, Audit: &candle.Audit{Series: series, Range: candle.Range{From: t0 + 45*minute, To: t0 + 50*minute}, Rows: 6}})
	if report, _ := b.verify(Task{DryRun: true}); b.confirmed() != "45-50" || report.Confirmed == nil || report.Confirmed.From != t0+45*minute {
		t.Errorf("after a dry run confirmed is %s", b.confirmed())
	}
	if report, _ := b.verify(Task{Range: candle.Range{From: t0, To: t0 + 20*minute}}); b.confirmed() != "45-50" || report.Checked != 21 {
		t.Errorf("after one that does not touch it confirmed is %s", b.confirmed())
	}
	if report, _ := b.verify(Task{}); b.confirmed() != "0-59" || *report.Confirmed != report.Range {
		t.Errorf("confirmed is %s, and by the report %v", b.confirmed(), report.Confirmed)
	}
}

// The writer may not replace what is confirmed: what it brings may be older. A verification has just asked.
func TestAVerificationCorrectsWhatIsConfirmed(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(60))
	b.store(b.venue.rows...)
	if b.verify(Task{}); b.confirmed() != "0-59" {
		t.Fatalf("confirmed is %s", b.confirmed())
	}
	b.venue.rows[30] = at(30, "199.5")
	if report, told := b.verify(Task{}); report.Corrected != 1 || len(told) != 1 {
		t.Errorf("%+v %v", report, told)
	}
	if _, told := b.verify(Task{}); told != nil {
		t.Errorf("it is still not what the venue has: %v", told)
	}
	b.store(minutes(60)...)
	if _, told := b.verify(Task{}); told != nil {
		t.Errorf("the writer replaced what is confirmed: %v", told)
	}
}

// However long a series is, one window of it is held at a time.
func TestALongSeriesIsReadInWindows(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(3*window+500))
	b.venue.page, b.venue.now = window, t0+10_000*minute
	b.store(b.venue.rows...)
	held := &longest{Candles: b.db}
	b.Candles = held
	report, told := b.verify(Task{})
	if told != nil || report.Checked != 3*window+500 || report.Requests != 5 || held.rows != window {
		t.Errorf("%+v %v, %d candles were held at once", report, told, held.rows)
	}
	// Rows that should not be, far more than a window has steps.
	var odd []candle.Candle
	for i := range 2 * maxRows {
		c := at(0, "100")
		c.OpenTime += candle.Millis(i + 1)
		odd = append(odd, c)
	}
	b.store(odd...)
	report, _ = b.verify(Task{DryRun: true})
	if report.Vanished != 2*maxRows || report.Checked != 3*window+500+2*maxRows || held.rows != maxRows {
		t.Errorf("%+v, %d candles were held at once", report, held.rows)
	}
}

// longest notes how many candles were read at once.
type longest struct {
	Candles
	rows int
}

func (l *longest) EachCandle(ctx context.Context, q store.Query, yield func(candle.Candle) error) error {
	n := 0
	return l.Candles.EachCandle(ctx, q, func(c candle.Candle) error {
		n++
		l.rows = max(l.rows, n)
		return yield(c)
	})
}

func TestWhatDiffersIsCorrectedAndWhatIsMissingIsStored(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(60))
	wrong := slices.Clone(b.venue.rows)
	wrong[17] = at(17, "117.11")                 // another digit
	wrong[18].Trades++                           // another count
	wrong[40].CloseTime--                        // another close
	wrong = append(wrong[:30:30], wrong[33:]...) // three are missing, on the border of two pages
	b.store(wrong...)
	report, told := b.verify(Task{DryRun: true})
	words := []string{"differing 17", "differing 18", "missing 30", "missing 31", "missing 32", "differing 40"}
	if !slices.Equal(told, words) || report.Corrected != 0 || len(b.stored()) != 57 {
		t.Fatalf("a dry run: %+v %v", report, told)
	}
	report, told = b.verify(Task{})
	if !slices.Equal(told, words) || report.Corrected != 6 || report.Checked != 57 || report.Differing != 3 || report.Missing != 3 || report.Absent != 0 {
		t.Fatalf("%+v %v", report, told)
	}
	if got := b.stored(); !slices.EqualFunc(got, b.venue.rows, candle.Candle.Equal) {
		t.Errorf("stored is %v", got)
	}
	if rows := b.ledger(); !slices.Equal(rows, []string{"30-32 repaired"}) {
		t.Errorf("the ledger says %v", rows)
	}
	if report, told = b.verify(Task{}); told != nil || report.Checked != 60 || report.Differences() != 0 {
		t.Errorf("once more: %+v %v", report, told)
	}
}

func TestCandlesOfAKnownGapAreTakenOutOfIt(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(60))
	b.store(slices.Concat(b.venue.rows[:20], b.venue.rows[30:])...)
	b.write(store.Entry{Series: series, Gap: &candle.Gap{Series: series, State: candle.GapAbsent, Proofs: 3, CheckedAt: 5,
		Range: candle.Range{From: t0 + 20*minute, To: t0 + 29*minute}}})
	all := b.venue.rows
	b.venue.rows = slices.Concat(all[:20], all[24:26], all[29:]) // the exchange has mended a part of it
	report, told := b.verify(Task{})
	if !slices.Equal(told, []string{"missing 24", "missing 25", "missing 29"}) || report.Absent != 7 {
		t.Errorf("%+v %v", report, told)
	}
	if rows := b.ledger(); !slices.Equal(rows, []string{"20-23 absent", "24-25 repaired", "26-28 absent", "29-29 repaired"}) {
		t.Errorf("the ledger says %v", rows)
	}
}

func TestWhatTheVenueNoLongerHasIsKeptAndReported(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(35))
	b.store(b.venue.rows...)
	b.venue.rows = slices.Concat(b.venue.rows[:7], b.venue.rows[8:34]) // one inside, one at the end
	report, told := b.verify(Task{})
	if !slices.Equal(told, []string{"vanished 7", "vanished 34"}) || report.Vanished != 2 || report.Corrected != 0 || len(b.stored()) != 35 {
		t.Errorf("%+v %v", report, told)
	}
}

func TestOnlyWhatIsStoredAndFinalIsLookedAt(t *testing.T) {
	t.Parallel()
	b := set(t, minutes(60))
	b.store(b.venue.rows[10:50]...)
	b.venue.now = t0 + 46*minute + 1 // the stretch ends in the third page; 41 has been closed for four minutes, 40 for five
	report, told := b.verify(Task{})
	if told != nil || report.Checked != 31 || report.Absent != 0 || report.Range != (candle.Range{From: t0 + 10*minute, To: t0 + 41*minute - 1}) {
		t.Errorf("%+v %v", report, told)
	}
	report, _ = b.verify(Task{Range: candle.Range{From: t0 + 45*minute, To: t0 + 90*minute}})
	if !report.Range.Empty() || report.Checked != 0 {
		t.Errorf("nothing is final there, and yet: %+v", report)
	}
	_, err := b.Plan(t.Context(), Task{Series: series, Range: candle.Range{From: t0 + 50*minute, To: t0 + 90*minute}})
	if problem.CodeOf(err) != problem.CodeSeriesNotFound {
		t.Errorf("nothing is stored there, and yet: %v", err)
	}
}

func TestACandleOffTheGridStandsForItsInterval(t *testing.T) {
	t.Parallel()
	rows := minutes(30)
	rows[12].OpenTime += 14_789 // as after an outage
	b := set(t, rows)
	b.store(slices.Concat(rows[:12], rows[13:])...)
	report, told := b.verify(Task{})
	if !slices.Equal(told, []string{"missing 12"}) || report.Absent != 0 || !slices.EqualFunc(b.stored(), rows, candle.Candle.Equal) {
		t.Errorf("%+v %v", report, told)
	}
	if report, told = b.verify(Task{}); told != nil || report.Absent != 0 {
		t.Errorf("%+v %v", report, told)
	}
}

func TestABanIsWaitedForAndFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		venue := &history{rows: minutes(35), page: 10, now: t0 + 1_000*minute}
		away := problem.New(problem.Unavailable, problem.CodeExchangeUnavailable, nil, "away")
		ban := &exchange.BanError{Exchange: "binance", Status: 418, Until: time.Now().Add(3 * time.Minute)}
		venue.failures = []error{away, fmt.Errorf("asked: %w", ban), away, away}
		verifier := &Verifier{Venue: venue, Candles: memory{venue.rows}}
		plan, err := verifier.Plan(t.Context(), Task{Series: series, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		begun, waited := time.Now(), time.Time{}
		report, err := verifier.Run(t.Context(), plan, Watcher{Progress: func(c Counts) {
			if !c.Waiting.IsZero() {
				waited = c.Waiting
			}
		}})
		if err != nil || report.Checked != 35 || report.Failures != 4 || !report.Waiting.IsZero() {
			t.Errorf("%+v %v", report, err)
		}
		if !waited.Equal(ban.Until) || time.Since(begun) < 3*time.Minute {
			t.Errorf("it waited until %s, and took %s", waited, time.Since(begun))
		}

		for range 100 {
			venue.failures = append(venue.failures, away)
		}
		if _, err := verifier.Run(t.Context(), plan, Watcher{}); problem.CodeOf(err) != problem.CodeExchangeUnavailable || len(venue.failures) != 100-maxFailures-1 {
			t.Errorf("an exchange that stays away: %v, %d failures left", err, len(venue.failures))
		}
		venue.failures = []error{problem.New(problem.NotFound, problem.CodeUnknownSymbol, nil, "unknown")}
		if _, err := verifier.Run(t.Context(), plan, Watcher{}); problem.CodeOf(err) != problem.CodeUnknownSymbol {
			t.Errorf("a symbol that is gone: %v", err)
		}
		venue.failures = []error{ban, ban, ban}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ban.Until = time.Now().Add(time.Hour)
		if _, err := verifier.Run(ctx, plan, Watcher{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that goes while it waits: %v", err)
		}
	})
}

// memory is a database that is only read, for tests in which time is made.
type memory struct{ all []candle.Candle }

func (m memory) Write(context.Context, []store.Entry) (store.Written, error) {
	return store.Written{}, errors.New("nothing is to be written")
}

func (m memory) EachCandle(_ context.Context, q store.Query, yield func(candle.Candle) error) error {
	for _, c := range m.all {
		if q.Range.Contains(c.OpenTime) {
			if err := yield(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m memory) Coverage(context.Context, candle.Series, candle.Range) (store.Coverage, error) {
	return store.Coverage{First: m.all[0].OpenTime, Last: m.all[len(m.all)-1].OpenTime, Present: int64(len(m.all))}, nil
}
