package klineapi

import (
	"strconv"

	"velador/internal/candle"
)

// event is one push of a stream. Its frames are encoded once for all subscribers (SIM-W17).
type event struct {
	topic *topic
	at    candle.Millis // E
	row   Row           // of klines
	final bool          // k.x
	minis []mini        // of mini tickers

	frames [4][]byte // by variant: raw or combined, milliseconds or microseconds
}

// mini is one symbol's entry in a mini ticker.
type mini struct {
	symbol string
	span   span
}

// frame gives the event's bytes in the form a connection wants. It is called by one goroutine at a
// time; the bytes are never written to again.
func (e *event) frame(combined, micros bool) []byte {
	variant := 0
	if combined {
		variant |= 1
	}
	if micros {
		variant |= 2
	}
	if e.frames[variant] == nil {
		e.frames[variant] = e.encode(combined, micros)
	}
	return e.frames[variant]
}

func (e *event) encode(combined, micros bool) []byte {
	dst := make([]byte, 0, 448+256*max(0, len(e.minis)-1))
	if combined {
		dst = appendWrapper(dst, e.topic.name)
	}
	if e.topic.kind == topicKline {
		dst = e.appendKline(dst, micros)
	} else {
		dst = e.appendMinis(dst, micros)
	}
	if combined {
		dst = append(dst, '}')
	}
	return dst
}

// appendWrapper opens a combined frame; a closing brace ends it.
func appendWrapper(dst []byte, stream string) []byte {
	return append(appendQuoted(append(dst, `{"stream":`...), stream), `,"data":`...)
}

// appendKline appends the payload of a kline stream (EXCHANGES.md 2.12).
func (e *event) appendKline(dst []byte, micros bool) []byte {
	r := &e.row
	dst = appendTime(append(dst, `{"e":"kline","E":`...), e.at, micros)
	dst = appendQuoted(append(dst, `,"s":`...), e.topic.symbol)
	dst = appendTime(append(dst, `,"k":{"t":`...), r.OpenTime, micros)
	dst = appendEnd(append(dst, `,"T":`...), r.CloseTime, micros)
	dst = appendQuoted(append(dst, `,"s":`...), e.topic.symbol)
	dst = append(append(append(dst, `,"i":"`...), e.topic.tf.String()...), '"')
	dst = strconv.AppendInt(append(dst, `,"f":`...), r.FirstTrade, 10)
	dst = strconv.AppendInt(append(dst, `,"L":`...), r.LastTrade, 10)
	dst = appendDecimal(append(dst, `,"o":`...), r.Open)
	dst = appendDecimal(append(dst, `,"c":`...), r.Close)
	dst = appendDecimal(append(dst, `,"h":`...), r.High)
	dst = appendDecimal(append(dst, `,"l":`...), r.Low)
	dst = appendDecimal(append(dst, `,"v":`...), r.Volume)
	dst = strconv.AppendInt(append(dst, `,"n":`...), r.Trades, 10)
	dst = strconv.AppendBool(append(dst, `,"x":`...), e.final)
	dst = appendDecimal(append(dst, `,"q":`...), r.QuoteVolume)
	dst = appendDecimal(append(dst, `,"V":`...), r.TakerBuyVolume)
	dst = appendDecimal(append(dst, `,"Q":`...), r.TakerBuyQuoteVolume)
	return append(dst, `,"B":"0"}}`...)
}

// appendMinis appends one mini ticker, or the array of !miniTicker@arr (EXCHANGES.md 2.13).
func (e *event) appendMinis(dst []byte, micros bool) []byte {
	array := e.topic.kind == topicMiniAll
	if array {
		dst = append(dst, '[')
	}
	for i := range e.minis {
		if i > 0 {
			dst = append(dst, ',')
		}
		m := &e.minis[i]
		dst = appendTime(append(dst, `{"e":"24hrMiniTicker","E":`...), e.at, micros)
		dst = appendQuoted(append(dst, `,"s":`...), m.symbol)
		dst = appendDecimal(append(dst, `,"c":`...), m.span.close)
		dst = appendDecimal(append(dst, `,"o":`...), m.span.open)
		dst = appendDecimal(append(dst, `,"h":`...), m.span.high)
		dst = appendDecimal(append(dst, `,"l":`...), m.span.low)
		dst = append(m.span.volume.append(append(dst, `,"v":"`...)), '"')
		dst = append(m.span.quote.append(append(dst, `,"q":"`...)), `"}`...)
	}
	if array {
		dst = append(dst, ']')
	}
	return dst
}
