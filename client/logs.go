package client

import (
	"context"
	"fmt"
)

// Logs gives the newest lines of a collector's log, oldest first; tail 0 leaves their number to
// the server.
func (c *Client) Logs(ctx context.Context, id int64, tail int) ([]string, error) {
	answer, err := ask(ctx, c, logsRequest(id, logsParams{Tail: int64(tail)}))
	return answer.Lines, err
}

// FollowLogs calls yield for the newest lines of a collector's log and then for each further one.
// It returns nil when the collector will say no more, the error of yield when that returns one,
// ctx's error when ctx ends, and io.ErrUnexpectedEOF when the server went away.
func (c *Client) FollowLogs(ctx context.Context, id int64, tail int, yield func(line string) error) error {
	body, err := c.open(ctx, call(logsRequest(id, logsParams{Tail: int64(tail), Follow: true})))
	if err != nil {
		return err
	}
	defer body.Close()
	return readEvents(body, fmt.Sprintf("the log of collector %d", id), maxEvent, func(_, data string) error { return yield(data) })
}
