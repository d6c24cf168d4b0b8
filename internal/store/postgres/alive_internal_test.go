//go:build unix

package postgres

import (
	"crypto/tls"
	"net"
	"testing"
)

func TestAConnectionIsSilentUntilSomethingComesOrItEnds(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	pair := func() (near, far net.Conn) {
		t.Helper()
		near, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if far, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
		return near, far
	}
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{ServerName: "localhost"}) },
	} {
		near, far := pair()
		conn := wrap(near)
		if !silent(conn) {
			t.Errorf("%s: an idle connection is not silent", name)
		}
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		for silent(conn) { // until it has arrived
		}
		var one [1]byte
		if n, err := near.Read(one[:]); n != 1 || err != nil || one[0] != 'x' {
			t.Errorf("%s: what came was taken away: %q, %v", name, one[:n], err)
		}
		if !silent(conn) {
			t.Errorf("%s: it is not silent again", name)
		}
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		for silent(conn) { // until its end has arrived
		}
		if err := near.Close(); err != nil {
			t.Fatal(err)
		}
		if silent(conn) {
			t.Errorf("%s: a closed connection is silent", name)
		}
	}
	inMemory, other := net.Pipe()
	defer inMemory.Close()
	defer other.Close()
	if silent(inMemory) {
		t.Error("a connection without a socket cannot be seen, and is silent")
	}
}
