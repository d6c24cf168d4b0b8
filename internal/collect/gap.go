package collect

import (
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// enoughProofs is how many spaced answers with rows on both sides and none inside prove that a gap
// is absent at source (EXCHANGES.md 2.19, rule 4: one is not enough, history is mended at times).
const enoughProofs = 3

// enough gives how many proofs it takes: of a venue that has no row where nothing was traded one will do.
func (s *splice) enough() int {
	if s.sparse {
		return 1
	}
	return enoughProofs
}

// maxHoles bounds the open gaps that a series keeps. Further ones are told to the sink as open, and
// the store names them again at the next start.
const maxHoles = 4096

// manyMissing is the length of the store's list of missing stretches from which on it may have been
// cut short: the store is asked once more when all of them are done.
const manyMissing = 1000

// Widening of a question that held no row on one side of its gap: the neighbour may be absent too.
const maxWidening = 128 // steps

// spacing is when a gap is asked for again, by the exchange's clock: after the first answer, after
// the second, and so on; the last one is repeated.
var spacing = [...]time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}

// hole is an open gap that is still asked for.
type hole struct {
	r             candle.Range  // the first and the last open time that is missing
	before, after candle.Millis // what is asked for: from the row before to the row after it
	proofs        int
	asked         int           // answers that left it as it was
	due           candle.Millis // when to ask, by the exchange's clock
}

// missing takes over the stretches that the store misses. Their neighbours are not known, so they
// are reckoned.
func (s *splice) missing(stretches []candle.Range) {
	tf := s.series.Timeframe
	for _, r := range stretches {
		if r.Empty() || len(s.gaps) == maxHoles {
			continue
		}
		s.gaps = append(s.gaps, &hole{r: r, before: tf.Prev(r.From), after: tf.Next(r.To)})
	}
	s.truncated = len(stretches) >= manyMissing
}

// skip names the stretch between the last candle and the one that opened at after as a gap.
func (s *splice) skip(missing candle.Range, after candle.Millis, proved bool, now candle.Millis, out outlet) {
	h := &hole{r: missing, before: s.last, after: after, due: now}
	if !s.hasLast {
		h.before = missing.From
	}
	var checked candle.Millis
	if proved {
		h.proofs, h.asked, checked = 1, 1, now
		h.due = now.Add(spacing[0])
	}
	if h.proofs >= s.enough() {
		out.gap(s.told(h, candle.GapAbsent, checked))
		return
	}
	if len(s.gaps) < maxHoles {
		s.gaps = append(s.gaps, h)
	}
	out.gap(s.told(h, candle.GapOpen, checked))
}

func (s *splice) told(h *hole, state candle.GapState, checked candle.Millis) candle.Gap {
	return candle.Gap{Series: s.series, Range: h.r, State: state, Proofs: h.proofs, CheckedAt: checked}
}

// fill hands over a closed candle of the stream that came when the series was past it, if it belongs
// into an open gap.
func (s *splice) fill(c candle.Candle, now candle.Millis, out outlet) {
	for _, h := range s.gaps {
		if h.r.From <= c.OpenTime && c.OpenTime < s.end(h) {
			if s.auditing && c.OpenTime <= s.audit.to {
				h.due = now // history has the last word about what is confirmed
				return
			}
			s.audit.overtaken = s.asking
			out.candle(c)
			s.divide(h, []candle.Candle{c}, now, out)
			return
		}
	}
}

// answerGap takes an answer about a gap: the rows that are there after all, or one more proof that
// there are none.
func (s *splice) answerGap(h *hole, p exchange.Page, now candle.Millis, out outlet) {
	if slices.Contains(s.absent, h) {
		s.answerAbsent(h, p, now, out)
		return
	}
	if !slices.Contains(s.gaps, h) {
		return // the stream has divided it in the meantime; its parts are asked for anew
	}
	var found []candle.Candle
	left, right := false, p.Unclosed >= s.end(h)
	for _, c := range p.Candles {
		switch {
		case c.OpenTime < h.r.From:
			left = true
		case c.OpenTime >= s.end(h):
			right = true
		default:
			out.candle(c)
			found = append(found, c)
		}
	}
	if len(found) > 0 {
		cut := p.Full && !right
		for _, part := range s.divide(h, found, now, out) {
			// The rows found are the neighbours of what is still missing. Where a page ended inside of
			// it, what follows was not answered yet.
			if tail := part.r.From > found[len(found)-1].OpenTime; cut && tail {
				part.proofs, part.due = 0, now
			} else if (left || part.r.From > h.r.From) && (!tail || right) {
				s.prove(part, now, out)
			}
		}
		return
	}
	if left && right {
		s.prove(h, now, out)
		return
	}
	if n := len(p.Candles); p.Full && !right && p.Candles[n-1].OpenTime > h.before {
		h.before, h.due = p.Candles[n-1].OpenTime, now // the page ended before the gap
		return
	}
	s.widen(h, left, right)
	h.due = now.Add(spacing[min(h.asked, len(spacing)-1)])
	h.asked++
}

// end is where a gap ends: what opened before, on the grid or off it, belongs into the gap.
func (s *splice) end(h *hole) candle.Millis { return s.series.Timeframe.Next(h.r.To) }

// prove counts a proof. With enough of them the gap is absent at source and not asked for any more.
func (s *splice) prove(h *hole, now candle.Millis, out outlet) {
	h.proofs++
	if h.proofs >= s.enough() {
		s.drop(h)
		s.keepAbsent(h, now)
		out.gap(s.told(h, candle.GapAbsent, now))
		return
	}
	h.due = now.Add(spacing[h.proofs-1])
	h.asked++
	out.gap(s.told(h, candle.GapOpen, now))
}

// widen asks further out next time on the sides where no row was, up to a bound.
func (s *splice) widen(h *hole, left, right bool) {
	step := s.series.Timeframe.Step()
	steps := time.Duration(min(maxWidening, 8<<min(h.asked, 8)))
	if !left {
		h.before = h.r.From.Add(-steps * step)
	}
	if !right {
		h.after = h.r.To.Add(steps * step)
	}
}

// divide takes the rows found out of a gap and gives the parts of it that are still missing. A gap is
// identified by its first open time: when that was found, the gap is repaired and the rest are new ones.
//
// The ledger holds the gap as one row, which this makes shorter. So the parts behind the first are told
// before: were the process to end in between, or before they are asked for, nothing else would know of them
// at the next start, which looks only so far back for candles that do not follow each other.
func (s *splice) divide(h *hole, found []candle.Candle, now candle.Millis, out outlet) (parts []*hole) {
	tf := s.series.Timeframe
	from, before := h.r.From, h.before
	add := func(to, after candle.Millis) {
		if part := (candle.Range{From: from, To: to}); !part.Empty() {
			parts = append(parts, &hole{r: part, before: before, after: after, proofs: h.proofs, asked: h.asked, due: h.due})
		}
	}
	for _, c := range found {
		add(prev(tf, c.OpenTime), c.OpenTime)
		from, before = tf.Next(c.OpenTime), c.OpenTime
	}
	add(h.r.To, h.after)
	at := slices.Index(s.gaps, h)
	s.gaps = slices.Replace(s.gaps, at, at+1, parts...)
	if len(s.gaps) == 0 {
		s.gaps = nil
	}
	head, state := *h, candle.GapRepaired
	for _, part := range parts {
		if part.r.From == h.r.From {
			head, state = *part, candle.GapOpen
			continue
		}
		out.gap(s.told(part, candle.GapOpen, now))
	}
	if state == candle.GapRepaired && len(parts) > 0 {
		head.r.To = prev(tf, parts[0].r.From)
	}
	out.gap(s.told(&head, state, now))
	return parts
}

func (s *splice) drop(h *hole) {
	if at := slices.Index(s.gaps, h); at >= 0 {
		s.gaps = slices.Delete(s.gaps, at, at+1)
	}
	if len(s.gaps) == 0 {
		s.gaps = nil
	}
}
