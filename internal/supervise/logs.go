package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	maxLog  = 16 << 20 // bytes after which a log is cut
	keepLog = 4 << 20  // bytes of its end that are kept beside it
)

// cutLog bounds a log that a process is writing: when it is longer than limit, its newest keep bytes
// go to path.1, in place of what was there, and it begins anew. The writer appends, so it goes on at
// the new end. Lines written between the copy and the cut are lost; the disk never holds more than
// limit and keep and what is written between two looks.
func cutLog(path string, limit, keep int64) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cut a log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("cut a log: %w", err)
	}
	if info.Size() <= limit {
		return nil
	}
	former, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cut a log: %w", err)
	}
	from := info.Size() - min(keep, info.Size())
	_, copied := io.Copy(former, io.NewSectionReader(file, from, keep))
	// A full disk must not keep the log from being cut: that is what gives room.
	if err := errors.Join(copied, former.Close(), file.Truncate(0)); err != nil {
		return fmt.Errorf("cut a log: %w", err)
	}
	return nil
}

// cutLogs bounds the logs of all collectors that are looked after.
func (a *Agent) cutLogs() {
	for _, x := range a.all() {
		if err := cutLog(a.LogPath(x.spec), maxLog, keepLog); err != nil {
			a.log.Warn("a collector's log could not be cut", "id", x.id, "error", err)
		}
	}
}
