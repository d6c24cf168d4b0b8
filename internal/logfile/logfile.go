// Package logfile reads the end of a log that another process is writing, and follows it. What it
// reads is bounded: a line that never ends is cut, and a log of gigabytes costs its last megabyte.
package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	maxTail = 1 << 20  // bytes of the end that Tail looks at
	maxLine = 64 << 10 // bytes after which a line is cut
	// poll is how often a followed file is looked at. A log is for people: a notification by the
	// kernel would be sooner than they can read, and needs a watch per file.
	poll = 200 * time.Millisecond
)

// Tail gives the newest lines of a file, at most n, oldest first, without their ends. Of a last line
// that is still being written it gives what there is. A missing file has no lines.
func Tail(path string, n int) ([]string, error) {
	lines, _, err := tail(path, n)
	return lines, err
}

// tail also tells where in the file the complete lines end.
func tail(path string, n int) (lines []string, end int64, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read a log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read a log: %w", err)
	}
	from := max(0, info.Size()-maxTail)
	text, err := io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
	if err != nil {
		return nil, 0, fmt.Errorf("read a log: %w", err)
	}
	end = from + int64(bytes.LastIndexByte(text, '\n')+1)
	if from > 0 {
		// The first line is the rest of one.
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	for line := range strings.Lines(string(text)) {
		lines = append(lines, clean(line))
	}
	return lines[max(0, len(lines)-n):], end, nil
}

// Follow calls yield for the newest n lines of a file and then for each further one when it is
// complete. It returns nil when ended says that nobody writes any more and everything was read, the
// error of yield, or ctx's. A file that is missing is waited for; one that was replaced or became
// shorter is read from its beginning.
func Follow(ctx context.Context, path string, n int, ended func() bool, yield func(line string) error) error {
	lines, end, err := tail(path, n)
	if err != nil {
		return err
	}
	before, _ := os.Stat(path) // nil when it is missing
	for i, line := range lines {
		if i == len(lines)-1 && before != nil && end < before.Size() {
			break // it is not complete yet and comes below
		}
		if err := yield(line); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		over := ended() // asked first: what is written before the end is read after this
		if end, before, err = further(path, end, before, yield); err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// further yields the complete lines behind position end, and gives the new position.
func further(path string, end int64, before fs.FileInfo, yield func(string) error) (int64, fs.FileInfo, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return end, before, nil
	}
	if err != nil {
		return end, before, fmt.Errorf("read a log: %w", err)
	}
	defer file.Close()
	now, err := file.Stat()
	if err != nil {
		return end, before, fmt.Errorf("read a log: %w", err)
	}
	if before == nil || !os.SameFile(before, now) || now.Size() < end {
		end = 0
	}
	for end < now.Size() {
		block, err := io.ReadAll(io.NewSectionReader(file, end, min(maxLine, now.Size()-end)))
		if err != nil {
			return end, now, fmt.Errorf("read a log: %w", err)
		}
		complete := bytes.LastIndexByte(block, '\n') + 1
		if complete == 0 {
			if len(block) < maxLine {
				break // the rest of this line is still to come
			}
			complete = len(block) // it is cut here
		}
		for line := range strings.Lines(string(block[:complete])) {
			if err := yield(clean(line)); err != nil {
				return end, now, err
			}
		}
		end += int64(complete)
	}
	return end, now, nil
}

// clean cuts a line's end and what is too long of it, and makes it UTF-8.
func clean(line string) string {
	line = strings.TrimRight(line, "\r\n")
	return strings.ToValidUTF8(line[:min(len(line), maxLine)], "�")
}
