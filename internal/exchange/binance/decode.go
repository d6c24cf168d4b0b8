package binance

import (
	"fmt"

	"velador/internal/candle"
)

// frame is one message of a stream connection: an event, wrapped ({"stream":…,"data":…}) or raw,
// or the reply to a request of ours (EXCHANGES.md 2.10, 2.11).
type frame struct {
	Event event `json:"data"`

	reply  bool  // it answers a request
	id     int64 // the request's; 0 when the reply names none
	failed bool  // the answer is an error
	code   int64 // of the error
	msg    string
}

// The events that the adapter understands.
const (
	eventKline    = "kline"
	eventShutdown = "serverShutdown"
)

// event is what a stream brings (EXCHANGES.md 2.12, 2.14). The tags are the names on the wire; the
// decoder below spells them out for speed, and the tests hold it against encoding/json by them.
type event struct {
	Type   string        `json:"e"`
	At     candle.Millis `json:"E"`
	Symbol string        `json:"s"`
	Kline  kline         `json:"k"`
}

// kline is a candle as it is now.
type kline struct {
	OpenTime            candle.Millis    `json:"t"`
	CloseTime           candle.Millis    `json:"T"`
	Symbol              string           `json:"s"`
	Timeframe           candle.Timeframe `json:"i"` // 0: one that is not among ours
	FirstTrade          int64            `json:"f"` // −1 when there was none yet
	LastTrade           int64            `json:"L"`
	Open                candle.Decimal   `json:"o"`
	Close               candle.Decimal   `json:"c"`
	High                candle.Decimal   `json:"h"`
	Low                 candle.Decimal   `json:"l"`
	Volume              candle.Decimal   `json:"v"`
	Trades              int64            `json:"n"`
	Closed              bool             `json:"x"`
	QuoteVolume         candle.Decimal   `json:"q"`
	TakerBuyVolume      candle.Decimal   `json:"V"`
	TakerBuyQuoteVolume candle.Decimal   `json:"Q"`
}

// candle gives the candle in velador's vocabulary.
func (k *kline) candle() candle.Candle {
	return candle.Candle{
		OpenTime: k.OpenTime, CloseTime: k.CloseTime,
		Open: k.Open, High: k.High, Low: k.Low, Close: k.Close,
		Volume: k.Volume, QuoteVolume: k.QuoteVolume, Trades: k.Trades,
		TakerBuyVolume: k.TakerBuyVolume, TakerBuyQuoteVolume: k.TakerBuyQuoteVolume,
	}
}

// decoder decodes the frames of one connection. It knows the names that will come again and
// again, so that they cost no allocation.
type decoder struct {
	symbols   map[string]string // of each symbol the one copy that is kept
	timeframe candle.Timeframe
	interval  string // the timeframe's name
}

func newDecoder(tf candle.Timeframe, symbols []string) *decoder {
	d := &decoder{symbols: make(map[string]string, len(symbols)), timeframe: tf, interval: tf.String()}
	for _, symbol := range symbols {
		d.symbols[symbol] = symbol
	}
	return d
}

// frame decodes one message into f. Names are case-sensitive (t is not T), an unknown one is
// skipped, a known one that comes twice or that is missing is an error. Of an event of another type
// only the type is told.
func (d *decoder) frame(data []byte, f *frame) error {
	*f = frame{}
	s := scanner{data: data}
	var raw event
	var rawSeen, wrapped fields
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		switch key := s.key(); string(key) {
		case "stream":
			s.text()
		case "data":
			wrapped.once(0, &s)
			if s.space() != '{' {
				s.skip() // an array of tickers
				continue
			}
			d.event(&s, &f.Event)
		case "result":
			f.reply = true
			s.skip()
		case "id":
			f.id = requestID(&s)
		case "error":
			f.reply, f.failed = true, true
			failure(&s, f)
		case "code":
			f.reply, f.failed = true, true
			f.code = s.integer()
		case "msg":
			f.msg = string(s.text())
		default:
			d.member(&s, key, &raw, &rawSeen)
		}
	}
	if err := s.end(); err != nil {
		return err
	}
	if rawSeen != 0 && f.Event.Type == "" && !f.reply {
		if err := d.check(&raw, rawSeen); err != nil {
			return err
		}
		f.Event = raw
	}
	return nil
}

// fields notes which members an object has had, a bit each.
type fields uint32

// once notes a member and refuses its second coming: of two values neither can be trusted.
func (f *fields) once(bit uint, s *scanner) {
	if *f&(1<<bit) != 0 {
		s.fail("no member twice")
	}
	*f |= 1 << bit
}

// Members of an event.
const (
	eventType = iota
	eventTime
	eventSymbol
	eventCandle
	klineMembers = 1<<eventType | 1<<eventTime | 1<<eventSymbol | 1<<eventCandle
)

// event takes the object of one event.
func (d *decoder) event(s *scanner, e *event) {
	var seen fields
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		d.member(s, s.key(), e, &seen)
	}
	if s.err == nil {
		s.err = d.check(e, seen)
	}
}

// member takes one member of an event. Members of events of other types may have other meanings
// under the same names, so what does not fit is skipped and judged by check.
func (d *decoder) member(s *scanner, key []byte, e *event, seen *fields) {
	if s.err != nil {
		return
	}
	c := s.space()
	switch {
	case len(key) != 1:
		s.skip()
	case key[0] == 'e' && c == '"':
		seen.once(eventType, s)
		switch name := s.text(); string(name) {
		case eventKline:
			e.Type = eventKline
		case eventShutdown:
			e.Type = eventShutdown
		default:
			e.Type = string(name)
		}
	case key[0] == 'E' && c-'0' <= 9 && (e.Type == "" || e.Type == eventKline || e.Type == eventShutdown):
		seen.once(eventTime, s)
		e.At = s.millis()
	case key[0] == 's' && c == '"':
		seen.once(eventSymbol, s)
		e.Symbol = d.symbol(s)
	case key[0] == 'k' && c == '{' && (e.Type == "" || e.Type == eventKline):
		seen.once(eventCandle, s)
		d.kline(s, &e.Kline)
	default:
		s.skip()
	}
}

// check asks of a kline event that it is whole and of one mind.
func (d *decoder) check(e *event, seen fields) error {
	switch {
	case e.Type == eventShutdown:
		return nil
	case e.Type != eventKline:
		*e = event{Type: e.Type}
		return nil
	case seen&klineMembers != klineMembers:
		return fmt.Errorf("a kline event lacks one of its members e, E, s, k, or has one of the wrong type")
	case e.Symbol != e.Kline.Symbol:
		return fmt.Errorf("a kline event of %.60q holds a candle of %.60q", e.Symbol, e.Kline.Symbol)
	}
	return e.Kline.candle().Validate()
}

func (d *decoder) symbol(s *scanner) string {
	raw := s.text()
	if known, ok := d.symbols[string(raw)]; ok {
		return known
	}
	return string(raw)
}

// Members of a kline beside its decimals, which take the bits from 0 on.
const (
	klineOpenTime = countOfDecimals + iota
	klineCloseTime
	klineSymbol
	klineInterval
	klineFirstTrade
	klineLastTrade
	klineTrades
	klineClosed
	klineEnd
	allKlineMembers = 1<<klineEnd - 1
)

// kline takes the object of one candle.
func (d *decoder) kline(s *scanner, k *kline) {
	var seen fields
	var digits decimals
	decimal := func(which int) { // not kept: it costs no allocation
		seen.once(uint(which), s)
		digits.take(which, s)
	}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		key := s.key()
		if len(key) != 1 {
			s.skip()
			continue
		}
		switch key[0] {
		case 't':
			seen.once(klineOpenTime, s)
			k.OpenTime = s.millis()
		case 'T':
			seen.once(klineCloseTime, s)
			k.CloseTime = s.millis()
		case 's':
			seen.once(klineSymbol, s)
			k.Symbol = d.symbol(s)
		case 'i':
			seen.once(klineInterval, s)
			k.Timeframe = d.timeframeOf(s)
		case 'f':
			seen.once(klineFirstTrade, s)
			k.FirstTrade = s.integer()
		case 'L':
			seen.once(klineLastTrade, s)
			k.LastTrade = s.integer()
		case 'n':
			seen.once(klineTrades, s)
			k.Trades = s.integer()
		case 'x':
			seen.once(klineClosed, s)
			k.Closed = s.boolean()
		case 'o':
			decimal(openPrice)
		case 'h':
			decimal(highPrice)
		case 'l':
			decimal(lowPrice)
		case 'c':
			decimal(closePrice)
		case 'v':
			decimal(volume)
		case 'q':
			decimal(quoteVolume)
		case 'V':
			decimal(takerVolume)
		case 'Q':
			decimal(takerQuoteVolume)
		default:
			s.skip()
		}
	}
	if s.err == nil && seen != allKlineMembers {
		s.fail("a candle with all of its members")
	}
	if s.err != nil {
		return
	}
	var parsed [countOfDecimals]candle.Decimal
	if s.err = digits.parse(&parsed); s.err != nil {
		return
	}
	k.Open, k.High, k.Low, k.Close = parsed[openPrice], parsed[highPrice], parsed[lowPrice], parsed[closePrice]
	k.Volume, k.QuoteVolume = parsed[volume], parsed[quoteVolume]
	k.TakerBuyVolume, k.TakerBuyQuoteVolume = parsed[takerVolume], parsed[takerQuoteVolume]
}

// timeframeOf takes a timeframe's name; one that velador does not have gives 0.
func (d *decoder) timeframeOf(s *scanner) candle.Timeframe {
	name := s.text()
	if string(name) == d.interval {
		return d.timeframe
	}
	tf, err := candle.ParseTimeframe(string(name))
	if err != nil {
		return 0
	}
	return tf
}

// requestID takes the id of a reply; ours are numbers, so another type names no request of ours.
func requestID(s *scanner) int64 {
	if c := s.space(); c != '-' && c-'0' > 9 {
		s.skip()
		return 0
	}
	return s.integer()
}

// failure takes the nested form of an error: {"code":2,"msg":"…"}.
func failure(s *scanner, f *frame) {
	if s.space() != '{' {
		f.msg = string(s.skip())
		return
	}
	s.expect('{')
	for first := true; s.more(&first, '}'); {
		switch string(s.key()) {
		case "code":
			f.code = s.integer()
		case "msg":
			f.msg = string(s.text())
		default:
			s.skip()
		}
	}
}
