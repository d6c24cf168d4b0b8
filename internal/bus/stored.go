package bus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"velador/internal/candle"
)

// PublishStored tells whoever listens that candles of a series have been stored, within a stretch of open
// times. It is not kept: without a connection, or when nobody listens, it is gone.
func (c *Conn) PublishStored(series candle.Series, r candle.Range) {
	if checkSeries(series) != nil || r.Empty() || !c.nats.IsConnected() {
		return
	}
	payload := strconv.AppendInt(make([]byte, 0, 48), int64(r.From), 10)
	payload = strconv.AppendInt(append(payload, ' '), int64(r.To), 10)
	if err := c.nats.Publish(subjectOf(familyStored, series), payload); err != nil {
		c.log.Debug("what was stored was not told", "series", series.String(), "error", err)
	}
}

// SubscribeStored calls tell with what PublishStored says of a series, one at a time. Who is slow misses
// some: it is a hint to look, not a list. stop ends it and waits for a call under way; do not call it
// from tell.
func (c *Conn) SubscribeStored(series candle.Series, tell func(candle.Range)) (stop func(), err error) {
	return c.listen(familyStored, series, func(msg *nats.Msg) error {
		r, err := decodeStored(msg.Data)
		if err == nil {
			tell(r)
		}
		return err
	})
}

// decodeStored reads the payload of PublishStored.
func decodeStored(payload []byte) (r candle.Range, err error) {
	const most = 64
	if len(payload) > most {
		return r, fmt.Errorf("a stretch of %d bytes: at most %d are allowed", len(payload), most)
	}
	from, to, _ := strings.Cut(string(payload), " ")
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return r, fmt.Errorf("a stretch without a beginning: %.70q", payload)
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil || last < first {
		return r, fmt.Errorf("a stretch without an end: %.70q", payload)
	}
	return candle.Range{From: candle.Millis(first), To: candle.Millis(last)}, nil
}
