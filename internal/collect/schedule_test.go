package collect

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"velador/internal/candle"
)

// Whatever goes wrong, in whatever order: at the end the sink has every candle of the market exactly
// once, in order but for what was named as a gap and came later, digit for digit, and the gaps left
// are the market's own.
//
// The schedules played are always the same. VELADOR_SCHEDULES plays so many others, drawn anew each time, and
// VELADOR_SEED repeats one.
func TestAnyScheduleOfFaultsBringsHomeWhatTheMarketHas(t *testing.T) {
	t.Parallel()
	var seeds []uint64
	if text := os.Getenv("VELADOR_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	} else if n, err := strconv.Atoi(os.Getenv("VELADOR_SCHEDULES")); err == nil {
		for range n {
			seeds = append(seeds, rand.Uint64())
		}
	} else {
		for seed := range uint64(schedules) {
			seeds = append(seeds, seed+1)
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playSchedule(t, seed) })
			if t.Failed() {
				t.Logf("repeat it with VELADOR_SEED=%d", seed)
			}
		})
	}
}

func playSchedule(t *testing.T, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 1))
	chance := func(p float64) bool { return dice.Float64() < p }
	tf := []candle.Timeframe{candle.Minute1, candle.Minute1, candle.Minute5, candle.Hour1}[dice.IntN(4)]
	const steps = 400
	first := instant("2023-03-24T00:00")
	at := func(step int) candle.Millis { return first.Add(time.Duration(step) * tf.Step()) }
	within := func(from, to int) candle.Millis { // any instant between two steps
		return at(from) + candle.Millis(dice.Int64N(int64(at(to)-at(from))))
	}
	stretch := func(longest time.Duration) candle.Range {
		from := within(100, 340)
		return candle.Range{From: from, To: from.Add(time.Duration(dice.Int64N(int64(longest))))}
	}

	v := newVenue(tf, clockText(within(100, 101)), nil)
	v.speed = []int64{60, 200, 1000}[dice.IntN(3)]
	if tf == candle.Hour1 {
		v.speed = 1000
	}
	v.restDelay = time.Duration(dice.Int64N(int64(2*time.Second))) / time.Duration(v.speed)
	v.page = 3 + dice.IntN(60)
	v.maxStreams = 1 + dice.IntN(3)
	symbols := []string{"A", "B", "C"}[:1+dice.IntN(3)]
	s := &session{venue: v, library: &books{found: make(map[string]candle.Resume), fails: dice.IntN(3), delay: time.Duration(dice.Int64N(int64(time.Second)))}}
	for i, symbol := range symbols {
		if s.selector += symbol; i < len(symbols)-1 {
			s.selector += ","
		}
		// The market, with halts, candles off the grid and early ends.
		halts := []candle.Range{{From: 1}}
		for range dice.IntN(3) {
			from := dice.IntN(380)
			halts = append(halts, candle.Range{From: at(from), To: at(from + dice.IntN(60))})
		}
		listed := at(dice.IntN(2) * dice.IntN(150))
		for step := range steps {
			open := at(step)
			inside := slices.ContainsFunc(halts, func(r candle.Range) bool { return r.Contains(open) })
			if open < listed || inside {
				continue
			}
			c := bar(open)
			c.CloseTime = tf.Next(open) - 1
			if n := len(v.rows[symbol]); n > 0 && v.rows[symbol][n-1].OpenTime < tf.Prev(open) && chance(0.5) {
				c = bar(open + candle.Millis(dice.Int64N(int64(tf.Next(open)-open))))
				c.CloseTime = tf.Next(open) - 1
			}
			v.rows[symbol] = append(v.rows[symbol], c)
		}
		if stored := v.rows[symbol][0].OpenTime; chance(0.7) && stored < at(90) {
			s.library.found[symbol] = candle.Resume{Last: stored, HasLast: true}
		}
	}
	s.since = clockText(at(10))

	// The stream.
	fates := make(map[string]map[candle.Millis]fate)
	lost, late := dice.Float64()*0.2, dice.Float64()*0.2
	for symbol, rows := range v.rows {
		fates[symbol] = make(map[candle.Millis]fate)
		for _, c := range rows {
			f := fate{lost: chance(lost), again: chance(0.1)}
			if chance(late) {
				f.late = time.Duration(dice.Int64N(int64(3 * tf.Step())))
			}
			fates[symbol][c.OpenTime] = f
		}
	}
	v.frame = func(symbol string, open candle.Millis) fate { return fates[symbol][open] }
	for range dice.IntN(6) {
		v.cuts = append(v.cuts, within(100, 390))
	}
	for range dice.IntN(3) {
		v.shutdowns = append(v.shutdowns, within(100, 390))
	}
	if chance(0.3) {
		v.maxAge = time.Duration(30+dice.IntN(90)) * tf.Step() / time.Duration(v.speed)
	}
	unreached := []candle.Range{stretch(20 * tf.Step()), stretch(time.Minute)}
	v.unreached = func(now candle.Millis) error {
		if unreached[0].Contains(now) || unreached[1].Contains(now) {
			return away
		}
		return nil
	}

	// History: away at times, trailing at times.
	refused := []candle.Range{stretch(30 * tf.Step()), stretch(time.Minute)}
	flaky := dice.Float64() * 0.2
	v.refuses = func(symbol string, now candle.Millis) error {
		if refused[0].Contains(now) || refused[1].Contains(now) || rand.New(rand.NewPCG(seed, uint64(now))).Float64() < flaky {
			return away
		}
		return nil
	}
	mended := make(map[candle.Millis]candle.Millis)
	for range dice.IntN(4) {
		open := at(100 + dice.IntN(200))
		for range 1 + dice.IntN(3) {
			// Before three spaced answers can prove what is not so.
			mended[open] = tf.Next(open).Add(time.Duration(dice.Int64N(int64(8 * time.Minute))))
			open = tf.Next(open)
		}
	}
	v.hidden = func(_ string, open, now candle.Millis) bool { return now < mended[open] }

	// The sink.
	if chance(0.5) {
		s.shelf.blocked = []candle.Range{stretch(60 * tf.Step())}
	}

	// A sink that takes audits, and a stream that says a candle wrongly now and then.
	var kept *archive
	if chance(0.6) {
		kept = newArchive(v)
		kept.blocked, s.sink = s.shelf.blocked, kept
		wrong := dice.Float64() * 0.1
		v.wrong = func(symbol string, open candle.Millis) bool {
			return rand.New(rand.NewPCG(seed+uint64(symbol[0]), uint64(open))).Float64() < wrong
		}
	}

	s.run(t, clockText(at(steps).Add(30*time.Hour)))

	if s.err != nil {
		t.Errorf("ended with %v", s.err)
	}
	for symbol, had := range v.rows {
		begin, last := at(10), candle.Millis(0)
		if r := s.library.found[symbol]; r.HasLast {
			begin, last = r.Last+1, r.Last
		}
		var want []candle.Millis
		for _, c := range had {
			if c.OpenTime >= begin {
				want = append(want, c.OpenTime)
			}
		}
		shelf := &s.shelf
		if kept != nil {
			shelf = &kept.shelf
			if end := kept.verify(t, symbol); end != had[len(had)-1].OpenTime {
				t.Errorf("%s is confirmed up to %s, the last candle is %s", symbol, end, had[len(had)-1].OpenTime)
			}
		}
		var gaps []candle.Gap
		for _, g := range shelf.gaps {
			if g.Series.Symbol == symbol {
				gaps = append(gaps, g)
			}
		}
		verify(t, tf, symbol, last, want, shelf.candles[symbol], gaps)
	}
	if n := len(v.asked); n > 4000 {
		t.Errorf("history was asked %d times", n)
	}
	if t.Failed() {
		t.Logf("%s at %d× for %s", tf, v.speed, s.selector)
	}
}

// verify compares what came of a symbol with what should have come; last was stored before, if it is
// not 0.
func verify(t *testing.T, tf candle.Timeframe, symbol string, last candle.Millis, want []candle.Millis, came []candle.Candle, gaps []candle.Gap) {
	t.Helper()
	var opens []candle.Millis
	var newest candle.Millis
	for _, c := range came {
		if c.OpenTime < newest && !slices.ContainsFunc(gaps, func(g candle.Gap) bool { return g.Range.From <= c.OpenTime && c.OpenTime < tf.Next(g.Range.To) }) {
			t.Errorf("%s: %s came after %s and was not told as missing", symbol, c.OpenTime, newest)
		}
		newest = max(newest, c.OpenTime)
		opens = append(opens, c.OpenTime)
	}
	slices.Sort(opens)
	if !slices.Equal(opens, want) {
		for _, open := range want {
			if !slices.Contains(opens, open) {
				t.Errorf("%s: %s did not come", symbol, open)
			}
		}
		for i, open := range opens {
			if !slices.Contains(want, open) {
				t.Errorf("%s: %s came and should not", symbol, open)
			}
			if i > 0 && open == opens[i-1] {
				t.Errorf("%s: %s came twice", symbol, open)
			}
		}
		return
	}
	// What the ledger holds as absent or open at the end is what is missing on the grid, no more and no
	// less.
	ledger := make(map[candle.Millis]candle.Gap)
	for _, g := range gaps {
		ledger[g.Range.From] = g
	}
	var missing, told []candle.Range
	for _, open := range want {
		floor, _ := tf.Floor(open)
		if r := (candle.Range{From: tf.Next(last), To: tf.Prev(floor)}); last != 0 && !r.Empty() {
			missing = append(missing, r)
		}
		last = open
	}
	for _, g := range ledger {
		switch g.State {
		case candle.GapAbsent:
			told = append(told, g.Range)
		case candle.GapOpen:
			t.Errorf("%s: the gap %s is still open with %d proofs", symbol, g.Range, g.Proofs)
		}
	}
	slices.SortFunc(told, func(a, b candle.Range) int { return int(a.From - b.From) })
	if told = joined(tf, told); !slices.Equal(told, missing) {
		t.Errorf("%s: absent are told %v\nbut missing are %v", symbol, told, missing)
	}
}

// joined puts stretches that touch into one.
func joined(tf candle.Timeframe, stretches []candle.Range) []candle.Range {
	var out []candle.Range
	for _, r := range stretches {
		if n := len(out); n > 0 && tf.Next(out[n-1].To) == r.From {
			out[n-1].To = r.To
			continue
		}
		out = append(out, r)
	}
	return out
}
