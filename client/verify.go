package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"velador/api"
)

// VerifyWatcher is told what a verification does. What is nil is not told.
type VerifyWatcher struct {
	Progress   func(api.VerifyProgress)
	Difference func(api.VerifyDifference) // the first thousand of them
}

// Verify has the server hold what it has stored of a series against the exchange's history, which may
// take minutes, and gives the report. It goes on as long as ctx does.
func (c *Client) Verify(ctx context.Context, request api.VerifyRequest, w VerifyWatcher) (api.VerifyReport, error) {
	var report api.VerifyReport
	body, err := c.open(ctx, call(verifyRequest(request)))
	if err != nil {
		return report, err
	}
	defer body.Close()
	done := false
	err = readEvents(body, "the verification", maxEvent, func(event, data string) error {
		switch event {
		case "progress":
			return hand(data, w.Progress)
		case "difference":
			return hand(data, w.Difference)
		case "report":
			done = true
			return json.Unmarshal([]byte(data), &report)
		}
		return nil // of a newer server
	})
	if err == nil && !done {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return report, fmt.Errorf("verifying %s %s: %w", request.Symbol, request.Timeframe, err)
	}
	return report, nil
}

// hand reads an event's data for whoever wants it.
func hand[T any](data string, to func(T)) error {
	var value T
	if err := json.Unmarshal([]byte(data), &value); err != nil {
		return err
	}
	if to != nil {
		to(value)
	}
	return nil
}
