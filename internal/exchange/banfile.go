package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"velador/internal/candle"
)

// maxBanFile bounds the file, in bytes: it holds one ban and the times of some hundred attempts.
const maxBanFile = 64 << 10

// memory is what must outlive a process that talks to a venue: the ban above all, so that nobody asks
// while it runs, and what would otherwise have to be learnt by overspending. It is one small file for
// each venue, in which times are milliseconds since 1970.
type memory struct {
	Status      int     `json:"ban_status,omitempty"`
	BannedUntil int64   `json:"banned_until,omitempty"`
	Limit       int     `json:"weight_limit,omitempty"`
	Window      int64   `json:"weight_window,omitempty"`
	Attempts    []int64 `json:"connection_attempts,omitempty"`
}

// ban gives the ban, if it still runs.
func (m memory) ban(exchange string, now time.Time) (ban BanError, ok bool) {
	ban = BanError{Exchange: exchange, Status: m.Status, Until: time.UnixMilli(m.BannedUntil)}
	if latest := now.Add(maxRetryAfter); ban.Until.After(latest) {
		ban.Until = latest
	}
	return ban, m.BannedUntil > 0 && now.Before(ban.Until)
}

// remember puts a ban down, unless a longer one is there; false means that nothing has changed.
// Milliseconds are rounded up: to ask early is worse than late.
func (m *memory) remember(ban BanError) bool {
	until := ban.Until.Add(time.Millisecond - 1).UnixMilli()
	if until <= m.BannedUntil {
		return false
	}
	m.Status, m.BannedUntil = ban.Status, until
	return true
}

// current drops what is over.
func (m memory) current(now time.Time) memory {
	if _, running := m.ban("", now); !running {
		m.Status, m.BannedUntil = 0, 0
	}
	return m
}

// limits gives the limit that the venue named; zeros when it is not known.
func (m memory) limits() (weight int, window time.Duration) {
	return m.Limit, time.Duration(m.Window) * time.Millisecond
}

// parseMemory reads the content of a file. What makes no sense is an error.
func parseMemory(content []byte) (memory, error) {
	var m memory
	if err := json.Unmarshal(content, &m); err != nil {
		return memory{}, err
	}
	switch {
	case m.BannedUntil < 0 || m.BannedUntil > int64(candle.MaxMillis):
		return memory{}, fmt.Errorf("a ban until %d", m.BannedUntil)
	case !validLimit(m.Limit, m.Window):
		return memory{}, fmt.Errorf("a limit of %d in %d ms", m.Limit, m.Window)
	case len(m.Attempts) > maxAttempts:
		return memory{}, fmt.Errorf("%d connection attempts", len(m.Attempts))
	}
	for _, at := range m.Attempts {
		if at < 0 || at > int64(candle.MaxMillis) {
			return memory{}, fmt.Errorf("a connection attempt at %d", at)
		}
	}
	return m, nil
}

// maxAttempts is how many connection attempts a file may hold.
const maxAttempts = 3000

// readMemory reads a file; one that is missing holds nothing, and that is no error.
func readMemory(path string) (memory, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxBanFile+1))
	if err != nil {
		return memory{}, err
	}
	if len(content) > maxBanFile {
		return memory{}, fmt.Errorf("%s is longer than %d bytes", path, maxBanFile)
	}
	m, err := parseMemory(content)
	if err != nil {
		return memory{}, fmt.Errorf("%s makes no sense: %w", path, err)
	}
	return m, nil
}

// write replaces a file so that a reader, and whoever comes after a crash, sees all of it or what was
// there before.
func (m memory) write(path string) (err error) {
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(append(content, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// keepBan puts a ban into a file that others write as well. A file that is damaged is replaced.
func keepBan(path string, ban BanError, now time.Time) error {
	m, err := readMemory(path)
	if err != nil {
		m = memory{}
	}
	if !m.remember(ban) {
		return nil
	}
	return m.current(now).write(path)
}
