package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// Options says what to simulate.
type Options struct {
	// DataDir holds recordings (see Load); empty: a generated market.
	DataDir string
	// Symbols are the markets wanted; none: all that are recorded, or the whole catalogue. A generated
	// market of a symbol that the catalogue lacks is made up.
	Symbols []string
	// From is the instant at which the clock starts. 0: the first recorded row of the shortest
	// timeframe, or the present for a generated market. What lies before it is served as history.
	From candle.Millis
	// To ends the run: nothing opens at or after it, and the clock stops Tail later, when the last
	// closing frames are out. 0: the recording's end, or never for a generated market.
	To candle.Millis
	// History leaves recorded rows before it out of memory; 0: all are kept.
	History candle.Millis
	// Speed is the factor of wall time, MinSpeed to MaxSpeed; 0: 1.
	Speed float64
	// Paused starts with a clock that stands.
	Paused bool
	// Seed decides all that is drawn: the generated market, how candles form, phases and delays.
	Seed uint64
	// Profile names the points of the protocol that sources leave open; the zero one is DefaultProfile.
	Profile klineapi.Profile
	// Archive does so for the archive of zip files.
	Archive ArchiveProfile
	// WallControl runs limits, pings and connection ages on the wall clock (SIM-T2); nil: when the
	// speed is above 1.
	WallControl *bool
	// HaltStatus is what a market is called while it has no candle: TRADING (the default) or HALT.
	HaltStatus string
	Logger     *slog.Logger // nil: silent
}

// Tail is how long the clock goes on after Options.To: longer than any closing frame takes, so that
// a client that misses nothing has everything when the clock stands.
const Tail = time.Minute

// Simulator is a whole exchange on one handler: REST, streams, the archive, and its own controls.
type Simulator struct {
	clock   *Clock
	feed    *feed
	api     *klineapi.API
	archive *archive
	from    candle.Millis
	to      candle.Millis // Forever: without end
}

// New reads the recordings or prepares the generated market. The clock runs from here on.
func New(o Options) (*Simulator, error) {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Profile == (klineapi.Profile{}) {
		o.Profile = klineapi.DefaultProfile()
	}
	if o.Seed != 0 {
		o.Profile.Seed = o.Seed
	}
	if o.Profile.WallControl = o.Profile.WallControl || o.Speed > 1; o.WallControl != nil {
		o.Profile.WallControl = *o.WallControl
	}
	if err := o.Profile.Validate(); err != nil {
		return nil, err
	}
	switch o.HaltStatus {
	case "":
		o.HaltStatus = statusTrading
	case statusTrading, statusHalt:
	default:
		return nil, fmt.Errorf("a market without candles is called %s or %s, not %q", statusTrading, statusHalt, o.HaltStatus)
	}
	instruments, from, to, err := o.instruments()
	if err != nil {
		return nil, err
	}
	end := to
	if end < Forever {
		end = min(Forever, end.Add(Tail))
	}
	clock, err := NewClock(from, o.Speed, end)
	if err != nil {
		return nil, err
	}
	if o.Paused {
		clock.Pause()
	}
	s := &Simulator{clock: clock, feed: newFeed(instruments, o.HaltStatus), from: from, to: to}
	s.api = klineapi.New(klineapi.Config{Source: s.feed, Clock: clock, Logger: o.Logger, Profile: o.Profile})
	s.archive = newArchive(s.feed, clock, o.Archive)
	o.Logger.Info("exchange simulated", "markets", len(instruments), "from", from, "to", s.To(), "speed", o.Speed, "generated", o.DataDir == "")
	return s, nil
}

// instruments gives what is traded and the two ends of the run.
func (o Options) instruments() (all []*instrument, from, to candle.Millis, err error) {
	if from, to = o.From, o.To; o.DataDir == "" {
		if from == 0 {
			from = candle.MillisOf(time.Now())
		}
		if to == 0 {
			to = Forever
		}
		if to <= from {
			return nil, 0, 0, fmt.Errorf("the run would end at %s, not after its start at %s", to, from)
		}
		all, err = generate(o.Symbols, o.Seed, from, to)
		return all, from, to, err
	}
	recording, err := Load(o.DataDir, LoadOptions{Symbols: o.Symbols, From: o.History, To: o.To, Logger: o.Logger})
	if err != nil {
		return nil, 0, 0, err
	}
	for _, symbol := range o.Symbols {
		if recording.symbols[symbol] == nil {
			return nil, 0, 0, fmt.Errorf("the recordings at %s have no %s; they have %s", o.DataDir, symbol, strings.Join(recording.Symbols(), " "))
		}
	}
	all = recording.instruments(o.Seed)
	if from == 0 {
		from = start(all)
	}
	if to == 0 {
		to = ending(all)
	}
	if to <= from {
		return nil, 0, 0, fmt.Errorf("the recordings at %s end at %s, not after the start at %s", o.DataDir, to, from)
	}
	return all, from, to, nil
}

// Run drives the streams until ctx ends; then all that the simulator started has ended. It runs once.
func (s *Simulator) Run(ctx context.Context) error { return s.api.Run(ctx) }

// API gives the Binance surface, for its fault switches and counters.
func (s *Simulator) API() *klineapi.API { return s.api }

// Clock gives the clock that drives everything.
func (s *Simulator) Clock() *Clock { return s.clock }

// Now gives the virtual instant.
func (s *Simulator) Now() candle.Millis { return s.clock.Now() }

// From gives the instant at which the clock started.
func (s *Simulator) From() candle.Millis { return s.from }

// To gives the end of the data, exclusive; 0 when there is none. The clock stops Tail later.
func (s *Simulator) To() candle.Millis {
	if s.to == Forever {
		return 0
	}
	return s.to
}

// Source gives the candles as they are served.
func (s *Simulator) Source() klineapi.Source { return s.feed }

// Served gives the rows of a series that are over now and whose open time lies in [from, to],
// ascending: digit for digit what a client that missed nothing has stored. The series' exchange
// does not matter.
func (s *Simulator) Served(series candle.Series, from, to candle.Millis) []candle.Candle {
	return s.feed.served(series.Symbol, series.Timeframe, s.Now(), candle.Range{From: from, To: to})
}

// Handler serves everything on one port: /api/v3/…, /ws and /stream as the exchange does, the
// archive below /data/ and its listing at /?prefix=…, and the controls below /control/.
func (s *Simulator) Handler() http.Handler {
	api, control := s.api.Handler(), s.controls()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case strings.HasPrefix(path, "/data/"), path == "/"+bucket, strings.HasPrefix(path, "/"+bucket+"/"),
			path == "/" && r.URL.RawQuery != "":
			s.archive.ServeHTTP(w, r)
		case path == "/control" || strings.HasPrefix(path, "/control/"):
			control.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}
