package client

import (
	"context"
	"encoding/json"
	"fmt"

	"velador/api"
)

// maxNews bounds one event of Events, in bytes: it may list all collectors.
const maxNews = maxAnswer

// EventsWatcher is told what happens. What is nil is not told.
type EventsWatcher struct {
	Session    func(api.Session)           // first of all, where the server wants a token
	Collectors func([]api.CollectorStatus) // the whole list: at first, and when too much was missed
	Changes    func(api.CollectorChanges)  // what has become of it since
	System     func(api.SystemAnswer)      // every two seconds
	Trouble    func(*Error)                // the list cannot be had at this moment; the whole of it ends that
}

// Events tells what changes, as it changes. It returns ctx's error when ctx ends, and
// io.ErrUnexpectedEOF when the server went away.
func (c *Client) Events(ctx context.Context, w EventsWatcher) error {
	body, err := c.open(ctx, call(eventsRequest()))
	if err != nil {
		return err
	}
	defer body.Close()
	return readEvents(body, "the events", maxNews, func(event, data string) error {
		switch event {
		case "session":
			return hand(data, w.Session)
		case "collectors":
			return hand(data, func(list api.CollectorsAnswer) {
				if w.Collectors != nil {
					w.Collectors(list.Collectors)
				}
			})
		case "changes":
			return hand(data, w.Changes)
		case "system":
			return hand(data, w.System)
		case "trouble":
			return handTrouble(data, w.Trouble)
		}
		return nil // of a newer server
	})
}

// CandlesWatcher is told of candles. What is nil is not told. An error that one returns ends the stream.
type CandlesWatcher struct {
	Closed  func(api.Candle) error // once it is stored
	Forming func(api.Candle) error // as it is now
	Trouble func(*Error)           // the database cannot be read at this moment
}

// FollowCandles tells of a series' candles as they form and close. With a From, closed ones that opened
// at it or later and are stored already come first, without a seam; To has no meaning. It returns the
// error of a watcher that returns one, ctx's error when ctx ends, and io.ErrUnexpectedEOF when the server
// went away: whoever goes on names the open time after the newest closed candle as From.
func (c *Client) FollowCandles(ctx context.Context, s Series, w CandlesWatcher) error {
	p := candleStreamParams{Symbol: s.Symbol, Timeframe: s.Timeframe, Exchange: s.Exchange}
	if !s.From.IsZero() {
		p.After = fmt.Sprint(s.From.UnixMilli() - 1)
	}
	body, err := c.open(ctx, call(candleStreamRequest(p)))
	if err != nil {
		return err
	}
	defer body.Close()
	return readEvents(body, fmt.Sprintf("the candles of %s %s", s.Symbol, s.Timeframe), maxEvent, func(event, data string) error {
		switch event {
		case "closed":
			return handCandle(data, w.Closed)
		case "forming":
			return handCandle(data, w.Forming)
		case "trouble":
			return handTrouble(data, w.Trouble)
		}
		return nil // of a newer server
	})
}

func handCandle(data string, to func(api.Candle) error) error {
	var candle api.Candle
	if err := json.Unmarshal([]byte(data), &candle); err != nil {
		return err
	}
	if to == nil {
		return nil
	}
	return to(candle)
}

func handTrouble(data string, to func(*Error)) error {
	return hand(data, func(answer api.ErrorAnswer) {
		if to != nil {
			to(errorOf(answer))
		}
	})
}
