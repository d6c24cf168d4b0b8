package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"velador/api"
)

// maxLogLine bounds one line of a followed log, in bytes.
const maxLogLine = 1 << 20

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
	return readEvents(resp.Body, func(event, data string) error {
		switch event {
		case "end":
			return errEnd
		case "error":
			var answer api.ErrorAnswer
			if err := json.Unmarshal([]byte(data), &answer); err != nil {
				return fmt.Errorf("the log of collector %d broke off: %.200s", id, data)
			}
			return fmt.Errorf("the log of collector %d broke off: %s", id, answer.Error)
		}
		return yield(data)
	})
}

func logsPath(id int64) string { return "/api/collectors/" + strconv.FormatInt(id, 10) + "/logs" }

func tailQuery(tail int) url.Values {
	query := url.Values{}
	if tail != 0 {
		query.Set("tail", strconv.Itoa(tail))
	}
	return query
}

// errEnd ends a stream that has said its last word.
var errEnd = errors.New("end of stream")

// readEvents reads Server-Sent Events (HTML standard, section 9.2) until handle returns an error.
func readEvents(r io.Reader, handle func(event, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLogLine)
	var event string
	var data []string
	size := 0
	for lines.Scan() {
		line := lines.Text()
		if size += len(line); size > maxLogLine {
			return fmt.Errorf("following a log: an event is longer than %d bytes", maxLogLine)
		}
		if line == "" {
			if data != nil {
				if err := handle(event, strings.Join(data, "\n")); err != nil {
					if errors.Is(err, errEnd) {
						return nil
					}
					return err
				}
			}
			event, data, size = "", nil, 0
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event = value
		case "data":
			data = append(data, value)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("following a log: %w", err)
	}
	return io.ErrUnexpectedEOF
}
