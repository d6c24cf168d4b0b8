package server

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTheEndOfALogIsGiven(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.logs.Write(1, "one\ntwo <&> ñ\nthree \xff")
	h.get("/api/collectors/1/logs").want(t, 200, `{"id":1,"lines":["one","two <&> ñ","three \ufffd"]}`)
	h.get("/api/collectors/1/logs?tail=1").want(t, 200, `{"id":1,"lines":["three \ufffd"]}`)
	h.get("/api/collectors/1/logs?tail=1&follow=false").want(t, 200, `{"id":1,"lines":["three \ufffd"]}`)
	h.get("/api/collectors/2/logs").want(t, 404, `{"error":"Collector no encontrado o ya detenido","id":2,"code":"collector_not_found"}`)
	h.get("/api/collectors/2/logs?follow=true").want(t, 404, `{"error":"Collector no encontrado o ya detenido","id":2,"code":"collector_not_found"}`)
}

// events opens a stream and reads its lines.
func (h *house) events(path string) (lines *bufio.Scanner, hangUp context.CancelFunc) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	h.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.http.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("the stream is %s %v", resp.Status, resp.Header)
	}
	return bufio.NewScanner(resp.Body), cancel
}

// next gives the next line that is neither empty nor a comment; "" at the end.
func next(lines *bufio.Scanner) string {
	for lines.Scan() {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, ":") {
			return line
		}
	}
	return ""
}

func TestALogIsFollowedUntilTheCollectorSaysNoMore(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.logs.Write(1, "old\nnewer")
	lines, _ := h.events("/api/collectors/1/logs?follow=true&tail=1")
	if got := next(lines); got != "data: newer" {
		t.Errorf("first comes %q", got)
	}
	h.logs.Write(1, "event: forged\r")
	if got := next(lines); got != "data: event: forged " {
		t.Errorf("then comes %q", got)
	}
	h.logs.End(1)
	if a, b := next(lines), next(lines); a != "event: end" || b != "data: " {
		t.Errorf("at last come %q, %q", a, b)
	}
	if lines.Scan(); next(lines) != "" || lines.Err() != nil {
		t.Errorf("the stream goes on, or ends with %v", lines.Err())
	}
}

// spy passes on what it is asked and tells when a Follow has ended.
type spy struct {
	Logs
	ended chan error
}

func (s *spy) Follow(ctx context.Context, id int64, n int, yield func(string) error) error {
	err := s.Logs.Follow(ctx, id, n, yield)
	s.ended <- err
	return err
}

func TestFollowingEndsWithTheClient(t *testing.T) {
	t.Parallel()
	watched := &spy{ended: make(chan error, 1)}
	h := build(t, func(c *Config) { watched.Logs, c.Logs = c.Logs, watched })
	h.post("/api/collectors/start", ethMinute)
	h.logs.Write(1, "one")
	lines, hangUp := h.events("/api/collectors/1/logs?follow=true")
	next(lines)
	hangUp()
	if err := <-watched.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
}

func TestASilentStreamShowsThatItLives(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.server.patience.heartbeat = time.Millisecond
	h.post("/api/collectors/start", ethMinute)
	lines, _ := h.events("/api/collectors/1/logs?follow=true")
	for beats := 0; beats < 3; {
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		}
	}
}

// broken is a log that cannot be read.
type broken struct{ Logs }

func (broken) Follow(context.Context, int64, int, func(string) error) error {
	return errors.New("read /var/log/secret: input/output error")
}

func TestALogThatBreaksOffSaysSo(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) { c.Logs = broken{c.Logs} })
	h.post("/api/collectors/start", ethMinute)
	lines, _ := h.events("/api/collectors/1/logs?follow=true")
	if a, b := next(lines), next(lines); a != "event: error" ||
		b != `data: {"error":"Error interno de velador: el registro del servidor dice más","id":1,"code":"internal"}` {
		t.Errorf("the stream says %q, %q", a, b)
	}
}
