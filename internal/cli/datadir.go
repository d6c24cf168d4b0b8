package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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

// installation gives the name of this machine, and that of velador on it and on this data directory.
func (d *dataDir) installation() (host, instance string, err error) {
	if host, err = os.Hostname(); err != nil {
		return "", "", err
	}
	instance, err = d.instance(host)
	return host, instance, err
}

// instance names this installation: the machine, the data directory, and a random number that lives
// in the directory (SUPERVISION.md rule 2). Containers often have the same host name and the same
// path; a new one without the old one's volume is another installation all the same. It is a word
// that a subject of the bus may hold.
func (d *dataDir) instance(host string) (string, error) {
	path := d.join("instance")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		text = []byte(rand.Text() + "\n")
		err = writeWhole(path, text)
	}
	if err != nil {
		return "", usagef("the data directory %s cannot be used: %w; --data-dir or VELADOR_DATA_DIR chooses another one", d.path, err)
	}
	sum := sha256.Sum256([]byte(host + "\x00" + d.path + "\x00" + strings.TrimSpace(string(text))))
	return hex.EncodeToString(sum[:8]), nil
}

// writeWhole writes a small file so that a crash leaves all of it or nothing.
func writeWhole(path string, text []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // the cause is told
		}
	}()
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
