package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// lookEvery is how long a log that somebody else renamed or removed may stay unseen.
	lookEvery = time.Second
	// retryAfter is how long a rotation that failed is not tried again.
	retryAfter = 5 * time.Second
	// patience is how many sizes a live file may have while it cannot be set aside; what passes that
	// is lost. It stays below the file size limit that the agent gives its collectors.
	patience = 2
)

// Rotating is the log of the process that writes it. When the next line would make the file longer
// than its size, the file is set aside and a new one begun. It is safe for concurrent use.
//
// Each Write is one record of whole lines, as log/slog does it: a record is never split over two
// files, gets an end of line if it lacks one, and is cut when it alone is longer than a file may be.
//
// Write does not fail and waits for nothing but the file system, because work must not end for the
// sake of its log:
//   - where the file cannot be set aside or a new one not opened (a read-only directory, no file
//     descriptors left), it writes on to the old one and tries again after 5 s; beyond twice the
//     size, lines are lost;
//   - a line that cannot be written (a full disk) is lost; the next one that can be is preceded by a
//     record that says how many were, and Close says it too;
//   - a file that somebody else renamed or removed is begun anew, within a second of the next line.
//
// There is no buffer: what was written survives the death of the process, though not that of the machine.
type Rotating struct {
	path     string
	size     int64
	standard []int

	mu      sync.Mutex
	file    *os.File    // nil when closed
	info    fs.FileInfo // tells which file it is
	used    int64       // its bytes
	torn    bool        // it ends within a line
	astray  bool        // a standard descriptor is not it
	looked  time.Time   // when path was last compared with file
	failed  time.Time   // when a rotation last failed; zero after one that did not
	stuck   error       // why it failed
	scanned bool        // newest is known
	newest  string      // stamp of the log's newest set-aside file
	lost    int         // lines since the last one that was written
	why     error       // of the last lost one
}

var (
	errLong = errors.New("the log is as long as it may be")
	errSize = errors.New("a log needs a size above zero")
)

// OpenRotating opens the log at path to append to it, and makes the given descriptors (1 and 2: standard
// output and standard error) descriptors of it too, now and after each rotation, so that what the Go runtime
// says of a panic stands in the newest file. size is in bytes. A symbolic link is not followed. An
// error leaves the descriptors as they may be and nothing open.
func OpenRotating(path string, size int64, standard ...int) (*Rotating, error) {
	if size <= 0 {
		return nil, fmt.Errorf("open the log %s: %w", path, errSize)
	}
	r := &Rotating{path: path, size: size, standard: standard}
	err := r.open(time.Now())
	if err == nil && r.astray {
		err = r.point()
	}
	if err != nil {
		r.file.Close() // if there is one
		return nil, fmt.Errorf("open the log %s: %w", path, err)
	}
	return r, nil
}

// Write appends a record. It says that all was written even when it was lost; only after Close it
// gives os.ErrClosed.
func (r *Rotating) Write(record []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return 0, os.ErrClosed
	}
	if len(record) > 0 {
		r.put(r.whole(record))
	}
	return len(record), nil
}

// Close closes the log; the standard descriptors stay. The error tells of lines that were lost and
// about which the log says nothing yet.
func (r *Rotating) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return os.ErrClosed
	}
	if r.lost > 0 {
		r.append(nil)
	}
	err := r.file.Close()
	r.file = nil
	if r.lost > 0 {
		err = errors.Join(fmt.Errorf("%d lines of the log %s were lost: %w", r.lost, r.path, r.why), err)
	}
	return err
}

// whole makes a record lines that fit into one file.
func (r *Rotating) whole(record []byte) []byte {
	if int64(len(record)) > r.size {
		record = record[:r.size-1]
	}
	if len(record) > 0 && record[len(record)-1] == '\n' {
		return record
	}
	return append(bytes.Clone(record), '\n')
}

// put writes whole lines to the live file, or loses them.
func (r *Rotating) put(lines []byte) {
	now, length := time.Now(), int64(len(lines))
	if now.Sub(r.looked) >= lookEvery {
		r.look(now)
	}
	// Twice, because somebody else may have begun a file that is full already.
	for range 2 {
		if r.used > 0 && r.used+length > r.size && r.mayTry(now) {
			r.rotate(now)
		}
	}
	if r.used > 0 && r.used+length > patience*r.size {
		why := r.stuck
		if why == nil {
			why = errLong
		}
		r.lose(lines, why)
		return
	}
	r.append(lines)
}

// append writes lines, and before them what has to be said first.
func (r *Rotating) append(lines []byte) {
	text, preface := lines, 0
	if r.torn || r.lost > 0 {
		var first bytes.Buffer
		if r.torn {
			first.WriteByte('\n')
		}
		if r.lost > 0 {
			sayLost(&first, r.lost, r.why, bytes.HasPrefix(lines, []byte{'{'}))
		}
		preface = first.Len()
		text = append(first.Bytes(), lines...)
	}
	n, err := r.file.Write(text)
	if n > 0 {
		r.used += int64(n)
		r.torn = text[n-1] != '\n'
	}
	if n >= preface {
		r.lost = 0
	}
	if err != nil && len(lines) > 0 {
		r.lose(lines, err)
	}
}

// sayLost writes a record as the handlers of log/slog write theirs.
func sayLost(to *bytes.Buffer, lines int, why error, asJSON bool) {
	var handler slog.Handler = slog.NewTextHandler(to, nil)
	if asJSON {
		handler = slog.NewJSONHandler(to, nil)
	}
	slog.New(handler).Warn("lines of this log were lost", "lines", lines, "error", why)
}

func (r *Rotating) lose(lines []byte, why error) {
	r.lost += bytes.Count(lines, []byte{'\n'})
	r.why = why
}

// look notices what others did to the file.
func (r *Rotating) look(now time.Time) {
	r.looked = now
	if r.astray {
		r.astray = r.point() != nil
	}
	info, err := os.Lstat(r.path)
	switch {
	case err == nil && os.SameFile(info, r.info):
		r.used = info.Size() // others may write to it: the standard descriptors
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if r.mayTry(now) {
			r.stick(now, r.open(now))
		}
	}
}

// mayTry says whether enough time has passed since a rotation failed.
func (r *Rotating) mayTry(now time.Time) bool {
	return r.failed.IsZero() || now.Sub(r.failed) >= retryAfter
}

// stick notes how an attempt to go over to another file ended.
func (r *Rotating) stick(now time.Time, err error) {
	r.stuck, r.failed = err, time.Time{}
	if err != nil {
		r.failed = now
	}
}

// rotate sets the live file aside and begins a new one. What fails leaves the old one in its place.
func (r *Rotating) rotate(now time.Time) {
	info, err := os.Lstat(r.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, r.info) {
		r.stick(now, r.open(now)) // it is aside already
		return
	}
	if err == nil && !r.scanned {
		r.newest, err = newestStamp(r.path)
		r.scanned = err == nil
	}
	if err != nil {
		r.stick(now, err)
		return
	}
	stamp, err := setAside(r.path, r.newest, now)
	if err != nil {
		r.stick(now, err)
		return
	}
	r.newest = stamp
	if err = r.open(now); err != nil {
		// Where this fails too, we write on under the new name until the path can be opened.
		err = errors.Join(err, renameFresh(r.path+"."+stamp, r.path))
	}
	r.stick(now, err)
}

// open goes over to the file at path, which it makes if it is missing. An error changes nothing.
func (r *Rotating) open(now time.Time) error {
	file, info, err := openRegular(r.path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	var last [1]byte
	if info.Size() > 0 {
		if _, err := file.ReadAt(last[:], info.Size()-1); err != nil {
			file.Close()
			return err
		}
	}
	r.file.Close() // if there is one; what was written is the kernel's already
	r.file, r.info, r.used, r.looked = file, info, info.Size(), now
	r.torn = info.Size() > 0 && last[0] != '\n'
	r.astray = r.point() != nil
	return nil
}

// point makes the standard descriptors those of the file.
func (r *Rotating) point() error {
	if len(r.standard) == 0 {
		return nil
	}
	raw, err := r.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for _, standard := range r.standard {
			if err := dupOnto(int(fd), standard); err != nil {
				failed = fmt.Errorf("make descriptor %d one of the log: %w", standard, err)
			}
		}
	})
	return errors.Join(err, failed)
}

// persist repeats a call that a signal or another thread's opening interrupted.
func persist(call func() error) error {
	var err error
	for range 100 {
		if err = call(); !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.EBUSY) {
			break
		}
	}
	return err
}
