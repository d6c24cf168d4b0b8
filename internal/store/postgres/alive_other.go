//go:build !unix

package postgres

import "net"

// silent would tell whether a connection is open and nothing waits to be read; here it cannot be seen.
func silent(net.Conn) bool { return false }
