package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"velador/api"
)

// errSignedOut ends a stream whose session is over.
var errSignedOut = errors.New("the session is over")

// sendEvents answers with Server-Sent Events until run returns, the client goes, its session ends or the
// server is told to end; the latter three end run's ctx. The last event is named end, or error with an
// error's body, so that a client knows that it need not connect again.
func (s *Server) sendEvents(w http.ResponseWriter, r *http.Request, run func(ctx context.Context, events *eventWriter) error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	ctx, stop := context.WithCancelCause(r.Context())
	cancel := func() { stop(nil) }
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)() //nolint:contextcheck // it is the server's end that this waits for
	signedOut, look := s.untilSignedOut(r)

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
			case <-signedOut:
				stop(errSignedOut)
				return
			case <-tick.C:
				look()
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
	case errors.Is(context.Cause(ctx), errSignedOut):
		s.sayError(ctx, events, invalid(api.CodeUnauthorized, nil))
	case ctx.Err() != nil: // the client has gone, or the server goes
	case err == nil:
		_ = events.event("end", "") // nobody is left to tell that it failed
	default:
		s.sayError(ctx, events, err)
	}
}

// sayError ends a stream with why.
func (s *Server) sayError(ctx context.Context, events *eventWriter, err error) {
	if body, err := s.fail(ctx, err).MarshalJSON(); err == nil {
		_ = events.event("error", string(body)) // nobody is left to tell that it failed
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
