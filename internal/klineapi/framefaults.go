package klineapi

import (
	"bytes"

	"github.com/gorilla/websocket"
)

// What too much is.
const (
	flood     = 10
	hugeFrame = 1 << 20
)

// deliver queues an event for the client, unless a fault spoils its frame on the way (SIM-W18).
// previous is the event that went before it on the same stream; nil for the first one.
func (c *conn) deliver(e, previous *event) {
	combined := c.combined.Load()
	at := place{symbol: e.topic.symbol, stream: e.topic.name}
	if c.noData {
		c.api.tally.framesLost.Add(1)
		return
	}
	f, struck := c.api.faults.strike(at, FrameDrop, FrameDuplicate, FrameStale, FrameReset, FrameExtraKey,
		FrameTimeUnit, FrameUnknownEvent, FrameGarbage, FrameFlood, FrameHuge, FrameStall, FrameEndless)
	if !struck {
		c.market(e.frame(combined, c.micros))
		return
	}
	switch f.Kind {
	case FrameDrop:
		c.api.tally.framesLost.Add(1)
	case FrameReset:
		c.abort()
	case FrameDuplicate:
		c.market(e.frame(combined, c.micros))
		c.market(e.frame(combined, c.micros))
	case FrameStale:
		c.market(e.frame(combined, c.micros))
		if previous != nil {
			c.market(previous.frame(combined, c.micros))
		}
	case FrameFlood:
		for range flood {
			c.market(e.frame(combined, c.micros))
		}
	case FrameHuge:
		c.send(websocket.TextMessage, append(bytes.Repeat([]byte{' '}, hugeFrame), "{}"...))
		c.market(e.frame(combined, c.micros))
	case FrameStall:
		c.api.tally.framesLost.Add(1)
		c.mute.Store(true)
	case FrameEndless:
		c.api.tally.framesLost.Add(1)
		if c.endless.Swap(true) {
			c.send(rawBytes, moreOfIt)
			return
		}
		c.send(rawBytes, []byte{websocket.TextMessage, 1, '{'}) // a text frame of one byte that is not the last
	case FrameExtraKey:
		c.market(withExtraKeys(e.frame(combined, c.micros)))
	case FrameTimeUnit:
		c.market(e.frame(combined, !c.micros))
	case FrameUnknownEvent:
		c.market(unknownEvent(e, combined, c.micros))
		c.market(e.frame(combined, c.micros))
	default: // FrameGarbage
		c.market([]byte(`{"e":"kline","E":`))
		c.market(e.frame(combined, c.micros))
	}
}

// market queues a frame of market data.
func (c *conn) market(frame []byte) {
	c.api.tally.framesSent.Add(1)
	c.send(websocket.TextMessage, frame)
}

// withExtraKeys gives a copy of a frame in which every object has a key that nobody knows.
func withExtraKeys(frame []byte) []byte {
	return bytes.ReplaceAll(frame, []byte(`{"`), []byte(`{"zz":{"new":[1,null]},"`))
}

// unknownEvent gives an event of a type that nobody knows, on the stream of e.
func unknownEvent(e *event, combined, micros bool) []byte {
	var dst []byte
	if combined {
		dst = appendWrapper(dst, e.topic.name)
	}
	dst = appendTime(append(dst, `{"e":"unheardOf","E":`...), e.at, micros)
	dst = append(appendQuoted(append(dst, `,"s":`...), e.topic.symbol), '}')
	if combined {
		dst = append(dst, '}')
	}
	return dst
}
