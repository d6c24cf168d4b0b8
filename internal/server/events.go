package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sendEvents answers with Server-Sent Events until run returns, the client goes or the server is told
// to end; the latter two end run's ctx. The last event is named end, or error with an error's body, so
// that a client knows that it need not connect again.
func (s *Server) sendEvents(w http.ResponseWriter, r *http.Request, run func(ctx context.Context, events *eventWriter) error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)() //nolint:contextcheck // it is the server's end that this waits for

	events := &eventWriter{out: s.newPaced(w)}
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel() // before the wait
	beats.Go(func() {
		tick := time.NewTicker(s.patience.heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// A comment: it shows both sides that the other one is there.
				if events.send(": \n\n") != nil {
					cancel()
				}
			}
		}
	})
	err := events.send(": velador\n\n") // the headers leave at once, though there may be nothing to say yet
	if err == nil {
		err = run(ctx, events)
	}
	switch {
	case ctx.Err() != nil: // the client has gone, or the server goes
	case err == nil:
		_ = events.event("end", "") // nobody is left to tell that it failed
	default:
		if body, encodeErr := s.fail(ctx, err).MarshalJSON(); encodeErr == nil {
			_ = events.event("error", string(body))
		}
	}
}

// eventWriter writes Server-Sent Events for two goroutines.
type eventWriter struct {
	mu  sync.Mutex
	out *paced
}

// lineEnds are what would end a data line; a log's line has none, but may come from anywhere.
var lineEnds = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ")

func (e *eventWriter) event(name, data string) error { return e.send(eventText(name, data)) }

// eventText writes one event.
func eventText(name, data string) string {
	text := "data: " + strings.ToValidUTF8(lineEnds.Replace(data), "\uFFFD") + "\n\n"
	if name != "" {
		text = "event: " + name + "\n" + text
	}
	return text
}

// say sends a value as JSON.
func (e *eventWriter) say(name string, value any) error { return e.sayAs("", name, value) }

// sayAs is say with an id, which a client that comes back names.
func (e *eventWriter) sayAs(id, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text := eventText(name, string(data))
	if id != "" {
		text = "id: " + id + "\n" + text
	}
	return e.send(text)
}

func (e *eventWriter) send(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.out.Write([]byte(text)); err != nil {
		return err
	}
	return e.out.Flush()
}
