package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"velador/internal/store"
)

// Survey is what a database file holds.
type Survey struct {
	Migrations []store.Migration
	Stock      store.Stock
}

// Look surveys a file that another process may be writing, and neither changes nor locks it: unlike
// Open it proves nothing by a write. A file that is missing is an error.
func Look(ctx context.Context, path string) (survey Survey, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return survey, unusable(path, "it names no file", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return survey, unusable(path, "it does not exist", err)
	}
	if err := checkPlace(path); err != nil {
		return survey, err
	}
	params := url.Values{"mode": {"ro"}, "_query_only": {"1"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		// Nobody has it open. SQLite would make the files of the write-ahead log all the same, and a
		// reader that may not write would leave them behind.
		params.Set("immutable", "1")
	}
	s := &Store{path: path}
	if s.reader, err = open(path, 1, params); err != nil {
		return survey, s.failure(ctx, "open the database", err)
	}
	defer func() { err = errors.Join(err, s.reader.Close()) }()
	if survey.Migrations, err = s.Migrations(ctx); err != nil {
		if primary(err) == codeNotADatabase {
			return survey, unusable(path, "it is no SQLite database", err)
		}
		return survey, err
	}
	for _, step := range survey.Migrations {
		if step.Applied.IsZero() {
			return survey, nil // what is counted may stand in tables that are not there yet
		}
	}
	survey.Stock, err = s.Stock(ctx)
	return survey, err
}
