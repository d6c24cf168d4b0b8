package collect

import (
	"fmt"
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// When a candle that should be there is asked for, by the exchange's clock.
const (
	// closeGrace is how long after its nominal end a candle's closing frame is waited for
	// (EXCHANGES.md 2.12 c); laterGrace the same once a frame of a later candle was seen (2.12 b).
	closeGrace = 10 * time.Second
	laterGrace = 2 * time.Second
	// hesitation is the first wait after an answer that cannot be the last word: the candle is there
	// but not closed by the adapter's safety margin, or the history trails the stream.
	hesitation = 5 * time.Second
	// longestWait is the cap of all waits that double.
	longestWait = time.Hour
)

// Bounds of what a series keeps.
const (
	// maxPending is how many closed candles of the stream wait for history to reach them. More need
	// not wait: history brings the older ones.
	maxPending = 8
	// maxTries is how many answers may leave a hole unexplained before the series goes on without it.
	maxTries = 3
	// patience is how many questions in a row may fail before a hole that they are about is left to
	// later, so that the series goes on.
	patience = 3
)

// outlet takes what a splice lets go, in order.
type outlet interface {
	candle(c candle.Candle) (taken bool)
	gap(g candle.Gap)
	again(c candle.Candle) (taken bool) // one that was handed over before, or should have been
	audited(a candle.Audit)
}

// splice decides, for one series, what is handed over: it joins history and stream into one line in
// which every candle follows its predecessor by one step, or a gap is named. It is pure: it is told
// what came and what time the exchange has, and answers what to hand over and what to ask for.
//
// The one question about the present is always the same: the candles from the last one handed over,
// included, to now. A hole before a candle of the stream, a closing frame that did not come and a
// reconnect differ only in when it is asked.
type splice struct {
	series candle.Series
	sparse bool // the venue has no row where nothing was traded (exchange.Sparse)

	begun   candle.Millis // what time the exchange had when the series was first wanted; 0: that of the start
	started bool          // it is known where to begin
	last    candle.Millis // open time of the newest candle handed over, or stored by an earlier life
	hasLast bool
	since   candle.Millis // without last: no candle that opened earlier is wanted
	first   candle.Millis // without last: the oldest candle that was seen to form; 0 before
	probing bool          // without last: since is a guess, the first candle's open time is asked for

	pending []candle.Candle // closed candles of the stream that wait, ascending, all wanted
	seen    candle.Millis   // the newest open time in any frame
	asking  bool            // a question is under way
	behind  bool            // there may be candles between last and the live edge
	lateAt  candle.Millis   // when the next candle will be overdue
	holeAt  candle.Millis   // when to ask about the hole before pending, if there is one
	tries   int             // answers that left this hole unexplained
	idle    int             // answers in a row that brought nothing

	gaps []*hole // open gaps, oldest first
	// absent are gaps that are absent at source, recheck the one of them that is asked for next.
	absent  []*hole
	recheck *hole
	// truncated tells that the store may know of more missing stretches than it told.
	truncated bool

	auditing bool // what the stream said is read again, and what is absent asked for again
	audit    audit
}

// urgency orders questions: what makes a live series wait comes first.
type urgency uint8

const (
	none    urgency = iota
	reread          // what the stream said, or what is absent at source
	history         // a gap in the past
	catchUp         // a series on its way to the live edge
	repair          // a hole or an overdue candle at the live edge
)

// classes are what questions are to the budget that all collectors of a machine share.
var classes = [...]exchange.Class{
	reread: exchange.ClassAudit, history: exchange.ClassHistory, catchUp: exchange.ClassRepair, repair: exchange.ClassLive,
}

// question is what a splice wants to know of the exchange's history.
type question struct {
	urgency urgency
	r       candle.Range
	hole    *hole // of history, or an absent one; nil for the present, and for what the stream said
}

// start tells where to begin. now is the exchange's clock.
//
// Where nothing is stored and nobody said since when, that is with the candle that formed when the series was
// first wanted. It may have closed meanwhile, and others: the store was away.
func (s *splice) start(r candle.Resume, since, now candle.Millis) {
	s.started = true
	if s.begun == 0 || s.begun > now { // the clock may have been set back
		s.begun = now
	}
	switch floor, ok := s.series.Timeframe.Floor(s.begun); {
	case r.HasLast:
		s.last, s.hasLast, s.behind = r.Last, true, true
	case since != 0:
		s.since, s.behind = since, true
	case ok:
		s.since, s.behind = floor, s.series.Timeframe.Next(floor) <= now // else the stream will bring it
	default:
		s.since, s.probing, s.behind = s.begun.Add(-s.series.Timeframe.Step()), true, true
	}
	s.missing(r.Missing)
	if s.auditing {
		s.auditFrom(r)
		s.remember(r.Ledger)
	}
	s.pending = slices.DeleteFunc(s.pending, func(c candle.Candle) bool { return !s.wants(c.OpenTime) })
	s.advanced()
}

// live tells that the series is at the live edge and has no hole there.
func (s *splice) live() bool { return s.started && !s.behind && len(s.pending) == 0 }

// next is the open time that is expected.
func (s *splice) next() candle.Millis {
	if s.hasLast {
		return s.series.Timeframe.Next(s.last)
	}
	return s.since
}

// wants tells whether a candle that opened then is still to be handed over.
func (s *splice) wants(open candle.Millis) bool {
	if s.hasLast {
		return open > s.last
	}
	return open >= s.since
}

// before is the stretch that is missing between the last candle and one that opened at open. Where
// nothing was handed over yet, it may be missing, or the market begins after it.
func (s *splice) before(open candle.Millis) candle.Range {
	return candle.Range{From: s.next(), To: prev(s.series.Timeframe, open)}
}

// prev is the open time that should precede a candle that opened at open. One that opened off the
// grid, as after an outage (EXCHANGES.md 2.15), stands for the interval that holds it.
func prev(tf candle.Timeframe, open candle.Millis) candle.Millis {
	if floor, ok := tf.Floor(open); ok {
		open = floor
	}
	return tf.Prev(open)
}

// advanced notes that the last candle is another one.
func (s *splice) advanced() {
	s.lateAt = s.series.Timeframe.Next(s.next()).Add(closeGrace)
	s.idle, s.tries, s.holeAt = 0, 0, 0
}

// pass hands a candle over that follows the last one, or a gap that is named already.
func (s *splice) pass(c candle.Candle, out outlet) (taken bool) {
	if !s.audit.known {
		s.audit.known, s.audit.to = true, c.OpenTime-1
	}
	taken = out.candle(c)
	s.last, s.hasLast = c.OpenTime, true
	s.advanced()
	return taken
}

// observe notes that a frame, forming or closed, was about the candle that opened at open.
func (s *splice) observe(open, now candle.Millis) {
	if !s.hasLast && (s.first == 0 || open < s.first) {
		s.first = open
	}
	if open <= s.seen {
		return
	}
	s.seen = open
	if !s.started || !s.wants(open) || s.before(open).Empty() {
		return
	}
	// A later candle has begun: what is expected is over, and a halt has ended.
	s.lateAt, s.idle = min(s.lateAt, now.Add(laterGrace)), 0
}

// offer brings a closed candle of the stream.
func (s *splice) offer(c candle.Candle, now candle.Millis, out outlet) {
	if s.started && !s.wants(c.OpenTime) {
		s.fill(c, now, out) // late, if it belongs into a gap; otherwise doubled
		return
	}
	at, doubled := slices.BinarySearchFunc(s.pending, c.OpenTime, func(p candle.Candle, open candle.Millis) int {
		return int(min(max(p.OpenTime-open, -1), 1))
	})
	if doubled {
		return
	}
	s.pending = slices.Insert(s.pending, at, c)
	if s.started {
		s.drain(out)
	}
	if len(s.pending) > maxPending {
		s.pending = slices.Delete(s.pending, 0, 1)
	}
}

// drain hands over what waits, up to the next hole.
func (s *splice) drain(out outlet) {
	n := 0
	for ; n < len(s.pending) && !s.probing; n++ {
		c := s.pending[n]
		if !s.wants(c.OpenTime) {
			continue
		}
		if !s.before(c.OpenTime).Empty() {
			break
		}
		s.pass(c, out)
	}
	if s.pending = slices.Delete(s.pending, 0, n); len(s.pending) == 0 {
		s.pending = nil // a row may keep a whole answer alive
	}
}

// ask tells what to ask now, if anything.
func (s *splice) ask(now candle.Millis) question {
	if !s.started || s.asking {
		return question{}
	}
	urgency := none
	switch {
	case s.behind && now >= s.holeAt:
		urgency = catchUp
	case len(s.pending) > 0 && now >= s.holeAt, now >= s.lateAt:
		urgency = repair
	}
	if urgency != none {
		r := candle.Range{From: s.since, To: now}
		switch {
		case s.audit.join:
			r.From = s.audit.to
		case s.hasLast:
			r.From = s.last
		}
		if n := len(s.pending); n > 0 {
			r.To = max(r.To, s.pending[n-1].OpenTime)
		}
		r.To = max(r.To, r.From).Add(s.series.Timeframe.Step())
		return question{urgency: urgency, r: r}
	}
	for _, h := range s.gaps {
		if now >= h.due {
			return question{urgency: history, r: candle.Range{From: h.before, To: h.after}, hole: h}
		}
	}
	if h := s.recheck; h != nil && now >= h.due {
		return question{urgency: reread, r: candle.Range{From: h.before, To: h.after}, hole: h}
	}
	if s.auditing && now >= s.audit.due {
		return s.askAudit(now)
	}
	return question{}
}

// answer brings what the exchange said to a question. An error means that it made no sense; the
// question stands.
func (s *splice) answer(q question, p exchange.Page, now candle.Millis, out outlet) error {
	if err := check(q, p); err != nil {
		return err
	}
	if q.hole != nil {
		s.answerGap(q.hole, p, now, out)
		return nil
	}
	if q.urgency == reread {
		s.answerAudit(p, now, out)
		return nil
	}
	return s.answerPresent(q, p, now, out)
}

// check tells what is wrong with a page.
func check(q question, p exchange.Page) error {
	for i, c := range p.Candles {
		if !q.r.Contains(c.OpenTime) || i > 0 && c.OpenTime <= p.Candles[i-1].OpenTime {
			return fmt.Errorf("the exchange's history is out of order at %s in its answer about %s", c.OpenTime, q.r)
		}
	}
	return nil
}

// contains tells whether a page holds a row that opened then, closed or not.
func contains(p exchange.Page, open candle.Millis) bool {
	_, ok := slices.BinarySearchFunc(p.Candles, open, func(c candle.Candle, open candle.Millis) int {
		return int(min(max(c.OpenTime-open, -1), 1))
	})
	return ok || p.Unclosed == open
}

func (s *splice) answerPresent(q question, p exchange.Page, now candle.Millis, out outlet) error {
	tf := s.series.Timeframe
	if s.probing {
		s.probing, s.since = false, s.firstOf(p)
		s.advanced()
	}
	s.rejoin(p, now, out)
	progress := false
	var confirmed birth
	for _, c := range p.Candles {
		// Should the stream have had a candle that history lacks, it takes its place.
		for s.drain(out); len(s.pending) > 0 && s.pending[0].OpenTime < c.OpenTime; s.drain(out) {
			s.stepOver(contains(p, s.last), now, out)
			progress = true
		}
		if !s.wants(c.OpenTime) {
			continue
		}
		follows := s.follows()
		taken := s.goOn(c, contains(p, s.last), now, out)
		if s.auditing && follows && s.final(c, p) {
			confirmed.note(s, c, taken)
		}
		progress = true
	}
	confirmed.tell(s, now, out)
	s.drain(out)
	switch {
	case p.Full && !progress && len(p.Candles) > 0 && p.Candles[len(p.Candles)-1].OpenTime <= q.r.From:
		return fmt.Errorf("the exchange gives pages of %d rows, which lead nowhere", len(p.Candles))
	case p.Full || q.r.To < p.AsOf.Add(-tf.Step()):
		if s.behind = true; !progress { // the clock was old, or the stream was faster
			s.holeAt = now.Add(hesitation)
		}
		return nil
	}
	s.behind = false
	for len(s.pending) > 0 && s.explained(p, now, out) {
		s.drain(out)
	}
	if len(s.pending) > 0 {
		s.holeAt = now.Add(doubled(hesitation, s.tries))
		s.tries++
	}
	if !progress {
		s.wait(p, now)
	}
	return nil
}

// firstOf gives the open time of the first candle that is wanted, of a timeframe whose open times only the
// exchange knows: the one that formed when the series was first wanted; without one, whatever comes.
func (s *splice) firstOf(p exchange.Page) candle.Millis {
	first := s.begun
	look := func(open candle.Millis) {
		if open <= s.begun && s.begun < s.series.Timeframe.Next(open) {
			first = open
		}
	}
	for _, c := range p.Candles {
		look(c.OpenTime)
	}
	if p.Unclosed != 0 {
		look(p.Unclosed)
	}
	return first
}

// explained goes over the hole before pending if the answer says what is in it, or if that was asked
// often enough. It tells whether it did.
func (s *splice) explained(p exchange.Page, now candle.Millis, out outlet) bool {
	first := s.pending[0].OpenTime
	shown := p.Unclosed
	if n := len(p.Candles); n > 0 {
		shown = max(shown, p.Candles[n-1].OpenTime)
	}
	if shown < first && s.tries+1 < maxTries {
		return false
	}
	s.stepOver(shown >= first && contains(p, s.last), now, out)
	return true
}

// stepOver goes on with the first pending candle although there is a hole before it.
func (s *splice) stepOver(proved bool, now candle.Millis, out outlet) {
	c := s.pending[0]
	s.pending = slices.Delete(s.pending, 0, 1)
	s.goOn(c, proved, now, out)
}

// goOn hands a candle over, and names what is missing before it. Before the first candle of all
// nothing is: that is where the market begins; unless an older one was seen to form.
func (s *splice) goOn(c candle.Candle, proved bool, now candle.Millis, out outlet) (taken bool) {
	missing := s.before(c.OpenTime)
	if !s.hasLast {
		missing.From, proved = s.first, false
		if s.first == 0 || !s.wants(s.first) {
			missing.From = c.OpenTime
		}
	}
	if !missing.Empty() {
		s.skip(missing, c.OpenTime, proved, now, out)
	}
	return s.pass(c, out)
}

// unanswered tells that questions have failed so many times in a row. A series whose newest candles
// pile up goes on without what is missing; that is asked for later.
func (s *splice) unanswered(failures int, now candle.Millis, out outlet) {
	if failures < patience || !s.hasLast || s.behind || len(s.pending) < maxPending {
		return
	}
	s.stepOver(false, now, out)
	s.drain(out)
}

// wait puts the question about an overdue candle off after an answer that brought nothing. In a halt
// the waits double, so that it costs a handful of questions; a frame of a later candle ends it.
func (s *splice) wait(p exchange.Page, now candle.Millis) {
	if now < s.lateAt {
		return
	}
	tf := s.series.Timeframe
	switch {
	case p.Unclosed != 0 && p.Unclosed <= s.next():
		s.lateAt = now.Add(doubled(hesitation, s.idle))
	case p.Unclosed != 0: // a later candle forms; when it closes, what is missing before it is proved
		s.lateAt = max(tf.Next(p.Unclosed).Add(closeGrace), now.Add(doubled(hesitation, s.idle)))
	default:
		s.lateAt = now.Add(doubled(min(tf.Step(), longestWait), s.idle))
	}
	s.idle++
}

// doubled gives first doubled so many times, an hour at most.
func doubled(first time.Duration, times int) time.Duration {
	for ; times > 0 && first < longestWait; times-- {
		first *= 2
	}
	return min(first, longestWait)
}
