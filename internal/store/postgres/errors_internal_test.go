package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"velador/internal/problem"
)

// The states that a test cannot bring about: a full disk, a server without memory.
func TestStatesOfADatabaseInTroubleAreUnavailable(t *testing.T) {
	t.Parallel()
	s := &Store{secret: secret{"hunter2"}}
	for state, word := range map[string]string{
		"53100": "disk", "53200": "memory", "53300": "connections", "25006": "writes", "57P01": "starting", "57P03": "starting",
		"08006": "connection", "58030": "log", "28P01": "password", "28000": "password", "3D000": "does not exist", "42501": "may not", "42P01": "velador db migrate", "57014": "statement_timeout", "55P03": "pg_locks", "40001": "pg_locks", "40P01": "pg_locks",
	} {
		err := s.failure(t.Context(), "test", &pgconn.PgError{Code: state, Message: "no, hunter2"})
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Unavailable || p.Code != problem.CodeDatabaseUnavailable || !strings.Contains(p.Text, word) {
			t.Errorf("%s: %v", state, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s shows the password: %v", state, err)
		}
	}
	for _, state := range []string{"22P02", "23502", "42601", "XX000", ""} {
		if err := s.failure(t.Context(), "test", &pgconn.PgError{Code: state}); problem.KindOf(err) != problem.Internal {
			t.Errorf("%q: %v", state, err)
		}
	}
}
