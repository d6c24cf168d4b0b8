package binance

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
	"velador/internal/problem"
)

// lossy is a piece of the network between us and the venue. When it is broken nothing passes any more,
// in one direction or in both, and nobody is told: no FIN, no reset.
type lossy struct {
	listener net.Listener
	parts    sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	swallows map[string]bool // "up" to the venue, "down" from it
}

func newLossy(t *testing.T, to string) *lossy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{listener: listener, swallows: make(map[string]bool)}
	l.parts.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, near, far)
			l.mu.Unlock()
			l.parts.Go(func() { l.carry("up", far, near) })
			l.parts.Go(func() { l.carry("down", near, far) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.mu.Lock()
		for _, c := range l.conns {
			c.Close()
		}
		l.mu.Unlock()
		l.parts.Wait()
	})
	return l
}

func (l *lossy) carry(way string, to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		gone := l.swallows[way]
		l.mu.Unlock()
		if n > 0 && !gone {
			_, _ = to.Write(buffer[:n]) // the other end may have gone
		}
		if err != nil {
			if !gone {
				to.Close()
			}
			return
		}
	}
}

func (l *lossy) swallow(ways ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, way := range ways {
		l.swallows[way] = true
	}
}

// talk sends a frame every so often until the test ends: data that come whatever else does not.
func (v *venue) talk(t *testing.T, every time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	v.peers.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				v.say(klineFrame(testSymbol, testCandle(7), false, testStart))
			}
		}
	})
	t.Cleanup(stop)
}

// untilLost receives until the connection is of no use, and gives why and how much came.
func untilLost(t *testing.T, c exchange.Conn) (updates int, err error) {
	t.Helper()
	for {
		event, err := next(t, c)
		if err != nil {
			return updates, err
		}
		if event.Kind == exchange.Update {
			updates++
		}
	}
}

func TestPeerThatVanishedWithoutAWordIsNoticed(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	network := newLossy(t, v.server.Listener.Addr().String())
	e := v.adapter(func(c *Config) { c.WSURL, c.Silence = "ws://"+network.listener.Addr().String(), 3*time.Second })
	c := dial(t, e, testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	network.swallow("up", "down")
	if _, err := untilLost(t, c); problem.CodeOf(err) != problem.CodeExchangeUnavailable || !strings.Contains(err.Error(), "gone silent") {
		t.Errorf("%v", err)
	}
}

func TestPeerThatVanishesDuringTheHandshakeIsGivenUp(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	network := newLossy(t, v.server.Listener.Addr().String())
	network.swallow("down")
	e := v.adapter(func(c *Config) {
		c.WSURL, c.DialTimeout = "ws://"+network.listener.Addr().String(), 200*time.Millisecond
	})
	if _, err := e.Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.CodeOf(err) != problem.CodeExchangeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestDataWithoutPingsAreKeptWhileOurOwnPingsAreAnswered(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	v.silent = true // it does not ping, but answers
	// A machine that is busy for half of that would look like a venue that does not answer.
	e := v.adapter(func(c *Config) { c.Silence = 4 * time.Second })
	c := dial(t, e, testSymbol)
	v.talk(t, 50*time.Millisecond)
	for updates := 0; updates < 90; updates++ {
		if _, err := next(t, c); err != nil {
			t.Fatalf("after %d frames: %v", updates, err)
		}
	}
}

func TestDataFromAVenueThatHearsNothingOfUsAreNoLife(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	network := newLossy(t, v.server.Listener.Addr().String())
	e := v.adapter(func(c *Config) { c.WSURL, c.Silence = "ws://"+network.listener.Addr().String(), 4*time.Second })
	c := dial(t, e, testSymbol)
	if _, err := next(t, c); err != nil {
		t.Fatal(err)
	}
	v.locked(func() { v.silent = true })
	network.swallow("up")
	v.talk(t, 50*time.Millisecond)
	if n, err := untilLost(t, c); n == 0 || !strings.Contains(err.Error(), "ours is not answered") {
		t.Errorf("%d frames, then %v", n, err)
	}
}

// crude gives an adapter of a venue that acknowledges a subscription and then says bytes of which the
// protocol may think what it likes, one piece at a time, until we leave. A message may take so long.
func crude(t *testing.T, message time.Duration, pieces func(n int) []byte) *Exchange {
	t.Helper()
	v := newVenue(t).start(false)
	v.fault = func(w http.ResponseWriter, r *http.Request) {
		v.peers.Add(1)
		defer v.peers.Done()
		raw, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer raw.Close()
		// RFC 6455 wants this very hash.
		proof := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(proof[:]))
		const ack = `{"result":null,"id":1}`
		_, _ = rw.Write(append([]byte{0x81, byte(len(ack))}, ack...))
		_ = rw.Flush()
		left := make(chan struct{})
		v.peers.Go(func() { _, _ = io.Copy(io.Discard, raw); close(left) })
		for n := 0; ; n++ {
			if _, err := raw.Write(pieces(n)); err != nil {
				return
			}
			select {
			case <-left:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	return v.adapter(func(c *Config) { c.Silence, c.MessageTimeout = time.Minute, message })
}

func TestMessagesWithoutEndAreGivenUpWithAReason(t *testing.T) {
	t.Parallel()
	ping := []byte{0x89, 1, 'x'}
	for _, c := range []struct {
		name   string
		pieces func(n int) []byte
		says   string
	}{
		{"one byte after the other, with pings in between", func(n int) []byte {
			if n == 0 {
				return []byte{0x01, 1, '{'}
			}
			return append([]byte{0, 1, ' '}, ping...)
		}, "has not ended within"},
		{"fragments of nothing", func(n int) []byte {
			if n == 0 {
				return []byte{0x01, 0}
			}
			return bytes.Repeat([]byte{0, 0}, 512)
		}, "has not ended within"},
		{"a frame that stops in its middle, with nothing after it", func(n int) []byte {
			if n == 0 {
				return []byte{0x81, 100, '{'}
			}
			return nil
		}, "has not ended within"},
		{"as many bytes as one likes", func(n int) []byte {
			if n == 0 {
				return []byte{0x01, 0}
			}
			return append([]byte{0, 126, 0x40, 0}, bytes.Repeat([]byte{' '}, 1<<14)...)
		}, "longer than 65536 bytes"},
		{"a frame that is said to be of exabytes", func(n int) []byte {
			if n == 0 {
				return []byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
			}
			return bytes.Repeat([]byte{' '}, 1<<14)
		}, "longer than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			message := 300 * time.Millisecond
			if strings.Contains(c.says, "longer") {
				message = time.Minute // it is not the time that ends it
			}
			stream := dial(t, crude(t, message, c.pieces), testSymbol)
			_, err := untilLost(t, stream)
			if problem.CodeOf(err) != problem.CodeExchangeNonsense || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if size := cap(stream.(*conn).buffer); size > 4*maxFrame {
				t.Errorf("%d bytes are held for it", size)
			}
		})
	}
}

func TestHandshakeOfMegabytesIsGivenUp(t *testing.T) {
	t.Parallel()
	v := newVenue(t).start(false)
	v.fault = func(w http.ResponseWriter, _ *http.Request) {
		for i := range 64 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 4<<10))
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if _, err := v.adapter(nil).Dial(t.Context(), candle.Minute1, []string{testSymbol}); problem.CodeOf(err) != problem.CodeExchangeUnavailable || !strings.Contains(err.Error(), "exceeded") {
		t.Errorf("%v", err)
	}
}
