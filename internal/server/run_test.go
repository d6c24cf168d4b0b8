package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/server/servertest"
)

// running is a server under Run.
type running struct {
	address string
	stop    context.CancelFunc
	done    chan error
}

func run(t *testing.T, s *Server) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{address: ln.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, ln) }()
	t.Cleanup(cancel)
	return r
}

// slowFleet answers a start when it is told to, or when its context ends.
type slowFleet struct {
	Fleet
	asked   chan struct{}
	proceed chan struct{}
}

func (f *slowFleet) Start(ctx context.Context, spec collector.Spec) (collector.Record, error) {
	f.asked <- struct{}{}
	select {
	case <-f.proceed:
		return f.Fleet.Start(ctx, spec)
	case <-ctx.Done():
		return collector.Record{}, ctx.Err()
	}
}

func slow() (*Server, *slowFleet) {
	fleet := &slowFleet{
		Fleet: servertest.NewFleet(time.Now, "ETHUSDT"),
		asked: make(chan struct{}), proceed: make(chan struct{}),
	}
	return New(Config{Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 1), Logs: servertest.NewLogs()}), fleet
}

func TestACallUnderWayIsFinishedBeforeTheServerEnds(t *testing.T) {
	t.Parallel()
	s, fleet := slow()
	r := run(t, s)
	answered := make(chan string, 1)
	go func() {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post("http://"+r.address+"/api/collectors/start", "", strings.NewReader(ethMinute))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(resp.StatusCode, err, string(body))
	}()
	<-fleet.asked
	r.stop()
	<-s.closing.Done()
	close(fleet.proceed)
	if got := <-answered; !strings.HasPrefix(got, "200") {
		t.Errorf("the call got %s", got)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestACallThatDoesNotFinishIsCutOff(t *testing.T) {
	t.Parallel()
	s, fleet := slow()
	s.patience.drain = time.Millisecond
	r := run(t, s)
	answered := make(chan error, 1)
	go func() {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post("http://"+r.address+"/api/collectors/start", "", strings.NewReader(ethMinute))
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-fleet.asked
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	<-answered // an error, or the last words of the call; that it comes at all is the point
}

func TestStreamsEndWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	logs := servertest.NewLogs()
	fleet := servertest.NewFleet(time.Now, "ETHUSDT")
	if _, err := fleet.Start(t.Context(), collector.Spec{Exchange: "binance", Selector: "ETHUSDT"}); err != nil {
		t.Fatal(err)
	}
	logs.Write(1, "one")
	r := run(t, New(Config{Fleet: fleet, Candles: servertest.Minutes("ETHUSDT", 0, 1), Logs: logs}))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + r.address + "/api/collectors/1/logs?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := next(bufio.NewScanner(resp.Body)); got != "data: one" {
		t.Errorf("the stream begins with %q", got)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestACallThatComesWhileTheServerEndsIsToldSo(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.server.close()
	r := h.get("/api/collectors/status")
	r.problem(t, 503, string(problem.CodeShuttingDown))
}

func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	s, _ := slow()
	if err := s.Run(context.Background(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run returned %v", err)
	}
}

// TestALargeHeaderIsRefused by net/http itself, before any of our words.
func TestALargeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := slow()
	r := run(t, s)
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("a", maxHeaderBytes+8<<10))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("the answer is %s", resp.Status)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// TestAHeaderThatDoesNotComeIsCutOff: a client that says nothing, or half of a header, holds no connection.
func TestAHeaderThatDoesNotComeIsCutOff(t *testing.T) {
	t.Parallel()
	s, _ := slow()
	s.patience.header = 20 * time.Millisecond
	r := run(t, s)
	for _, said := range []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "} {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patient)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || strings.HasPrefix(string(answer), "HTTP/1.1 2") {
			t.Errorf("after %q comes %q, %v", said, answer, err)
		}
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
}
