package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/collector"
)

const (
	defaultTail = 200    // lines
	maxTail     = 10_000 // lines
)

// logsInput asks for a collector's log.
type logsInput struct {
	IDInput
	Tail   string `query:"tail" doc:"How many of the newest lines, 1 to 10000; 200 when it is left out." example:"200"`
	Follow string `query:"follow" doc:"With true the answer is a stream of Server-Sent Events, one for each line, that goes on as lines are written." example:"false"`
}

// logs answers GET /api/collectors/{id}/logs.
func (s *Server) logs(ctx context.Context, in *logsInput) (*stream, error) {
	id, err := in.collector()
	if err != nil {
		return nil, err
	}
	tail, err := parseNumber("tail", in.Tail, defaultTail, maxTail)
	if err != nil {
		return nil, err
	}
	follow, err := parseChoice("follow", in.Follow, "false", "true")
	if err != nil {
		return nil, err
	}
	if follow == "true" {
		// Asked first, because a stream has said 200 before its first line.
		if _, err := s.cfg.Fleet.Collector(ctx, id); err != nil {
			return nil, about(err, collector.Ref{ID: id})
		}
		return &stream{func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.follow(w, r, id, tail)
		}}, nil
	}
	lines, err := s.cfg.Logs.Tail(ctx, id, tail)
	if err != nil {
		return nil, about(err, collector.Ref{ID: id})
	}
	if lines == nil {
		lines = []string{}
	}
	return &stream{func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		writeJSON(w, http.StatusOK, api.LogsAnswer{ID: id, Lines: lines})
	}}, nil
}

// follow streams a log as Server-Sent Events until the client goes, the server is told to end or
// the collector will say no more. The last event is named end, or error with an error's body, so
// that a client knows that it need not connect again.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, id int64, tail int) {
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
	err := events.send(": log\n\n") // the headers leave at once, though the log may be silent
	if err == nil {
		err = s.cfg.Logs.Follow(ctx, id, tail, func(line string) error { return events.event("", line) })
	}
	switch {
	case ctx.Err() != nil: // the client has gone, or the server goes
	case err == nil:
		_ = events.event("end", "") // nobody is left to tell that it failed
	default:
		body, encodeErr := s.fail(ctx, about(err, collector.Ref{ID: id})).MarshalJSON()
		if encodeErr == nil {
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

func (e *eventWriter) event(name, data string) error {
	text := "data: " + strings.ToValidUTF8(lineEnds.Replace(data), "\uFFFD") + "\n\n"
	if name != "" {
		text = "event: " + name + "\n" + text
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
