package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"velador/api"
)

// Logs gives the newest lines of a collector's log, oldest first; tail 0 leaves their number to
// the server.
func (c *Client) Logs(ctx context.Context, id int64, tail int) ([]string, error) {
	var answer api.LogsAnswer
	err := c.ask(ctx, http.MethodGet, logsPath(id), tailQuery(tail), nil, &answer)
	return answer.Lines, err
}

// FollowLogs calls yield for the newest lines of a collector's log and then for each further one.
// It returns nil when the collector will say no more, the error of yield when that returns one,
// ctx's error when ctx ends, and io.ErrUnexpectedEOF when the server went away.
func (c *Client) FollowLogs(ctx context.Context, id int64, tail int, yield func(line string) error) error {
	query := tailQuery(tail)
	query.Set("follow", "true")
	resp, err := c.send(ctx, http.MethodGet, logsPath(id), query, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readEvents(resp.Body, fmt.Sprintf("the log of collector %d", id), func(_, data string) error { return yield(data) })
}

func logsPath(id int64) string { return "/api/collectors/" + strconv.FormatInt(id, 10) + "/logs" }

func tailQuery(tail int) url.Values {
	query := url.Values{}
	if tail != 0 {
		query.Set("tail", strconv.Itoa(tail))
	}
	return query
}
