package logfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// poll is how often a followed log is looked at. A log is for people: a notification by the kernel
// would be sooner than they can read, and needs a watch per file.
const poll = 200 * time.Millisecond

// Follow calls yield for the newest n lines of a log and then for each further one when it is
// complete, also over any number of files that are set aside and compressed meanwhile. It returns nil when
// ended says that nobody writes any more and everything was read, the error of yield, or ctx's. A log that is
// missing is waited for; a live file that was replaced or became shorter is read from its beginning. Lines are
// missed only when their file is removed, to keep within the caps, before it was looked at.
func Follow(ctx context.Context, path string, n int, ended func() bool, yield func(line string) error) error {
	f := follower{path: path, lines: bufio.NewReaderSize(nil, maxLine)}
	defer f.close()
	f.yield = func(line []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(clean(string(line))); err != nil {
			return yieldError{err}
		}
		return nil
	}
	err := f.run(ctx, n, ended)
	var ours yieldError
	switch {
	case errors.As(err, &ours):
		return ours.error
	case err == nil || errors.Is(err, ctx.Err()):
		return err
	}
	return fmt.Errorf("read a log: %w", err)
}

// yieldError is what yield gave, to be handed back as it was.
type yieldError struct{ error }

// follower is a reader on its way through the files of a log. It keeps the file it reads open, so that it
// may be renamed, compressed or removed meanwhile.
type follower struct {
	path  string
	lines *bufio.Reader
	yield func(line []byte) error

	file *os.File // nil before the first and after a packed one
	info fs.FileInfo
	at   int64 // up to where it was read
	// seen is a stamp: all up to it is the file or older than it.
	seen string
}

func (f *follower) run(ctx context.Context, n int, ended func() bool) error {
	if err := f.begin(n); err != nil {
		return err
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		over := ended() // asked first: what is written before the end is read after this
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			if more, err = f.further(); err != nil {
				return err
			}
		}
		if over {
			return f.drain(true)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// begin yields the newest lines.
func (f *follower) begin(n int) error {
	file, info, older, err := newest(f.path)
	if err != nil {
		return err
	}
	f.file, f.info = file, info
	if len(older) > 0 {
		f.seen = older[len(older)-1]
	}
	end, err := lookBack(f.path, file, older, n)
	if err != nil {
		return err
	}
	f.at = end.at
	lines := end.lines
	if end.open {
		lines = lines[:len(lines)-1] // it comes below
	}
	for _, line := range lines {
		if err := f.yield([]byte(line)); err != nil {
			return err
		}
	}
	return nil
}

// further reads what the file has, and then goes over to the next one; false when there is none.
func (f *follower) further() (bool, error) {
	if err := f.drain(false); err != nil {
		return false, err
	}
	if f.file != nil {
		info, err := os.Lstat(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err == nil && os.SameFile(info, f.info) {
			return false, nil
		}
	}
	stamp, err := f.next()
	if err != nil {
		return false, err
	}
	if stamp != "" {
		return true, f.enter(stamp)
	}
	file, info, err := openRegular(f.path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // the file may be put back, or a new one be on its way
	}
	if err != nil {
		return false, err
	}
	// Is it the very next, or was one set aside since we looked?
	if stamp, err = f.next(); err == nil && (stamp == "" || place(f.path, []string{stamp}, info) == 0) {
		return true, f.change(file, info)
	}
	file.Close()
	return err == nil, err
}

// next gives the stamp of the file that follows ours; "" when that is the live one.
func (f *follower) next() (string, error) {
	all, err := stamps(f.path)
	if err != nil {
		return "", err
	}
	for len(all) > 0 && all[0] <= f.seen {
		all = all[1:]
	}
	if f.file != nil {
		// What stands before it was not there when it was opened, and is older.
		all = all[place(f.path, all, f.info)+1:]
	}
	if len(all) == 0 {
		return "", nil
	}
	return all[0], nil
}

// enter goes over to a set-aside file; a packed one is read at once.
func (f *follower) enter(stamp string) error {
	a, err := openArchive(f.path, stamp)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was removed to keep within the caps
		err = f.change(nil, nil)
	case err != nil:
		return err
	case a.text == nil:
		err = f.change(a.file, a.info)
	default:
		defer a.file.Close()
		if err = f.change(nil, nil); err == nil {
			_, err = f.read(a.text, true)
		}
	}
	f.seen = stamp
	return err
}

// change reads the file to its very end and takes another.
func (f *follower) change(file *os.File, info fs.FileInfo) error {
	err := f.drain(true)
	f.close()
	f.file, f.info, f.at = file, info, 0
	return err
}

// drain yields what the file has got. A last line that is not complete waits for its rest, unless
// nobody writes to the file any more.
func (f *follower) drain(final bool) error {
	if f.file == nil {
		return nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < f.at {
		f.at = 0
	}
	n, err := f.read(io.NewSectionReader(f.file, f.at, info.Size()-f.at), final)
	f.at += n
	return err
}

// read yields the lines of a text, and says how many bytes they had.
func (f *follower) read(from io.Reader, final bool) (n int64, err error) {
	f.lines.Reset(from)
	for {
		line, err := f.lines.ReadSlice('\n')
		over := errors.Is(err, io.EOF)
		if err != nil && !over && !errors.Is(err, bufio.ErrBufferFull) { // a line that is too long is cut
			return n, err
		}
		if len(line) > 0 && (!over || final) {
			if err := f.yield(line); err != nil {
				return n, err
			}
			n += int64(len(line))
		}
		if over {
			return n, nil
		}
	}
}

func (f *follower) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
