package postgres

import (
	"github.com/jackc/pgx/v5/pgconn"
)

// alive tells whether a connection that lay idle still stands, as far as this machine knows: one that
// the server closed is not. It costs no round trip.
func alive(conn *pgconn.PgConn) bool {
	if silent(conn.Conn()) {
		return true
	}
	// Something has come, mostly the server's farewell; or it cannot be seen without waiting. This
	// waits for a millisecond.
	//nolint:staticcheck // Deprecated for Ping, whose round trip is what this saves; what it cannot see, the call itself does.
	return conn.CheckConn() == nil
}
