package candle

import "fmt"

// Range is a stretch of a series by open time, both ends included.
type Range struct{ From, To Millis }

// Empty tells that no open time lies in the range.
func (r Range) Empty() bool { return r.To < r.From }

// Contains tells whether open lies in the range.
func (r Range) Contains(open Millis) bool { return r.From <= open && open <= r.To }

// String gives the range in words: 2023-03-24T12:40:00.000Z … 2023-03-24T13:59:00.000Z.
func (r Range) String() string { return fmt.Sprintf("%s … %s", r.From, r.To) }

// GapState says what is known of a gap.
type GapState string

const (
	// GapOpen says that candles should exist and do not; they are still asked for.
	GapOpen GapState = "open"
	// GapAbsent says that they are absent at source, proved by the venue's own answers.
	GapAbsent GapState = "absent"
	// GapRepaired says that the candles came later and are stored.
	GapRepaired GapState = "repaired"
)

// Gap is one missing stretch of a series. It is identified by series and Range.From.
type Gap struct {
	Series Series
	Range  Range // the first and the last missing open time
	State  GapState
	// Proofs counts the answers of the venue that held rows on both sides of the gap and none in it.
	Proofs int
	// CheckedAt is when the venue was last asked, by its own clock; 0 when never.
	CheckedAt Millis
}

// Resume is what the store knows of a series when a collector takes it up.
type Resume struct {
	Series Series
	// Last is the open time of the newest stored candle; HasLast is false when none is stored.
	Last    Millis
	HasLast bool
	// Missing are the stretches that are not stored and not known as absent, and the ledger's open gaps,
	// oldest first; all of them begin before Last.
	Missing []Range
	// ConfirmedTo is where the confirmed part of the series ends: candles that opened later are
	// provisional (see Audit). Where nothing is confirmed it lies just before the oldest candle that was
	// looked at; 0 when nothing is known.
	ConfirmedTo Millis
	// Ledger are the gaps of which the venue was asked before: open ones, oldest first, and then those
	// that are absent, least recently checked first. It may be cut short.
	Ledger []Gap
}

// Audit says that a stretch of a series was read from the venue's history well after its candles had
// closed, and that what is stored of it is what the venue said then. It follows the candles themselves.
// Until then a candle is provisional: a stream has only said so.
type Audit struct {
	Series Series
	// Range holds the open times that were read. Of two audits that leave nothing out between them the
	// later one begins a millisecond after the end of the earlier one, or before.
	Range Range
	// Rows is how many candles the venue has in Range, all of them handed over before the audit.
	Rows int
	// At is the venue's clock when it had answered.
	At Millis
}
