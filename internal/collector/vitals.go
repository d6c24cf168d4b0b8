package collector

import (
	"time"

	"velador/internal/candle"
)

// Phase is what a collector that is wanted is doing, in finer words than its Status.
type Phase string

// The phases.
const (
	PhaseStarting    Phase = "starting"    // its process is being started, or has not said anything yet
	PhaseBackfilling Phase = "backfilling" // it fetches what is missing up to the live edge
	PhaseLive        Phase = "live"        // every series is at the live edge
	PhaseStale       Phase = "stale"       // it lives and has brought no candle for several steps, or says nothing any more
	PhaseBackoff     Phase = "backoff"     // no process: the next attempt has its time
	PhaseStopping    Phase = "stopping"    // it was told to end
)

// Beat is what a collector's process says about itself, every second or two while it has the bus.
// Counters begin with the process. Times of the exchange are candle.Millis, those of the machine are
// time.Time. It is comparable.
//
// A process that lives and yet collects nothing betrays itself in one of two ways. Either no beat
// comes: its loop no longer turns, and then it says nothing, on purpose. Or Silent grows beyond
// several steps. An exchange that cannot be reached does neither: beats go on, and Silent stays
// small. Since the exchange's clock may be a simulator's, a thousand times faster than ours, both
// count only when they last for a while of our own time.
type Beat struct {
	RunID string    `json:"run_id"` // whose it is
	Sent  time.Time `json:"sent"`   // by the wall clock of its machine; for people, never for decisions

	Phase     Phase `json:"phase"` // starting, backfilling, live or stopping, as it sees itself
	Series    int   `json:"series"`
	LiveNow   int   `json:"live_now"`  // of them, at the live edge
	Connected int   `json:"connected"` // streams whose subscriptions stand

	// Clock is the exchange's clock as it was last heard: an event, an answer. It is never reckoned, so
	// it stands still while the exchange cannot be reached; 0 before it first answers. Progress is what
	// it showed when a candle was last brought, or when there was last a reason to bring none (Quiet).
	Clock     candle.Millis `json:"clock"`
	Progress  candle.Millis `json:"progress"`
	LastOpen  candle.Millis `json:"last_open"`  // newest open time that it brought, or found stored when it began, of any series; 0 before the first
	LastClose candle.Millis `json:"last_close"` // close time of that candle

	OpenGaps   int    `json:"open_gaps"`
	Candles    uint64 `json:"candles"` // closed candles brought
	Repaired   uint64 `json:"repaired"`
	Absent     uint64 `json:"absent"`
	Messages   uint64 `json:"messages"` // frames of candles received from the exchange's streams
	Requests   uint64 `json:"requests"` // questions of history
	Failures   uint64 `json:"failures"` // of them, without a usable answer
	Reconnects uint64 `json:"reconnects"`

	// BannedUntil is when the exchange, which refuses us, will hear us again; zero when it does not.
	BannedUntil time.Time `json:"banned_until,omitzero"`
	// Quiet tells that silence is not the process's fault: of each series the exchange's history was
	// asked for the candle that is due, and has none (a halt, a market that no longer trades, an
	// interval without trades where those have no candle), or does not answer; or the exchange's streams
	// cannot be had, or the store does not tell where to take the series up.
	Quiet bool `json:"quiet,omitempty"`
}

// Silent is how long, by the exchange's clock, the process has brought no candle without a reason for
// it, back-fills included. More than several steps of the timeframe are its own fault.
func (b Beat) Silent() time.Duration { return max(0, b.Clock.Sub(b.Progress)) }

// Age is how far the newest candle's close lies behind the exchange's clock; 0 before the first.
func (b Beat) Age() time.Duration {
	if b.LastClose == 0 || b.Clock <= b.LastClose {
		return 0
	}
	return time.Duration(b.Clock-b.LastClose) * time.Millisecond
}

// Vitals is what is known of a collector beside its record, at one moment. It is comparable.
type Vitals struct {
	Phase   Phase
	Adopted bool // its process was found running, not started, by the agent that looks after it
	// Beat is the newest one of this life; the zero value before the first.
	Beat Beat
	// MessagesPerSecond is the rate between the newest two beats.
	MessagesPerSecond float64
	CPU               time.Duration // user and system time of this life
	CPUPercent        float64       // of one core, between the newest two measurements
	RSS               int64         // resident memory in bytes; 0 before it was measured
	USS               int64         // memory that is its own alone, in bytes; 0 where the system does not say
}
