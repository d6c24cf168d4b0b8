// Package postgres keeps candles, gaps and the registry in PostgreSQL.
//
// It works behind a pooler that hands out connections by transaction, such as pgbouncer: no
// statement is prepared by name, nothing is left behind in a session. Only migrations hold a
// session lock; they go past the pooler through Config.DirectURL.
//
// A Write is as durable as the server's synchronous_commit says: with its default, on, the batch
// is on disk when Write returns.
package postgres

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/problem"
	"velador/internal/store"
)

// connectTimeout bounds one attempt to connect where the URL has no connect_timeout: long enough
// for a database across an ocean, short enough for a person who waits.
const connectTimeout = 10 * time.Second

// defaultMaxConns serves the writer, the API's readers and the registry at once, and leaves most
// of PostgreSQL's default of 100 connections to others.
const defaultMaxConns = 10

// Config says which database, and how.
type Config struct {
	// URL is DATABASE_URL: postgres://user:password@host:port/database, or libpq's key=value form.
	// What it leaves out comes from the usual PG… environment and files, as libpq would take it.
	URL string
	// DirectURL is where migrations go, past a pooler; "" means URL.
	DirectURL string
	// Logger hears about migrations; nil is silent.
	Logger *slog.Logger
	// MaxConns bounds the pool; 0 means 10.
	MaxConns int
}

// Store is a PostgreSQL database behind store.Store.
type Store struct {
	gate   store.Gate
	pool   *pgxpool.Pool
	direct *pgx.ConnConfig // where migrations go
	logger *slog.Logger
	secret secret
}

var _ store.Store = (*Store)(nil)

// Open prepares a pool. It does not wait for the database: a server that starts before its
// database, or while that is away, works as soon as it comes; Ping tells. The error for a URL that
// cannot be read is problem.Invalid and does not repeat the URL.
func Open(ctx context.Context, config Config) (*Store, error) {
	pooled, err := parseURL("DATABASE_URL", config.URL)
	if err != nil {
		return nil, err
	}
	direct := pooled
	if config.DirectURL != "" {
		if direct, err = parseURL("DIRECT_DATABASE_URL", config.DirectURL); err != nil {
			return nil, err
		}
	}
	pooled.MaxConns = defaultMaxConns
	if config.MaxConns > 0 {
		pooled.MaxConns = int32(min(config.MaxConns, 10_000))
	}
	// A connection that died while it lay idle (the database was restarted) is seen by its closed
	// socket, without a round trip, and replaced before anyone uses it.
	pooled.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) {
		return alive(conn.PgConn()), nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pooled)
	if err != nil {
		return nil, invalidURL("DATABASE_URL", "it names a pool that cannot be made")
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Store{
		pool: pool, direct: direct.ConnConfig.Copy(), logger: logger,
		secret: secret{pooled.ConnConfig.Password, direct.ConnConfig.Password},
	}, nil
}

// parseURL reads a database URL that came from the variable name.
func parseURL(name, text string) (*pgxpool.Config, error) {
	if text == "" {
		return nil, invalidURL(name, "it is empty")
	}
	if scheme, rest, found := strings.Cut(text, "://"); found && !strings.Contains(scheme, "=") {
		if scheme != "postgres" && scheme != "postgresql" {
			return nil, invalidURL(name, "it does not begin with postgres://")
		}
		// An unescaped / ? or # in a password ends the host early and would make the rest of the
		// password the database's name, which messages show.
		if at := strings.IndexAny(rest, "/?#"); at >= 0 {
			if key, _, _ := strings.Cut(rest[at:], "="); strings.Contains(key, "@") {
				return nil, invalidURL(name, "its password holds / ? or #, which must be written %2F %3F %23")
			}
		}
		if u, err := url.Parse(text); err != nil {
			return nil, invalidURL(name, "it is no valid URL; signs like : / ? # @ % in the password must be percent-encoded")
		} else if !portsAreNumbers(u.Host) {
			return nil, invalidURL(name, "its port is no number between 1 and 65535")
		}
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, invalidURL(name, "one of its parts or parameters is not understood")
	}
	conn := config.ConnConfig
	// One round trip a query, nothing prepared by name: see the package comment.
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
		dialer := &net.Dialer{Timeout: connectTimeout}
		conn.DialFunc = dialer.DialContext
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "velador"
	}
	return config, nil
}

func portsAreNumbers(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		_, port, err := net.SplitHostPort(host)
		if err != nil {
			continue // no port, or something that pgx judges
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	return true
}

func invalidURL(name, detail string) error {
	return problem.New(problem.Invalid, problem.CodeInvalidParameter, nil,
		"{name} cannot be used: {detail}. It looks like postgres://user:password@localhost:5432/velador.",
		"name", name, "detail", detail)
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.withConn(ctx, "ping the database", func(conn *pgconn.PgConn) error {
		return conn.Ping(ctx)
	})
}

// Close waits for calls under way and closes every connection.
func (s *Store) Close() error {
	if s.gate.Shut() {
		s.pool.Close()
	}
	return nil
}

// withConn is borrow for a call of its own.
func (s *Store) withConn(ctx context.Context, action string, do func(*pgconn.PgConn) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	return s.borrow(ctx, action, do)
}

// borrow lends a connection of the pool to do, within the gate; action completes "cannot …" in the
// error. A connection that comes back inside a transaction is closed by the pool.
func (s *Store) borrow(ctx context.Context, action string, do func(*pgconn.PgConn) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return s.failure(ctx, action, err)
	}
	defer conn.Release()
	return s.failure(ctx, action, do(conn.Conn().PgConn()))
}

// acquire takes a connection out of the pool.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, &noConnectionError{err}
	}
	return conn, nil
}
