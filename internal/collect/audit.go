package collect

import (
	"hash/fnv"
	"io"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// When candles of the stream are read again, by the exchange's clock. A closed frame is the exchange's
// word, but not its last one; what history says auditDelay after the close is.
//
// Each series has an hour of its own, whose first minute a hash gives, so that hundreds of series do not
// ask in the same minute; a restart changes nothing about it. In each hour it asks for what has closed
// auditDelay before the hour began: one question of weight 2 for a minute's candles, so 500 series
// spend some 17 of Binance's 6,000 a minute. A question brings up to a page of 1,000 rows, 16 hours of
// minutes; after a longer absence one page follows the other.
const (
	auditEvery = time.Hour
	auditDelay = exchange.SettlesAfter
	// enoughLooks is how many answers must hold the same hole, where nothing is known to be missing,
	// before it is believed; they are spaced as those about a gap.
	enoughLooks = 3
	// maxJoin is from how many provisional candles on a collector that begins reads them in questions of
	// their own, and not in the one with which it catches up.
	maxJoin = 1000
)

// audit is what a series knows of its confirmation.
type audit struct {
	known bool          // to is known
	to    candle.Millis // what opened up to then, and after the beginning, is confirmed
	phase candle.Millis // where in an hour the hours of this series begin
	due   candle.Millis // no question before
	upTo  candle.Millis // what the question under way, or to be asked again, is about
	looks int           // answers that held a hole which is not explained
	join  bool          // the first question about the present is to begin with what is provisional
	// overtaken tells that the stream has brought a candle behind the series while a question was under way:
	// the answer may be older than that, and say nothing about it.
	overtaken bool
}

// auditFrom tells where the confirmed part of the series ends.
func (s *splice) auditFrom(r candle.Resume) {
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, s.series.String()) // it never fails
	s.audit.phase = candle.Millis(hash.Sum64() % uint64(auditEvery.Milliseconds()))
	if !r.HasLast {
		return // with the first candle
	}
	s.audit.known, s.audit.to = true, r.ConfirmedTo
	if r.ConfirmedTo == 0 || r.ConfirmedTo > r.Last {
		s.audit.to = r.Last
	}
	s.audit.join = s.audit.to < s.last && s.series.Timeframe.Count(s.audit.to, s.last) <= maxJoin
}

// hour gives when the hour of this series that holds now began.
func (a *audit) hour(now candle.Millis) candle.Millis {
	hour := candle.Millis(auditEvery.Milliseconds())
	return now - ((now-a.phase)%hour+hour)%hour
}

// rest puts the next question off to the next hour.
func (a *audit) rest(now candle.Millis) { a.due, a.looks = a.hour(now).Add(auditEvery), 0 }

// auditable gives the newest open time that may be confirmed, if any.
func (s *splice) auditable(now candle.Millis) candle.Millis {
	tf, closed := s.series.Timeframe, s.audit.hour(now).Add(-auditDelay)
	if tf.Next(s.last) <= closed {
		return s.last
	}
	floor, ok := tf.Floor(closed)
	if !ok {
		return s.audit.to
	}
	return floor - 1 // on the grid or off it, it has ended
}

// askAudit tells what is to be read again now, if anything.
func (s *splice) askAudit(now candle.Millis) question {
	if !s.hasLast || !s.audit.known {
		return question{}
	}
	if s.audit.looks == 0 {
		s.audit.upTo = s.auditable(now)
	}
	tf := s.series.Timeframe
	if s.audit.upTo <= s.audit.to || tf.Anchored() && tf.Next(s.audit.to) > s.audit.upTo {
		s.audit.rest(now) // nothing has ended in this hour
		return question{}
	}
	return question{urgency: reread, r: candle.Range{From: s.audit.to, To: s.audit.upTo}}
}

// answerAudit takes what history says of provisional candles. All of it is handed over again: what the
// store has already changes nothing, what it lacks is found, and what differs is corrected.
func (s *splice) answerAudit(p exchange.Page, now candle.Millis, out outlet) {
	if s.audit.overtaken {
		s.audit.overtaken = false // it is asked again at once
		return
	}
	rows := within(p.Candles, s.audit.to, s.audit.upTo)
	if len(rows) == 0 {
		// What is expected is missing at the end, and may come late; the next hour's rows will tell.
		s.audit.rest(now)
		return
	}
	if s.audit.looks+1 < enoughLooks && s.unexplained(rows) {
		s.audit.due = now.Add(spacing[s.audit.looks])
		s.audit.looks++
		s.handAgain(rows, now, out)
		return
	}
	s.audit.looks = 0
	s.confirm(rows, now, out)
	if !p.Full {
		s.audit.rest(now)
	}
}

// within gives the rows that opened after one time, up to another one.
func within(rows []candle.Candle, after, upTo candle.Millis) []candle.Candle {
	for len(rows) > 0 && rows[0].OpenTime <= after {
		rows = rows[1:]
	}
	n := len(rows)
	for n > 0 && rows[n-1].OpenTime > upTo {
		n--
	}
	return rows[:n]
}

// confirm hands rows over again that follow what is confirmed, and confirms them.
func (s *splice) confirm(rows []candle.Candle, now candle.Millis, out outlet) {
	r := candle.Range{From: s.audit.to + 1, To: rows[len(rows)-1].OpenTime}
	kept := s.handAgain(rows, now, out)
	out.audited(candle.Audit{Series: s.series, Range: r, Rows: kept, At: now})
	s.audit.to = r.To
}

// handAgain hands over candles that the series is past, and tells how many were taken. Those that
// belong into a gap have been missing until now.
func (s *splice) handAgain(rows []candle.Candle, now candle.Millis, out outlet) (kept int) {
	for len(rows) > 0 {
		h := s.holeOf(rows[0].OpenTime)
		if h == nil {
			if out.again(rows[0]) {
				kept++
			}
			rows = rows[1:]
			continue
		}
		var found []candle.Candle // all of one gap at once: the ledger has a row for each part that is told
		for ; len(rows) > 0 && s.holeOf(rows[0].OpenTime) == h; rows = rows[1:] {
			if out.candle(rows[0]) {
				found = append(found, rows[0])
			}
		}
		if len(found) > 0 {
			s.divide(s.reopened(h), found, now, out)
		}
		kept += len(found)
	}
	return kept
}

// unexplained tells that rows which follow what is confirmed have a hole that is no known gap. History
// trails, or it has lost a candle that the stream had.
func (s *splice) unexplained(rows []candle.Candle) bool {
	tf, at := s.series.Timeframe, s.audit.to
	if !tf.Anchored() || s.sparse {
		return false
	}
	for _, c := range rows {
		missing := candle.Range{From: tf.Next(at), To: prev(tf, c.OpenTime)}
		if !missing.Empty() {
			if h := s.holeOf(missing.From); h == nil || h.r.To < missing.To {
				return true
			}
		}
		at = c.OpenTime
	}
	return false
}

// rejoin takes, of the first answer about the present, the rows up to the last candle of an earlier
// life. Old ones are confirmed by it.
func (s *splice) rejoin(p exchange.Page, now candle.Millis, out outlet) {
	if !s.audit.join {
		return
	}
	s.audit.join = false
	if s.audit.overtaken {
		s.audit.overtaken = false // its hour will come
		return
	}
	rows := within(p.Candles, s.audit.to, s.last)
	for len(rows) > 0 && !s.final(rows[len(rows)-1], p) {
		rows = rows[:len(rows)-1]
	}
	if len(rows) > 0 && !s.unexplained(rows) {
		s.confirm(rows, now, out)
	}
}

// final tells that a row of an answer is history's last word.
func (s *splice) final(c candle.Candle, p exchange.Page) bool {
	return s.series.Timeframe.Next(c.OpenTime).Add(auditDelay) <= p.AsOf
}

// birth confirms candles of history that were final when they were handed over for the first time, as
// those of a back-fill are: they need not be read twice.
type birth struct {
	r    candle.Range
	rows int
}

// follows tells whether the next candle would follow what is confirmed.
func (s *splice) follows() bool { return !s.hasLast || s.audit.known && s.audit.to >= s.last }

// note confirms a candle that was handed over, taken or not.
func (b *birth) note(s *splice, c candle.Candle, taken bool) {
	if b.r.From == 0 {
		b.r.From = s.audit.to + 1
	}
	b.r.To, s.audit.to = c.OpenTime, c.OpenTime
	if taken {
		b.rows++
	}
}

// tell hands over what was confirmed, if anything.
func (b *birth) tell(s *splice, now candle.Millis, out outlet) {
	if b.r.From != 0 {
		out.audited(candle.Audit{Series: s.series, Range: b.r, Rows: b.rows, At: now})
	}
}
