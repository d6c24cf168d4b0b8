package client

import (
	"context"
	"encoding/json"
	"errors"

	"velador/api"
)

// Status lists the collectors whose process is alive.
func (c *Client) Status(ctx context.Context) ([]api.CollectorStatus, error) {
	answer, err := ask(ctx, c, statusRequest())
	return answer.Collectors, err
}

// Collectors lists all collectors that are wanted or still run, with a process or without.
func (c *Client) Collectors(ctx context.Context) ([]api.CollectorStatus, error) {
	answer, err := ask(ctx, c, collectorsRequest())
	return answer.Collectors, err
}

// History gives the newest lives of a collector's process that have ended, newest first; limit 0
// leaves their number to the server.
func (c *Client) History(ctx context.Context, id int64, limit int) ([]api.Life, error) {
	answer, err := ask(ctx, c, historyRequest(id, historyParams{Limit: int64(limit)}))
	return answer.Lives, err
}

// Start starts a collector. That one runs already is an *Error with status 409 and its PID.
func (c *Client) Start(ctx context.Context, request api.StartRequest) (api.StartAnswer, error) {
	return ask(ctx, c, startRequest(request))
}

// Stop stops a collector and returns when its process has ended.
func (c *Client) Stop(ctx context.Context, request api.StopRequest) (api.StopAnswer, error) {
	return ask(ctx, c, stopRequest(request))
}

// StopAll stops every collector and returns when their processes have ended. When some could not be
// stopped, the error is an *Error with api.CodeStopAllFailed, and the answer names both kinds.
func (c *Client) StopAll(ctx context.Context) (api.StopAllAnswer, error) {
	answer, err := ask(ctx, c, stopAllRequest(api.StopAllRequest{}))
	var failure *Error
	if errors.As(err, &failure) && failure.Code == api.CodeStopAllFailed {
		_ = json.Unmarshal(failure.body, &answer) // what cannot be read leaves the code, which says enough
	}
	return answer, err
}

// Restart ends a collector's process gracefully and starts it anew; it returns when the new one runs.
// That there is no such collector is an *Error with status 404.
func (c *Client) Restart(ctx context.Context, request api.RestartRequest) (api.RestartAnswer, error) {
	return ask(ctx, c, restartRequest(request))
}

// Collector tells of one collector, dead or alive.
func (c *Client) Collector(ctx context.Context, id int64) (api.CollectorStatus, error) {
	return ask(ctx, c, collectorRequest(id))
}
