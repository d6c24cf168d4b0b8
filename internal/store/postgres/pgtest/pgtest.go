// Package pgtest runs a real PostgreSQL for tests, from the binaries that are installed: one server
// per test binary, a fresh database per test, and servers of their own for tests that break things.
//
// A test binary that uses it ends with Main (or Exit, together with goleak):
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// A server never outlives its test binary, however that ends: a small shell is its parent, and
// stops it when the pipe from the test binary closes.
package pgtest

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the one server of a test binary. It is the only package state: a test binary has one
// TestMain and many tests, which share nothing else.
var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Main runs the tests of a binary, stops the shared server and exits.
func Main(m *testing.M) { Exit(m.Run()) }

// Exit stops the shared server and ends the process with code. It serves goleak.Cleanup:
//
//	goleak.VerifyTestMain(m, goleak.Cleanup(pgtest.Exit))
func Exit(code int) {
	shared.Lock()
	if shared.server != nil {
		if err := shared.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Database gives the URL of a fresh, empty database on the shared server. That does not wait for
// the disk, so it says nothing about durability or speed. Without PostgreSQL installed the test is skipped, or fails under CI_REQUIRE=1.
func Database(t testing.TB) string {
	t.Helper()
	return sharedServer(t).Database(t)
}

// Start runs a server of the test's own, stopped when the test ends.
func Start(t testing.TB, config Config) *Server {
	t.Helper()
	bin := binaries(t)
	s, err := start(bin, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sharedServer(t testing.TB) *Server {
	t.Helper()
	bin := binaries(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start(bin, Config{})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// binaries finds the directory of initdb and postgres, or ends the test.
func binaries(t testing.TB) string {
	t.Helper()
	bin, err := findBinaries()
	switch {
	case err == nil:
		return bin
	case os.Getenv("CI_REQUIRE") == "1":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return ""
}
