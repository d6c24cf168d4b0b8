package klineapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Duration is a length of time that JSON carries as text: "20s", "24h".
type Duration time.Duration

// MarshalText gives the duration in Go's spelling.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's spelling of a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// millis gives the duration in whole milliseconds.
func (d Duration) millis() int64 { return time.Duration(d).Milliseconds() }

// The values of Profile's switches.
const (
	LimitClamp   = "clamp"   // limit above 1000 gives 1000 rows
	LimitReject  = "reject"  // answers 400 -1130
	LimitDefault = "default" // limit 0 gives the default of 500 rows

	CloseFast          = "fast"            // the closing frame comes CloseFastMin to CloseFastMax after the close
	CloseLoaded        = "loaded"          // CloseFastMin to CloseLoadedMax after it
	CloseWithNextTrade = "with_next_trade" // with the first trade after it

	FramingNested = "nested" // {"error":{"code":2,"msg":"…"},"id":1}
	FramingFlat   = "flat"   // {"code":2,"msg":"…","id":1}

	CutClose = "close" // a close frame, then the end of the connection
	CutReset = "reset" // a TCP reset
)

// Profile names every point of the protocol that our sources leave open or contradict
// (EXCHANGES.md 3, the rules marked [U] or "profile"), so that a later measurement on the real
// exchange is a one-line change. DefaultProfile holds what was observed on the wire, or else what
// is documented.
//
// SIM-R16 (a data-only host) needs no switch: every path served here is on the data-only list.
type Profile struct {
	// Seed decides every random draw: phases of streams, close delays, lost closes, rated faults.
	Seed uint64 `json:"seed"`

	LimitOver string `json:"limit_over"` // clamp (default) or reject; SIM-R4
	LimitZero string `json:"limit_zero"` // reject (default) or default; SIM-R4
	// RestLag is how long REST still shows a closed candle as it was before its close; default 0; SIM-R8.
	RestLag Duration `json:"rest_lag"`
	// TimeZoneCode is the error code for a timeZone out of range; default -1130; SIM-R9.
	TimeZoneCode int `json:"time_zone_code"`

	Weights Weights `json:"weights"` // SIM-R12
	// WeightLimit (per UTC minute; 6000) and RawLimit (per 5 minutes; 300,000) hold for one client IP; SIM-R13.
	WeightLimit int `json:"weight_limit"`
	RawLimit    int `json:"raw_limit"`
	// BanAfter is how many calls may ignore a 429 within its window before the IP is banned; 5. The
	// first ban lasts BanFirst (2m), each further one twice as long, at most BanMax (72h); SIM-R14.
	BanAfter int      `json:"ban_after"`
	BanFirst Duration `json:"ban_first"`
	BanMax   Duration `json:"ban_max"`
	// BanCutsWS closes a banned IP's streams too; default off; SIM-R14.
	BanCutsWS bool `json:"ban_cuts_ws"`
	// WallControl runs limit windows, bans, pings, pong deadlines, connection age and the delays of
	// faults on the wall clock instead of the Source's; default off; SIM-T2.
	WallControl bool `json:"wall_control"`

	ErrorFraming     string `json:"error_framing"`       // nested (default) or flat; SIM-W5
	CloseOnBadStream bool   `json:"close_on_bad_stream"` // default on; SIM-W4
	MaxStreams       int    `json:"max_streams"`         // per connection; 1024; SIM-W6
	MaxClientFrames  int    `json:"max_client_frames"`   // per second and connection, 0: any; 5; SIM-W7
	// MaxUpgrades is how many handshakes one IP may try in 5 minutes (300); further ones are
	// answered with UpgradeRefusal (429); SIM-W7.
	MaxUpgrades    int `json:"max_upgrades"`
	UpgradeRefusal int `json:"upgrade_refusal"`
	// PingInterval (20s), PongDeadline after an unanswered PING (60s), and what then happens:
	// PongCut is close (default) or reset; SIM-W8.
	PingInterval Duration `json:"ping_interval"`
	PongDeadline Duration `json:"pong_deadline"`
	PongCut      string   `json:"pong_cut"`
	MaxAge       Duration `json:"max_age"` // of a connection; 24h; SIM-W9
	// ShutdownEvery announces serverShutdown again and again; 0 (default): on demand only.
	// ShutdownLead is the notice it then gives; 60s; SIM-W10.
	ShutdownEvery Duration `json:"shutdown_every"`
	ShutdownLead  Duration `json:"shutdown_lead"`

	// Tick (2s), Tick1s (1s, for 1s candles) and TickMini (1s) are the push intervals; SIM-W11, SIM-W16.
	Tick     Duration `json:"tick"`
	Tick1s   Duration `json:"tick_1s"`
	TickMini Duration `json:"tick_mini"`
	// Close is fast (default), loaded or with_next_trade; CloseFastMin (2ms), CloseFastMax (300ms)
	// and CloseLoadedMax (30s) bound the delay; CloseLost (0) is the share of closing frames that
	// never come; SIM-W12.
	Close          string   `json:"close"`
	CloseFastMin   Duration `json:"close_fast_min"`
	CloseFastMax   Duration `json:"close_fast_max"`
	CloseLoadedMax Duration `json:"close_loaded_max"`
	CloseLost      float64  `json:"close_lost"`

	// A client is cut when a write makes no headway for SendTimeout (10s of wall time) or more than
	// SendQueue bytes (16 MiB) wait for it; SIM-W20.
	SendTimeout Duration `json:"send_timeout"`
	SendQueue   int      `json:"send_queue"`
	// HubPace is the least wall time between two rounds of pushes (5ms): at 1000× speed ticks that
	// pass in between are taken together. Closing frames are never taken together.
	HubPace Duration `json:"hub_pace"`
}

// Weights are what calls cost (EXCHANGES.md 2.3–2.7).
type Weights struct {
	Ping         int `json:"ping"`          // 1
	Time         int `json:"time"`          // 1
	Klines       int `json:"klines"`        // 2
	UIKlines     int `json:"ui_klines"`     // 2
	ExchangeInfo int `json:"exchange_info"` // 20
	TickerFew    int `json:"ticker_few"`    // ticker/24hr of 1 to 20 symbols; 2
	TickerSome   int `json:"ticker_some"`   // 21 to 100 symbols; 40
	TickerAll    int `json:"ticker_all"`    // more, or all; 80
	PriceOne     int `json:"price_one"`     // ticker/price of one symbol; 2
	PriceAll     int `json:"price_all"`     // of more; 4
	Unknown      int `json:"unknown"`       // a path that is not served; 1 [U]
}

// DefaultProfile is the exchange as it was observed on the wire, or else as documented.
func DefaultProfile() Profile {
	return Profile{
		Seed:      1,
		LimitOver: LimitClamp, LimitZero: LimitReject, TimeZoneCode: codeInvalidValue,
		Weights: Weights{Ping: 1, Time: 1, Klines: 2, UIKlines: 2, ExchangeInfo: 20,
			TickerFew: 2, TickerSome: 40, TickerAll: 80, PriceOne: 2, PriceAll: 4, Unknown: 1},
		WeightLimit: 6000, RawLimit: 300_000,
		BanAfter: 5, BanFirst: Duration(2 * time.Minute), BanMax: Duration(72 * time.Hour),
		ErrorFraming: FramingNested, CloseOnBadStream: true,
		MaxStreams: 1024, MaxClientFrames: 5, MaxUpgrades: 300, UpgradeRefusal: 429,
		PingInterval: Duration(20 * time.Second), PongDeadline: Duration(time.Minute), PongCut: CutClose,
		MaxAge: Duration(24 * time.Hour), ShutdownLead: Duration(time.Minute),
		Tick: Duration(2 * time.Second), Tick1s: Duration(time.Second), TickMini: Duration(time.Second),
		Close: CloseFast, CloseFastMin: Duration(2 * time.Millisecond), CloseFastMax: Duration(300 * time.Millisecond),
		CloseLoadedMax: Duration(30 * time.Second),
		SendTimeout:    Duration(10 * time.Second), SendQueue: 16 << 20,
		HubPace: Duration(5 * time.Millisecond),
	}
}

// ParseProfile reads a profile in JSON; what it does not name keeps its default, and a name that
// does not exist is an error.
func ParseProfile(data []byte) (Profile, error) {
	p := DefaultProfile()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("reading the profile: %w", err)
	}
	if err := p.Validate(); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// Validate tells what makes a profile unusable.
func (p Profile) Validate() error {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"limit_over", p.LimitOver, []string{LimitClamp, LimitReject}},
		{"limit_zero", p.LimitZero, []string{LimitReject, LimitDefault}},
		{"error_framing", p.ErrorFraming, []string{FramingNested, FramingFlat}},
		{"pong_cut", p.PongCut, []string{CutClose, CutReset}},
		{"close", p.Close, []string{CloseFast, CloseLoaded, CloseWithNextTrade}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("profile: %s is %q; use one of %q", c.name, c.value, c.allowed)
		}
	}
	for _, c := range []struct {
		name  string
		value Duration
		least time.Duration
	}{
		{"rest_lag", p.RestLag, 0},
		{"ban_first", p.BanFirst, time.Second},
		{"ban_max", p.BanMax, time.Duration(p.BanFirst)},
		{"ping_interval", p.PingInterval, time.Millisecond},
		{"pong_deadline", p.PongDeadline, time.Millisecond},
		{"max_age", p.MaxAge, time.Millisecond},
		{"shutdown_every", p.ShutdownEvery, 0},
		{"shutdown_lead", p.ShutdownLead, 0},
		{"tick", p.Tick, time.Millisecond},
		{"tick_1s", p.Tick1s, time.Millisecond},
		{"tick_mini", p.TickMini, time.Millisecond},
		{"close_fast_min", p.CloseFastMin, 0},
		{"close_fast_max", p.CloseFastMax, time.Duration(p.CloseFastMin)},
		{"close_loaded_max", p.CloseLoadedMax, time.Duration(p.CloseFastMin)},
		{"send_timeout", p.SendTimeout, time.Millisecond},
		{"hub_pace", p.HubPace, 0},
	} {
		if time.Duration(c.value) < c.least {
			return fmt.Errorf("profile: %s is %s; give at least %s", c.name, time.Duration(c.value), c.least)
		}
	}
	for _, c := range []struct {
		name         string
		value, least int
	}{
		{"weight_limit", p.WeightLimit, 1}, {"raw_limit", p.RawLimit, 1}, {"ban_after", p.BanAfter, 1},
		{"max_streams", p.MaxStreams, 1}, {"max_client_frames", p.MaxClientFrames, 0}, {"max_upgrades", p.MaxUpgrades, 1},
		{"upgrade_refusal", p.UpgradeRefusal, 400}, {"send_queue", p.SendQueue, 1},
	} {
		if c.value < c.least {
			return fmt.Errorf("profile: %s is %d; give at least %d", c.name, c.value, c.least)
		}
	}
	if p.UpgradeRefusal > 599 {
		return fmt.Errorf("profile: upgrade_refusal is %d; give an HTTP status from 400 to 599", p.UpgradeRefusal)
	}
	if !(p.CloseLost >= 0 && p.CloseLost <= 1) { // written so that NaN fails too
		return fmt.Errorf("profile: close_lost is %g; give a share from 0 to 1", p.CloseLost)
	}
	return nil
}
