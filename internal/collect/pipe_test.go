package collect_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
)

// host is a network of pipes with one server in it. Nothing of it leaves the process, so time in a
// synctest bubble goes on by itself while all wait for each other.
type host struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// serve answers at the host until the test ends, and gives a client whose every address is the host.
func serve(t *testing.T, handler http.Handler) *http.Client {
	h := &host{calls: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(h) // until it is closed
	}()
	client := &http.Client{Transport: &http.Transport{DialContext: h.dial, MaxIdleConnsPerHost: 1}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Close()
		<-ended
	})
	return client
}

func (h *host) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case h.calls <- far:
		return near, nil
	case <-h.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.calls:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (*host) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
