package supervise

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"

	"velador/internal/collector"
)

// lockSuffix ends the name of every lock file.
const lockSuffix = ".lock"

// fileName names the files of all collectors with the spec's key, whatever row they belong to: the
// lock keeps a second one away even when the database is new, and the log goes on.
func fileName(spec collector.Spec) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, spec.Key())
	// Upper and lower case are not told apart by every file system (1m, 1M), and a selector may be
	// longer than a name.
	sum := sha256.Sum256([]byte(spec.Key()))
	return readable[:min(len(readable), 80)] + "-" + hex.EncodeToString(sum[:6])
}

func (a *Agent) lockPath(spec collector.Spec) string {
	return filepath.Join(a.cfg.Dir, fileName(spec)+lockSuffix)
}

// LogPath is the file to which the collectors of a spec write, on this machine. It may be missing.
func (a *Agent) LogPath(spec collector.Spec) string {
	return filepath.Join(a.cfg.Dir, fileName(spec)+".log")
}
