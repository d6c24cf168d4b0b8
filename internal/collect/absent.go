package collect

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// Exchanges mend their history: what was proved absent is asked for once a day all the same, at a time
// of day of its own. A daily question has weight 2.
const (
	recheckEvery = 24 * time.Hour
	// maxAbsent bounds the absent gaps that a series keeps. Those that do not fit have their turn after a
	// later start: the store names first what was not checked for longest.
	maxAbsent = 64
)

// keepAbsent takes note of a gap that is absent at source and was last asked for at checked.
func (s *splice) keepAbsent(h *hole, checked candle.Millis) {
	if !s.auditing || s.sparse || len(s.absent) >= maxAbsent {
		return
	}
	h.due = s.recheckAt(h.r.From, checked)
	s.absent = append(s.absent, h)
	s.nextRecheck()
}

// recheckAt gives when an absent gap is to be asked for again: 12 to 36 hours after it was.
func (s *splice) recheckAt(from, checked candle.Millis) candle.Millis {
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, s.series.String()) // it never fails
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(from))
	_, _ = hash.Write(key[:])
	day := candle.Millis(recheckEvery.Milliseconds())
	phase := candle.Millis(hash.Sum64() % uint64(day))
	least := checked.Add(recheckEvery / 2)
	return least + ((phase-least)%day+day)%day
}

// nextRecheck finds out which absent gap is to be asked for next.
func (s *splice) nextRecheck() {
	s.recheck = nil
	for _, h := range s.absent {
		if s.recheck == nil || h.due < s.recheck.due {
			s.recheck = h
		}
	}
}

// answerAbsent takes an answer about an absent gap. Rows that are there after all fill it.
func (s *splice) answerAbsent(h *hole, p exchange.Page, now candle.Millis, out outlet) {
	found := slices.ContainsFunc(p.Candles, func(c candle.Candle) bool { return h.r.From <= c.OpenTime && c.OpenTime < s.end(h) })
	if found {
		s.answerGap(s.reopened(h), p, now, out)
		return
	}
	h.due = s.recheckAt(h.r.From, now)
	s.nextRecheck()
	out.gap(s.told(h, candle.GapAbsent, now))
}

// holeOf gives the gap, open or absent, into which a candle that opened then belongs.
func (s *splice) holeOf(open candle.Millis) *hole {
	for _, list := range [...][]*hole{s.gaps, s.absent} {
		for _, h := range list {
			if h.r.From <= open && open < s.end(h) {
				return h
			}
		}
	}
	return nil
}

// reopened makes an absent gap an open one, of which some rows have been found; an open one it leaves.
func (s *splice) reopened(h *hole) *hole {
	if at := slices.Index(s.absent, h); at >= 0 {
		s.absent = slices.Delete(s.absent, at, at+1)
		if len(s.absent) == 0 {
			s.absent = nil
		}
		s.nextRecheck()
		h.due = 0
		s.gaps = append(s.gaps, h)
	}
	return h
}

// remember takes over from the ledger what the exchange said of gaps before: proofs count on, and
// absent gaps are asked for again when their day is over.
func (s *splice) remember(ledger []candle.Gap) {
	s.proofs(ledger)
	tf := s.series.Timeframe
	for _, g := range ledger {
		if g.State == candle.GapAbsent {
			s.keepAbsent(&hole{r: g.Range, before: tf.Prev(g.Range.From), after: tf.Next(g.Range.To), proofs: g.Proofs}, g.CheckedAt)
		}
	}
}

// proofs takes over the proofs of open gaps. No row in the whole of a gap is none in a part of it.
func (s *splice) proofs(ledger []candle.Gap) {
	for _, g := range ledger {
		if g.State != candle.GapOpen || g.Proofs <= 0 {
			continue
		}
		for _, h := range s.gaps {
			if h.proofs == 0 && g.Range.From <= h.r.From && h.r.To <= g.Range.To {
				h.proofs = min(g.Proofs, enoughProofs-1)
				h.asked = h.proofs
				h.due = g.CheckedAt.Add(spacing[h.proofs-1])
			}
		}
	}
}
