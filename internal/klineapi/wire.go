package klineapi

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// wireBuffer is how much a connection gathers before it writes to the network.
const wireBuffer = 32 << 10

// wire gathers the frames of a burst into few network writes. Only the connection's writer uses its
// writing side, so it needs no lock.
type wire struct {
	net.Conn
	timeout time.Duration // for a write to make headway (SIM-W20)
	buffer  []byte
}

func (w *wire) Write(p []byte) (int, error) {
	if len(w.buffer)+len(p) > wireBuffer {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > wireBuffer {
		return w.write(p)
	}
	w.buffer = append(w.buffer, p...)
	return len(p), nil
}

// flush sends what was gathered. The buffer is given back, so that idle connections hold none.
func (w *wire) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.write(w.buffer)
	if w.buffer = w.buffer[:0]; cap(w.buffer) > 4<<10 {
		w.buffer = nil
	}
	return err
}

func (w *wire) write(p []byte) (int, error) {
	if err := w.Conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// SetWriteDeadline does nothing: write sets its own.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// closeWrite tells the peer that nothing more comes, so that it reads what is under way before the
// connection ends.
func (w *wire) closeWrite() {
	if half, able := w.Conn.(interface{ CloseWrite() error }); able {
		_ = half.CloseWrite() // the connection is closed soon anyway
	}
}

// reset ends a connection with a TCP reset.
func reset(c net.Conn) {
	raw := c
	if w, wrapped := raw.(*wire); wrapped {
		raw = w.Conn
	}
	if secure, wrapped := raw.(*tls.Conn); wrapped {
		raw = secure.NetConn()
	}
	if tcp, plain := raw.(*net.TCPConn); plain {
		_ = tcp.SetLinger(0) // without it the connection merely closes
	}
	raw.Close()
}

// wireTap makes the connection that an upgrade takes over a wire.
type wireTap struct {
	http.ResponseWriter
	timeout time.Duration
	wire    *wire
}

// Hijack takes the connection over.
func (t *wireTap) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.wire = &wire{Conn: c, timeout: t.timeout}
	return t.wire, rw, nil
}
