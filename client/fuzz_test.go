package client

import (
	"errors"
	"strings"
	"testing"
)

// Whatever a server sends as events: the stream ends well by its last word alone, and what is handed on
// was there.
func FuzzEvents(f *testing.F) {
	for _, text := range []string{"event: end\n\n", "event: line\ndata: one\ndata: two\r\n\nevent: end\ndata: \n\n", "event: error\ndata: {\"error\":\"away\",\"code\":\"internal\"}\n\n",
		"event: error\ndata: [\n\n", ":\n\ndata\n\n", "data: half", "event: end\ndata:\n\n", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := readEvents(strings.NewReader(text), "a test", 1<<20, func(_, data string) error {
			for line := range strings.SplitSeq(data, "\n") {
				if !strings.Contains(text, line) {
					t.Errorf("%q was handed on and not sent", line)
				}
			}
			if data == "stop" {
				return errEnd
			}
			return nil
		})
		var failed *Error
		if err == nil && !strings.Contains(text, "end") && !strings.Contains(text, "stop") || errors.As(err, &failed) && !strings.Contains(text, "error") {
			t.Errorf("%q ends with %v", text, err)
		}
	})
}
