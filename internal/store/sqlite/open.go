// Package sqlite keeps candles, gaps and the registry in one SQLite file, with a driver in pure
// Go: the database of a velador that was given none.
//
// One connection writes, several read beside it (write-ahead log). A Write is on disk when it
// returns (synchronous=FULL): neither a killed process nor a power cut takes it back. With
// synchronous=NORMAL a power cut could have taken back the last transactions, whose candles were
// acknowledged on the bus and would be asked for again only when their collector starts anew. The
// price, measured with bench/store_test.go on one disk: 0.4 ms instead of 0.05 ms for a
// transaction of one candle (3 ms while the disk is busy), a tenth of the speed in batches of 1,000.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"velador/internal/problem"
	"velador/internal/store"
)

// readers bounds the connections that read at once; each has a page cache of its own.
const readers = 4

// Config says which file.
type Config struct {
	// Path is the database file; it is made when it is missing, its directory is not.
	Path string
	// Logger hears about migrations; nil is silent.
	Logger *slog.Logger
}

// Store is an SQLite database behind store.Store.
type Store struct {
	gate   store.Gate
	path   string
	writer *sql.DB // one connection: SQLite has one writer at a time
	reader *sql.DB // refuses to write
	logger *slog.Logger

	changes group // of the registry, lives and leases
}

var _ store.Store = (*Store)(nil)

// Open opens the file for reading and writing, and refuses one that cannot be written.
func Open(ctx context.Context, config Config) (*Store, error) {
	path, err := filepath.Abs(config.Path)
	if config.Path == "" || err != nil {
		return nil, unusable(config.Path, "it names no file", err)
	}
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: path, logger: logger}
	if s.writer, err = open(path, 1, url.Values{
		"_txlock": {"immediate"}, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_foreign_keys": {"1"},
		// Large batches go through the log and come back to the file in larger steps than the
		// default of 4 MiB; a log that grew is cut.
		"_pragma": {"cache_size(-16384)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)", "temp_store(MEMORY)"},
	}); err != nil {
		return nil, s.failure(ctx, "open the database", err)
	}
	if err := s.proveWritable(ctx); err != nil {
		return nil, errors.Join(err, s.writer.Close())
	}
	s.changes.writer = s.writer
	if s.reader, err = open(path, readers, url.Values{"_query_only": {"1"}, "_foreign_keys": {"1"}}); err != nil {
		return nil, errors.Join(s.failure(ctx, "open the database", err), s.writer.Close())
	}
	return s, nil
}

func open(path string, conns int, params url.Values) (*sql.DB, error) {
	// Another process, such as "velador db", may hold the write lock for a moment.
	params.Set("_busy_timeout", "10000")
	params.Set("_dqs", "0")
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: params.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// checkPlace says in words what SQLite would call "unable to open database file".
func checkPlace(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return unusable(path, "it is a directory", nil)
	}
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unusable(path, "its directory does not exist", nil)
	case err != nil:
		return unusable(path, "its directory cannot be read", err)
	case !info.IsDir():
		return unusable(path, "it lies in something that is no directory", nil)
	}
	return nil
}

// proveWritable begins a write and takes it back.
func (s *Store) proveWritable(ctx context.Context) error {
	err := func() error {
		tx, err := s.writer.BeginTx(ctx, nil) // immediate: it takes the write lock
		if err != nil {
			return err
		}
		var mode string
		err = tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
		if err == nil && mode != "wal" {
			err = fmt.Errorf("the file system allows no write-ahead log (journal mode %s)", mode)
		}
		return errors.Join(err, tx.Rollback())
	}()
	switch primary(err) {
	case codeReadOnly, codeCantOpen, codePerm:
		return unusable(s.path, "it, or its directory, is not writable for this user", err)
	case codeNotADatabase:
		return unusable(s.path, "it is no SQLite database", err)
	}
	return s.failure(ctx, "open the database", err)
}

func unusable(path, detail string, cause error) error {
	return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, cause,
		"The database file {path} cannot be used: {detail}. Correct that, or set VELADOR_DATA_DIR to another directory.",
		"path", path, "detail", detail)
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.call(ctx, "ping the database", func() error {
		var one int
		return s.reader.QueryRowContext(ctx, "SELECT 1 FROM sqlite_schema UNION SELECT 1").Scan(&one)
	})
}

// Close waits for calls under way and closes the file.
func (s *Store) Close() error {
	if !s.gate.Shut() {
		return nil
	}
	s.changes.wait()
	// The writer last: the last connection folds the log into the file.
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// call runs do within the gate and with our errors; action completes "cannot …" in them.
func (s *Store) call(ctx context.Context, action string, do func() error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	return s.failure(ctx, action, do())
}
