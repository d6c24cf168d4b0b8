package client

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"velador/api"
)

// maxEvent bounds one event of a stream, in bytes, where it tells of one thing.
const maxEvent = 1 << 20

// errEnd ends a stream that has said its last word.
var errEnd = errors.New("end of stream")

// readEvents reads Server-Sent Events (HTML standard, section 9.2) until the stream says that it has
// ended, or handle returns an error. what is being read, for errors; an event is at most limit bytes long.
func readEvents(r io.Reader, what string, limit int, handle func(event, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, limit)
	var event string
	var data []string
	size := 0
	for lines.Scan() {
		line := lines.Text()
		if size += len(line); size > limit {
			return fmt.Errorf("reading %s: an event is longer than %d bytes", what, limit)
		}
		if line == "" {
			if data != nil {
				if err := handleEvent(event, strings.Join(data, "\n"), what, handle); err != nil {
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
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return io.ErrUnexpectedEOF
}

// handleEvent hands an event on, except for the last ones of a stream.
func handleEvent(event, data, what string, handle func(event, data string) error) error {
	switch event {
	case "end":
		return errEnd
	case "error":
		var answer api.ErrorAnswer
		if err := json.Unmarshal([]byte(data), &answer); err != nil {
			return fmt.Errorf("%s broke off: %.200s", what, data)
		}
		return fmt.Errorf("%s broke off: %w", what, errorOf(answer))
	}
	return handle(event, data)
}
