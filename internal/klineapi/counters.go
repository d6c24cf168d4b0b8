package klineapi

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

// Counters is what the surface has done since it was made, or since its counters were reset;
// tests prove with it that no client loops.
type Counters struct {
	Requests     map[string]int64 `json:"requests"`      // REST calls by path; "other" for paths not served
	KlinesBy     map[string]int64 `json:"klines_by"`     // klines calls by known symbol; "?" for all others
	WeightUsed   int64            `json:"weight_used"`   // weight of all calls together
	Status429    int64            `json:"status_429"`    // answers 429, forced ones included
	Status418    int64            `json:"status_418"`    // answers 418, forced ones included
	Upgrades     int64            `json:"upgrades"`      // WebSocket handshakes tried
	Connections  int64            `json:"connections"`   // open now
	Streams      int64            `json:"streams"`       // with at least one subscriber now
	FramesSent   int64            `json:"frames_sent"`   // market data frames handed to connections
	FramesLost   int64            `json:"frames_lost"`   // frames that a fault withheld from a connection
	ClosesSent   int64            `json:"closes_sent"`   // closing frames, once per stream whatever its subscribers
	ClosesLost   int64            `json:"closes_lost"`   // closing frames lost on purpose, once per stream
	SlowCut      int64            `json:"slow_cut"`      // connections cut because they did not read (SIM-W20)
	ClientFrames int64            `json:"client_frames"` // frames that clients sent: PING, PONG and text

	// What a client did beyond its limits, whatever faults answered it: a client that keeps to them
	// leaves all of these at zero.
	OverLimit       int64 `json:"over_limit"`       // calls beyond the weight or the number that are allowed
	WhileBanned     int64 `json:"while_banned"`     // calls made during a ban
	UpgradesRefused int64 `json:"upgrades_refused"` // handshakes beyond those that are allowed
	Flooded         int64 `json:"flooded"`          // connections ended because of too many frames in a second
	PeakWeight      int64 `json:"peak_weight"`      // the most weight that one address used in one minute

	Struck map[FaultKind]int64 `json:"struck"` // how often faults have struck, cleared ones included
}

// tally is the live form of Counters.
type tally struct {
	mu                           sync.Mutex
	requests, klinesBy           map[string]int64
	weight, s429, s418, upgrades atomic.Int64
	connections, streams         atomic.Int64
	framesSent, framesLost       atomic.Int64
	closesSent, closesLost       atomic.Int64
	slowCut, clientFrames        atomic.Int64
	overLimit, whileBanned       atomic.Int64
	upgradesRefused, flooded     atomic.Int64
	peakWeight                   atomic.Int64
}

func newTally() *tally {
	return &tally{requests: make(map[string]int64), klinesBy: make(map[string]int64)}
}

// call counts a REST call; both names come from fixed lists, so the maps stay small.
func (t *tally) call(path, klinesSymbol string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests[path]++
	if klinesSymbol != "" {
		t.klinesBy[klinesSymbol]++
	}
}

// weighed notes the weight that an address has used in the running minute.
func (t *tally) weighed(used int64) {
	for most := t.peakWeight.Load(); used > most && !t.peakWeight.CompareAndSwap(most, used); most = t.peakWeight.Load() {
	}
}

// refused counts a call that was answered 429 or 418, and tells those that a fault ordered from the
// client's own doing.
func (t *tally) refused(v verdict) {
	if v.status == http.StatusTeapot {
		t.s418.Add(1)
	} else {
		t.s429.Add(1)
	}
	switch {
	case v.forced:
	case v.status == http.StatusTeapot && !v.newBan:
		t.whileBanned.Add(1)
	default:
		t.overLimit.Add(1)
	}
}

func (t *tally) snapshot() Counters {
	t.mu.Lock()
	requests, klinesBy := maps.Clone(t.requests), maps.Clone(t.klinesBy)
	t.mu.Unlock()
	return Counters{
		Requests: requests, KlinesBy: klinesBy,
		WeightUsed: t.weight.Load(), Status429: t.s429.Load(), Status418: t.s418.Load(),
		Upgrades: t.upgrades.Load(), Connections: t.connections.Load(), Streams: t.streams.Load(),
		FramesSent: t.framesSent.Load(), FramesLost: t.framesLost.Load(),
		ClosesSent: t.closesSent.Load(), ClosesLost: t.closesLost.Load(),
		SlowCut: t.slowCut.Load(), ClientFrames: t.clientFrames.Load(),
		OverLimit: t.overLimit.Load(), WhileBanned: t.whileBanned.Load(), UpgradesRefused: t.upgradesRefused.Load(),
		Flooded: t.flooded.Load(), PeakWeight: t.peakWeight.Load(),
	}
}

// reset sets everything to zero but what is open now.
func (t *tally) reset() {
	t.mu.Lock()
	clear(t.requests)
	clear(t.klinesBy)
	t.mu.Unlock()
	for _, n := range []*atomic.Int64{&t.weight, &t.s429, &t.s418, &t.upgrades, &t.framesSent, &t.framesLost,
		&t.closesSent, &t.closesLost, &t.slowCut, &t.clientFrames, &t.overLimit, &t.whileBanned,
		&t.upgradesRefused, &t.flooded, &t.peakWeight} {
		n.Store(0)
	}
}
