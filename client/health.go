package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"velador/api"
)

// Healthy returns nil when the server's process answers.
func (c *Client) Healthy(ctx context.Context) error {
	_, err := ask(ctx, c, healthRequest())
	return err
}

// Ready tells whether the server can do its work. When it cannot, the error is an *Error with
// status 503, and the answer names the part that fails.
func (c *Client) Ready(ctx context.Context) (api.ReadyAnswer, error) {
	answer, err := ask(ctx, c, readyRequest())
	var failure *Error
	if errors.As(err, &failure) {
		// The body of the failure has the same members; one that has not says enough by its status.
		_ = json.Unmarshal(failure.body, &answer)
	}
	return answer, err
}

// System tells how the machinery is: database, bus, writer, budgets.
func (c *Client) System(ctx context.Context) (api.SystemAnswer, error) {
	return ask(ctx, c, systemRequest())
}

// Metrics reads the figures for Prometheus, in its text format. The caller closes it.
func (c *Client) Metrics(ctx context.Context) (io.ReadCloser, error) {
	return c.open(ctx, call(metricsRequest()))
}
