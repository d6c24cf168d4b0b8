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
	// Missing are the stretches before Last that are not stored and not known as absent, oldest first.
	Missing []Range
}
