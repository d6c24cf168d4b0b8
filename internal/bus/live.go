package bus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"velador/internal/candle"
)

// PublishForming shows a candle that is not closed yet to whoever listens. at is the venue's time of
// the event. It is not kept: without a connection, or when nobody listens, it is gone.
func (c *Conn) PublishForming(series candle.Series, forming candle.Candle, at candle.Millis) {
	if checkSeries(series) != nil || !c.nats.IsConnected() {
		return
	}
	payload := strconv.AppendInt(make([]byte, 0, 192), int64(at), 10)
	payload = forming.AppendCSV(append(payload, ' '))
	if err := c.nats.Publish(subjectOf(familyForming, series), payload); err != nil {
		c.log.Debug("a forming candle was not shown", "series", series.String(), "error", err)
	}
}

// SubscribeForming calls show for each forming candle of a series, one at a time. Who is slower than
// the market misses some. stop ends it and waits for a call under way; do not call it from show.
func (c *Conn) SubscribeForming(series candle.Series, show func(forming candle.Candle, at candle.Millis)) (stop func(), err error) {
	return c.listen(familyForming, series, func(msg *nats.Msg) error {
		forming, at, err := decodeForming(msg.Data)
		if err == nil {
			show(forming, at)
		}
		return err
	})
}

// listen calls hear for each message about a series in a family of core NATS, one at a time. stop ends it
// and waits for a call under way.
func (c *Conn) listen(family string, series candle.Series, hear func(*nats.Msg) error) (stop func(), err error) {
	if err := checkSeries(series); err != nil {
		return nil, fmt.Errorf("listen to %s: %w", family, err)
	}
	messages := make(chan *nats.Msg, 16)
	sub, err := c.nats.ChanSubscribe(subjectOf(family, series), messages)
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", family, err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-c.closed:
				return
			case msg := <-messages:
				if err := hear(msg); err != nil {
					c.log.Debug("a message was not understood", "subject", msg.Subject, "error", err)
				}
			}
		}
	}()
	return func() {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			c.log.Debug("stop listening", "family", family, "series", series.String(), "error", err)
		}
		close(done)
		<-ended
	}, nil
}

// decodeForming reads the payload of PublishForming.
func decodeForming(payload []byte) (c candle.Candle, at candle.Millis, err error) {
	if len(payload) > maxMessage {
		return c, 0, fmt.Errorf("a forming candle of %d bytes: at most %d are allowed", len(payload), maxMessage)
	}
	time, line, _ := strings.Cut(string(payload), " ")
	n, err := strconv.ParseInt(time, 10, 64)
	if err != nil {
		return c, 0, fmt.Errorf("a forming candle without a time: %.100q", payload)
	}
	c, err = candle.ParseCSV(line)
	return c, candle.Millis(n), err
}
