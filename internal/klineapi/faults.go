package klineapi

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// FaultKind names what goes wrong (SIM-R15, SIM-W18).
type FaultKind string

// The kinds of faults. rest-… spoil the answer of a REST call; handshake-… a WebSocket handshake;
// conn-… a whole connection; frame-… one frame on its way to one connection, so that of two
// redundant connections only one may suffer; stream-… a stream, for all its subscribers.
const (
	RestForbidden   FaultKind = "rest-forbidden"    // 403, a firewall's HTML page
	RestRestricted  FaultKind = "rest-restricted"   // 451, JSON with code 0
	RestServerError FaultKind = "rest-server-error" // Status (502), an HTML page
	RestTimeout     FaultKind = "rest-timeout"      // 504 with -1007 after Delay (10s)
	RestReset       FaultKind = "rest-reset"        // TCP reset in the middle of the body
	RestTruncated   FaultKind = "rest-truncated"    // 200 whose JSON ends in the middle
	RestSlow        FaultKind = "rest-slow"         // the body comes in pieces over Delay (10s)
	RestEmpty       FaultKind = "rest-empty"        // 200 without a body
	RestContentType FaultKind = "rest-content-type" // the right body, labelled text/html
	Rest429         FaultKind = "rest-429"          // Too many requests; RetryAfter (to the next minute)
	Rest418         FaultKind = "rest-418"          // a ban of the client's IP; RetryAfter (the profile's next ban)

	HandshakeRefused FaultKind = "handshake-refused" // Status (503): 403, 429, 451, 503 …
	HandshakeSlow    FaultKind = "handshake-slow"    // the handshake is answered after Delay (10s)

	ConnHalfOpen FaultKind = "conn-half-open" // accepted, then nothing: no frames, no pings, no replies
	ConnNoData   FaultKind = "conn-no-data"   // pings and acknowledgements come, market data never does
	ConnNoPings  FaultKind = "conn-no-pings"  // market data comes, no pings do, and those of the client stay unanswered

	SubscribeSilent FaultKind = "subscribe-silent" // a stream is acknowledged to this connection, and never sent

	FrameDrop         FaultKind = "frame-drop"          // the frame is not sent
	FrameDuplicate    FaultKind = "frame-duplicate"     // sent twice
	FrameStale        FaultKind = "frame-stale"         // followed by an older frame of its stream
	FrameReset        FaultKind = "frame-reset"         // TCP reset instead of the frame
	FrameExtraKey     FaultKind = "frame-extra-key"     // carries a key that nobody knows
	FrameTimeUnit     FaultKind = "frame-time-unit"     // its times are in the unit that was not asked for
	FrameUnknownEvent FaultKind = "frame-unknown-event" // preceded by an event of an unknown type
	FrameGarbage      FaultKind = "frame-garbage"       // preceded by a text frame that is not JSON
	FrameFlood        FaultKind = "frame-flood"         // sent ten times
	FrameHuge         FaultKind = "frame-huge"          // preceded by a frame of a mebibyte
	FrameStall        FaultKind = "frame-stall"         // from here on the connection says nothing at all: the peer has vanished
	FrameEndless      FaultKind = "frame-endless"       // from here on one message that never ends, byte by byte, pings in between

	StreamSilence    FaultKind = "stream-silence"     // nothing is sent while others run
	StreamLateClose  FaultKind = "stream-late-close"  // the closing frame comes after the next candle's first frame
	StreamLostClose  FaultKind = "stream-lost-close"  // the closing frame never comes
	StreamWrongOrder FaultKind = "stream-wrong-order" // a frame comes after the one that should follow it
)

// FaultKinds lists all kinds.
func FaultKinds() []FaultKind {
	return []FaultKind{RestForbidden, RestRestricted, RestServerError, RestTimeout, RestReset, RestTruncated, RestSlow,
		RestEmpty, RestContentType, Rest429, Rest418, HandshakeRefused, HandshakeSlow, ConnHalfOpen, ConnNoData, ConnNoPings, SubscribeSilent,
		FrameDrop, FrameDuplicate, FrameStale, FrameReset, FrameExtraKey, FrameTimeUnit, FrameUnknownEvent, FrameGarbage,
		FrameFlood, FrameHuge, FrameStall, FrameEndless,
		StreamSilence, StreamLateClose, StreamLostClose, StreamWrongOrder}
}

// maxFaults bounds the switches that may be set at one time.
const maxFaults = 1000

// Fault is one switch. What it does not name matches everything.
type Fault struct {
	ID   int64     `json:"id"` // given by Add
	Kind FaultKind `json:"kind"`

	Path   string `json:"path,omitempty"`   // of REST calls and handshakes: "/api/v3/klines", "/ws"
	Symbol string `json:"symbol,omitempty"` // upper case; of calls and streams
	Stream string `json:"stream,omitempty"` // of frames and streams: "ethusdt@kline_1m"

	Skip  int     `json:"skip,omitempty"`  // matches that pass unharmed first
	Count int     `json:"count,omitempty"` // how often it strikes; 0: again and again
	Rate  float64 `json:"rate,omitempty"`  // share of matches that it strikes; 0: all

	Status     int      `json:"status,omitempty"`      // HTTP status, where the kind has a choice
	Delay      Duration `json:"delay,omitempty"`       // where the kind has one
	RetryAfter Duration `json:"retry_after,omitempty"` // with 429 and 418

	Struck int64 `json:"struck"` // how often it has struck
}

// Faults is a set of fault switches, safe for concurrent use.
type Faults struct {
	active atomic.Int32 // switches that may still strike: 0 keeps the healthy path free of locks
	mu     sync.Mutex
	random *rand.Rand
	nextID int64
	list   []Fault
	struck map[FaultKind]int64 // by all switches since the counters were reset
}

func newFaults(seed uint64) *Faults {
	return &Faults{struck: make(map[FaultKind]int64), random: rand.New(rand.NewPCG(seed, 0x6661756c7473))}
}

// Add sets a switch and gives its id.
func (f *Faults) Add(fault Fault) (int64, error) {
	if !slices.Contains(FaultKinds(), fault.Kind) {
		return 0, fmt.Errorf("fault: %q is no kind of fault; use one of %v", fault.Kind, FaultKinds())
	}
	if !(fault.Rate >= 0 && fault.Rate <= 1) || fault.Count < 0 || fault.Skip < 0 || fault.Delay < 0 || fault.RetryAfter < 0 {
		return 0, fmt.Errorf("fault %s: rate lies from 0 to 1, and count, skip, delay and retry_after are not negative", fault.Kind)
	}
	if fault.Status != 0 && (fault.Status < 400 || fault.Status > 599) {
		return 0, fmt.Errorf("fault %s: status %d is none from 400 to 599", fault.Kind, fault.Status)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxFaults {
		return 0, fmt.Errorf("fault %s: %d switches are set already; clear some", fault.Kind, maxFaults)
	}
	f.nextID++
	fault.ID, fault.Struck = f.nextID, 0
	f.list = append(f.list, fault)
	f.active.Add(1)
	return fault.ID, nil
}

// List gives all switches, spent ones included.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// Clear takes away the switch with that id, or all where id is 0, and tells how many it took.
func (f *Faults) Clear(id int64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.list)
	f.list = slices.DeleteFunc(f.list, func(x Fault) bool { return id == 0 || x.ID == id })
	active := int32(0)
	for i := range f.list {
		if !f.list[i].spent() {
			active++
		}
	}
	f.active.Store(active)
	return before - len(f.list)
}

// strikes tells how often each kind has struck since the counters were reset.
func (f *Faults) strikes() map[FaultKind]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.struck)
}

func (f *Faults) resetStrikes() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.struck)
}

func (x *Fault) spent() bool { return x.Count > 0 && x.Struck >= int64(x.Count) }

// place is where a fault may strike.
type place struct{ path, symbol, stream string }

// strike draws the first switch of one of the kinds that matches the place and strikes now.
func (f *Faults) strike(at place, kinds ...FaultKind) (Fault, bool) {
	if f.active.Load() == 0 {
		return Fault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		x := &f.list[i]
		if x.spent() || !slices.Contains(kinds, x.Kind) ||
			x.Path != "" && x.Path != at.path || x.Symbol != "" && x.Symbol != at.symbol || x.Stream != "" && x.Stream != at.stream {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		if x.Rate > 0 && f.random.Float64() >= x.Rate {
			continue
		}
		x.Struck++
		f.struck[x.Kind]++
		if x.spent() {
			f.active.Add(-1)
		}
		return *x, true
	}
	return Fault{}, false
}
