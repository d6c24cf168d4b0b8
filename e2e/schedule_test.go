package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// happening is one thing that goes wrong in a schedule.
type happening struct {
	at   candle.Millis // by the exchange's clock
	what string        // key of a world's deeds
	// What is drawn beside it; each deed takes of it what it needs.
	lasts  time.Duration    // of our time
	reset  bool             // of a cut: without a close frame
	some   int              // how many of the collectors, at least one
	victim int              // which of them is the first
	faults []klineapi.Fault // switches that it sets first
}

func (h happening) String() string {
	text := fmt.Sprintf("%s %-22s %s", h.at, h.what, h.lasts)
	for _, f := range h.faults {
		text += fmt.Sprintf(" [%s", f.Kind)
		for _, part := range []struct {
			is   bool
			text string
		}{
			{f.Symbol != "", " " + f.Symbol}, {f.Stream != "", " " + f.Stream}, {f.Path != "", " " + f.Path}, {f.Rate > 0, fmt.Sprintf(" %.2f", f.Rate)},
			{f.Count > 0, fmt.Sprintf(" ×%d", f.Count)}, {f.Status > 0, fmt.Sprint(" ", f.Status)},
			{f.Delay > 0, fmt.Sprint(" ", time.Duration(f.Delay))}, {f.RetryAfter > 0, fmt.Sprint(" for ", time.Duration(f.RetryAfter))},
		} {
			if part.is {
				text += part.text
			}
		}
		text += "]"
	}
	return text
}

// schedule is all that a seed decides: what is collected by whom, over which day, and what goes wrong
// when. It is pure: the same seed gives the same schedule.
type schedule struct {
	seed       uint64
	day        candle.Range  // what is compared at the end: open times of 1m candles
	live       candle.Millis // where the exchange's clock starts; what lies before is back-filled
	symbols    []string
	collectors []following
	happenings []happening
}

// following is a collector that a schedule wants.
type following struct {
	symbols   []string
	timeframe candle.Timeframe
}

func (f following) selector() string { return strings.Join(f.symbols, ",") }

func (s schedule) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "schedule of seed %d: %s to %s, live from %s\n", s.seed, s.day.From, s.day.To, s.live)
	for _, f := range s.collectors {
		fmt.Fprintf(&text, "  %s %s\n", f.timeframe, f.selector())
	}
	for _, h := range s.happenings {
		fmt.Fprintf(&text, "  %s\n", h)
	}
	return text.String()
}

// scope is what a schedule may draw from.
type scope struct {
	symbols  []string     // that are recorded, sorted
	recorded candle.Range // open times of 1m candles
	day      time.Duration
	before   time.Duration // at most so much of the day is back-filled, at least half as much
	// count is how many things go wrong.
	count int
	deeds []deed
}

// deed is a kind of happening.
type deed struct {
	what   string
	weight int // how often it is drawn, among the others
	// draw fills in what the kind needs; nil: nothing but what all happenings have.
	draw func(d *draws, h *happening)
}

// draws is the chance of one schedule.
type draws struct {
	*rand.Rand
	symbols []string
}

func (d *draws) between(low, high time.Duration) time.Duration {
	return (low + time.Duration(d.Int64N(int64(high-low)+1))).Round(time.Millisecond)
}

func (d *draws) share(low, high float64) float64 { return low + d.Float64()*(high-low) }

func (d *draws) stream() string {
	return strings.ToLower(d.symbols[d.IntN(len(d.symbols))]) + "@kline_1m"
}

// draw makes the schedule of a seed.
func (s scope) draw(seed uint64) schedule {
	d := &draws{Rand: rand.New(rand.NewPCG(seed, 0x76656c61646f72))}
	plan := schedule{seed: seed}
	for _, i := range d.Perm(len(s.symbols))[:10] {
		plan.symbols = append(plan.symbols, s.symbols[i])
	}
	slices.Sort(plan.symbols)
	d.symbols = plan.symbols

	// The market must go on for a while after the day, so that gaps can be proved.
	room := s.recorded.To.Add(-s.day-12*time.Hour).Sub(s.recorded.From) / time.Minute
	plan.day.From = s.recorded.From.Add(time.Duration(d.IntN(int(room))) * time.Minute)
	plan.day.To = plan.day.From.Add(s.day - time.Minute)
	plan.live = plan.day.From.Add(d.between(s.before/2, s.before))

	// Ten symbols of 1m: some have a collector each, the others share one; and a few longer candles.
	alone := 5 + d.IntN(3)
	order := d.Perm(len(plan.symbols))
	for _, i := range order[:alone] {
		plan.collectors = append(plan.collectors, following{plan.symbols[i : i+1 : i+1], candle.Minute1})
	}
	wide := following{timeframe: candle.Minute1}
	for _, i := range order[alone:] {
		wide.symbols = append(wide.symbols, plan.symbols[i])
	}
	plan.collectors = append(plan.collectors, wide)
	for _, tf := range []candle.Timeframe{candle.Minute5, candle.Minute15} {
		i := d.IntN(len(plan.symbols) - 1)
		plan.collectors = append(plan.collectors, following{plan.symbols[i : i+2 : i+2], tf})
	}

	span := plan.day.To.Sub(plan.live)
	total := 0
	for _, kind := range s.deeds {
		total += kind.weight
	}
	for range s.count {
		h := happening{at: plan.live.Add(d.between(span/20, span)), some: 1 + d.IntN(3), victim: d.IntN(1000)}
		pick := d.IntN(total)
		for _, kind := range s.deeds {
			if pick -= kind.weight; pick < 0 {
				h.what = kind.what
				if kind.draw != nil {
					kind.draw(d, &h)
				}
				break
			}
		}
		plan.happenings = append(plan.happenings, h)
	}
	slices.SortStableFunc(plan.happenings, func(a, b happening) int { return int(min(max(a.at-b.at, -1), 1)) })
	return plan
}

// deeds are the kinds of happenings on a database.
func deeds(postgres bool) []deed {
	pause := func(low, high time.Duration) func(*draws, *happening) {
		return func(d *draws, h *happening) { h.lasts = d.between(low, high) }
	}
	all := []deed{
		{"cut", 4, func(d *draws, h *happening) { h.reset = d.IntN(2) == 0 }},
		{"goodbye", 2, pause(0, 2*time.Second)},
		{"half-open", 2, func(d *draws, h *happening) {
			h.reset = true
			h.faults = []klineapi.Fault{{Kind: klineapi.ConnHalfOpen, Count: 1 + d.IntN(2)}}
		}},
		{"handshake", 3, func(d *draws, h *happening) {
			h.reset = d.IntN(2) == 0
			if d.IntN(3) == 0 {
				h.faults = []klineapi.Fault{{Kind: klineapi.HandshakeSlow, Count: 1 + d.IntN(5), Delay: klineapi.Duration(d.between(100*time.Millisecond, 2*time.Second))}}
				return
			}
			status := []int{403, 429, 451, 503}[d.IntN(4)]
			h.faults = []klineapi.Fault{{Kind: klineapi.HandshakeRefused, Count: 1 + d.IntN(8), Status: status}}
		}},
		{"stall", 2, pause(200*time.Millisecond, 3*time.Second)},
		{"frames", 8, drawFrames},
		{"closes", 5, drawCloses},
		{"silence", 3, drawSilence},
		{"rest", 9, drawRest},
		{"ban", 2, func(d *draws, h *happening) {
			h.reset = true
			kind := []klineapi.FaultKind{klineapi.Rest429, klineapi.Rest418}[d.IntN(2)]
			h.faults = []klineapi.Fault{{Kind: kind, Count: 1 + d.IntN(2), RetryAfter: klineapi.Duration(time.Duration(1+d.IntN(3)) * time.Second)}}
		}},
		{"kill collectors", 4, nil},
		{"freeze collectors", 2, pause(200*time.Millisecond, 4*time.Second)},
		{"kill server", 3, pause(0, 1500*time.Millisecond)},
		{"kill both", 2, pause(0, 1500*time.Millisecond)},
		{"freeze server", 2, pause(200*time.Millisecond, 3*time.Second)},
		{"stop and start", 1, pause(0, time.Second)},
	}
	if postgres {
		return append(all,
			deed{"restart database", 3, pause(0, 1500*time.Millisecond)},
			deed{"pause database", 3, pause(200*time.Millisecond, 4*time.Second)},
			deed{"end its sessions", 2, nil},
			deed{"kill server meanwhile", 2, pause(0, time.Second)},
		)
	}
	return append(all,
		deed{"lock database", 4, pause(200*time.Millisecond, 4*time.Second)},
		deed{"kill server meanwhile", 2, pause(0, time.Second)},
	)
}

// drawFrames spoils single frames on their way.
func drawFrames(d *draws, h *happening) {
	kinds := []klineapi.FaultKind{klineapi.FrameDrop, klineapi.FrameDuplicate, klineapi.FrameStale, klineapi.FrameReset,
		klineapi.FrameExtraKey, klineapi.FrameTimeUnit, klineapi.FrameUnknownEvent, klineapi.FrameGarbage, klineapi.StreamWrongOrder}
	for range 1 + d.IntN(2) {
		f := klineapi.Fault{Kind: kinds[d.IntN(len(kinds))], Rate: d.share(0.01, 0.4), Count: 20 + d.IntN(1500)}
		if f.Kind == klineapi.FrameReset {
			f.Rate, f.Count = d.share(0.001, 0.02), 1+d.IntN(6)
		}
		if d.IntN(3) == 0 {
			f.Stream = d.stream()
		}
		h.faults = append(h.faults, f)
	}
}

// drawCloses loses closing frames, or brings them late.
func drawCloses(d *draws, h *happening) {
	kind := []klineapi.FaultKind{klineapi.StreamLostClose, klineapi.StreamLateClose}[d.IntN(2)]
	f := klineapi.Fault{Kind: kind, Rate: d.share(0.1, 1), Count: 5 + d.IntN(200)}
	if d.IntN(2) == 0 {
		f.Stream = d.stream()
	}
	h.faults = []klineapi.Fault{f}
}

// drawSilence makes subscriptions that were acknowledged say nothing, one or all of them.
func drawSilence(d *draws, h *happening) {
	f := klineapi.Fault{Kind: klineapi.StreamSilence, Count: 100 + d.IntN(1000), Stream: d.stream()}
	if d.IntN(3) == 0 {
		f.Stream, f.Count = "", 1000+d.IntN(4000)
	}
	h.faults = []klineapi.Fault{f}
}

// drawRest spoils answers of history, and gives the collectors a reason to ask.
func drawRest(d *draws, h *happening) {
	kinds := []klineapi.FaultKind{klineapi.RestForbidden, klineapi.RestRestricted, klineapi.RestServerError, klineapi.RestTimeout,
		klineapi.RestReset, klineapi.RestTruncated, klineapi.RestSlow, klineapi.RestEmpty, klineapi.RestContentType}
	f := klineapi.Fault{Kind: kinds[d.IntN(len(kinds))], Rate: d.share(0.2, 1), Count: 1 + d.IntN(20)}
	switch f.Kind {
	case klineapi.RestServerError:
		f.Status = []int{500, 502, 503, 504}[d.IntN(4)]
	case klineapi.RestTimeout, klineapi.RestSlow:
		f.Delay, f.Count = klineapi.Duration(d.between(100*time.Millisecond, 2*time.Second)), 1+d.IntN(6)
	}
	if d.IntN(2) == 0 {
		f.Path = "/api/v3/klines"
	}
	h.reset = true
	h.faults = []klineapi.Fault{f, {Kind: klineapi.StreamLostClose, Rate: d.share(0.2, 1), Count: 5 + d.IntN(60)}}
}
