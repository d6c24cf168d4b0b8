package cli

import (
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// dataDir is a data directory that this process owns until close.
type dataDir struct {
	path string
	lock *flock.Flock
}

// openDataDir makes the directory where it is missing and locks it: two veladores on one directory
// would run every collector twice.
func openDataDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, usagef("data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, usagef("the data directory cannot be made: %w; --data-dir or VELADOR_DATA_DIR chooses another one", err)
	}
	lock := flock.New(filepath.Join(path, "velador.lock"))
	locked, err := lock.TryLock()
	switch {
	case err != nil:
		return nil, usagef("the data directory %s is not writable: %w; --data-dir or VELADOR_DATA_DIR chooses another one", path, err)
	case !locked:
		return nil, usagef("the data directory %s is in use by another velador: stop that one, or choose another directory by --data-dir or VELADOR_DATA_DIR", path)
	}
	return &dataDir{path: path, lock: lock}, nil
}

// join gives a path below the directory.
func (d *dataDir) join(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

func (d *dataDir) close() error { return d.lock.Unlock() }
