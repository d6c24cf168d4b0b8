package klineapi

import (
	"bytes"

	"github.com/gorilla/websocket"
)

// deliver queues an event for the client, unless a fault spoils its frame on the way (SIM-W18).
// previous is the event that went before it on the same stream; nil for the first one.
func (c *conn) deliver(e, previous *event) {
	combined := c.combined.Load()
	at := place{symbol: e.topic.symbol, stream: e.topic.name}
	f, struck := c.api.faults.strike(at, FrameDrop, FrameDuplicate, FrameStale, FrameReset, FrameExtraKey,
		FrameTimeUnit, FrameUnknownEvent, FrameGarbage)
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
