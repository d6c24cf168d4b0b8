package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/problem"
)

// SQLSTATEs that mean something to us (PostgreSQL manual, appendix A).
const (
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
	undefinedColumn      = "42703"
	insufficientRights   = "42501"
	unknownDatabase      = "3D000"
	diskFull             = "53100"
	tooManyConnections   = "53300"
	queryCanceled        = "57014"
	lockNotAvailable     = "55P03"
)

// failure makes of a driver's error what the contract asks for. A cancelled context stays what it
// is; a deadline that passed means that the database did not answer in time.
func (s *Store) failure(ctx context.Context, action string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("cannot %s: %w", action, ctx.Err())
	}
	if text := advice(ctx, err); text != "" {
		return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, s.secret.hide(fmt.Errorf("cannot %s: %w", action, err)), text)
	}
	return s.secret.hide(fmt.Errorf("cannot %s: %w", action, err))
}

// advice gives the sentence for an error that means that the database cannot serve us now, or "".
func advice(ctx context.Context, err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return adviceFor(answer)
	}
	var network net.Error
	var connect *pgconn.ConnectError
	var none *noConnectionError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "The database does not answer in time: see whether PostgreSQL is overloaded or stuck, and whether the network to it is sound."
	case errors.As(err, &connect):
		return "The database cannot be reached: start PostgreSQL, or correct the host and port in DATABASE_URL."
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, pgconn.ErrConnClosed), errors.As(err, &none):
		return "The connection to the database was lost: it is opened again with the next call; if this goes on, see whether PostgreSQL runs."
	}
	return ""
}

// adviceFor reads what the database itself answered.
func adviceFor(answer *pgconn.PgError) string {
	switch answer.Code {
	case unknownDatabase:
		return "The database that DATABASE_URL names does not exist: create it (createdb), or correct the name."
	case readOnlyTransaction:
		return "The database accepts no writes: DATABASE_URL leads to a standby or a read-only database; give the address of the primary."
	case diskFull:
		return "The disk of the database is full: make room on it; candles wait until then."
	case tooManyConnections:
		return "The database accepts no more connections: raise max_connections, or put a pooler such as pgbouncer before it."
	case insufficientRights:
		return "The user in DATABASE_URL may not do this in the database: grant the rights, or use the tables' owner."
	case undefinedTable, undefinedColumn:
		return "The database lacks velador's tables, or has them from another version: run \"velador db migrate\"."
	case lockNotAvailable, serializationFailure, deadlockDetected:
		return "Somebody else holds what velador wants to write in the database, or is in its way again and again: see pg_locks and pg_stat_activity for who it is."
	case queryCanceled:
		return "The database gave the query up: raise its statement_timeout, or see why it is slow."
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case "28": // invalid authorization
		return "The database refuses the user or the password in DATABASE_URL: correct them, or pg_hba.conf."
	case "08", "57", "58": // connection exception, operator intervention (shutdown, starting up), system error
		return "The database is starting, stopping or has lost a connection: it is tried again with the next call; if this goes on, see its log."
	case "53": // insufficient resources
		return "The database has run out of memory or another resource: see its log."
	}
	return ""
}

// noConnectionError says that the pool had no working connection to give, whatever its reason.
type noConnectionError struct{ err error }

func (e *noConnectionError) Error() string { return e.err.Error() }

func (e *noConnectionError) Unwrap() error { return e.err }

// code gives the SQLSTATE in err's chain, or "".
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// secret is the passwords that no message may show.
type secret []string

// hide gives err a text without the passwords, should a driver or a server ever repeat one.
func (s secret) hide(err error) error {
	text := err.Error()
	for _, password := range s {
		if password != "" {
			text = strings.ReplaceAll(text, password, "********")
		}
	}
	if text == err.Error() {
		return err
	}
	return &hidden{text: text, err: err}
}

type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }

func (h *hidden) Unwrap() error { return h.err }
