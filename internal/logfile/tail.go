package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const (
	maxTail = 1 << 20  // bytes of the end that Tail looks at
	maxLine = 64 << 10 // bytes after which a line is cut
	// maxUnpacked is how many bytes Tail unpacks to reach the ends of packed files.
	maxUnpacked = 64 << 20
	// maxArchives is how many set-aside files Tail looks into: a crash on every start leaves small ones.
	maxArchives = 64
	firstBlock  = 64 << 10 // of the end; more is read when that has too few lines
)

// Tail gives the newest lines of a log, at most n, oldest first, without their ends. It goes back over
// what was set aside, as far as its bounds and the first file that cannot be read. Of a last line that is still
// being written it gives what there is. A missing log has no lines.
func Tail(path string, n int) ([]string, error) {
	file, _, older, err := newest(path)
	if err == nil {
		if file != nil {
			defer file.Close()
		}
		var end ending
		if end, err = lookBack(path, file, older, n); err == nil {
			return end.lines, nil
		}
	}
	return nil, fmt.Errorf("read a log: %w", err)
}

// ending is the end of a log.
type ending struct {
	lines []string
	at    int64 // where in the newest file its complete lines end
	open  bool  // the last of the lines is not complete
}

// lookBack reads the newest file from its end, and those before it as far as it must.
func lookBack(path string, file *os.File, older []string, n int) (ending, error) {
	n = max(0, n)
	var end ending
	var parts [][]string // newest first
	room, count, whole := maxTail, 0, true
	take := func(text []byte) {
		var lines []string
		for line := range strings.Lines(string(text)) {
			lines = append(lines, line)
		}
		lines = slices.Clone(lines[max(0, len(lines)-(n-count)):])
		for i, line := range lines {
			lines[i] = strings.Clone(clean(line)) // without the text around it
		}
		parts, count, room = append(parts, lines), count+len(lines), room-len(text)
	}
	if file != nil {
		info, err := file.Stat()
		if err != nil {
			return ending{}, err
		}
		text, all, err := lastBytes(file, info.Size(), n, room)
		if err != nil {
			return ending{}, err
		}
		end.at = info.Size() - int64(len(text)) + int64(bytes.LastIndexByte(text, '\n')+1)
		end.open = len(text) > 0 && text[len(text)-1] != '\n' && n > 0
		if !all {
			text = dropFirst(text)
			end.open = end.open && len(text) > 0
		}
		take(text)
		whole = all
	}
	unpack := int64(maxUnpacked)
	for i := len(older) - 1; i >= max(0, len(older)-maxArchives) && whole && count < n && room > 0; i-- {
		text, all, err := lastOf(path, older[i], n-count, room, &unpack)
		if err != nil { // one that the caps removed is skipped; at another, what is newer has been read
			whole = errors.Is(err, fs.ErrNotExist)
			continue
		}
		if whole = all; !all {
			text = dropFirst(text)
		}
		take(text)
	}
	slices.Reverse(parts)
	end.lines = slices.Concat(parts...)
	return end, nil
}

// lastBytes reads the end of a file of the given size: all of it, or what has n lines and the rest of one
// before them, or room bytes.
func lastBytes(file io.ReaderAt, size int64, n, room int) (text []byte, all bool, err error) {
	for block := min(firstBlock, room); ; block = min(4*block, room) {
		from := max(0, size-int64(block))
		text, err = io.ReadAll(io.NewSectionReader(file, from, size-from))
		if err != nil || from == 0 || block == room || bytes.Count(text, []byte{'\n'}) > n {
			return text, from == 0, err
		}
	}
}

// lastOf does the same for a set-aside file. What it unpacks is taken off unpack.
func lastOf(path, stamp string, n, room int, unpack *int64) (text []byte, all bool, err error) {
	a, err := openArchive(path, stamp)
	if err != nil {
		return nil, false, err
	}
	defer a.file.Close()
	if a.text == nil {
		return lastBytes(a.file, a.info.Size(), n, room)
	}
	limited := &io.LimitedReader{R: a.text, N: *unpack + 1}
	text, all, err = lastRead(limited, room)
	if *unpack = limited.N - 1; err == nil && *unpack < 0 {
		err = errLarge
	}
	return text, all, err
}

var errLarge = errors.New("the file is too large to be unpacked")

// lastRead reads to the end and keeps the last room bytes.
func lastRead(from io.Reader, room int) (text []byte, all bool, err error) {
	all = true
	for {
		if len(text) == cap(text) {
			switch {
			case cap(text) < 2*room:
				text = slices.Grow(text, max(firstBlock, len(text)))
			default:
				text = text[:copy(text, text[len(text)-room:])]
				all = false
			}
		}
		n, err := from.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if len(text) > room {
			text, all = text[len(text)-room:], false
		}
		return text, all, nil
	}
}

// dropFirst drops the first line, of which only the rest was read.
func dropFirst(text []byte) []byte {
	_, text, _ = bytes.Cut(text, []byte{'\n'})
	return text
}

// clean cuts a line's end and what is too long of it, and makes it UTF-8.
func clean(line string) string {
	line = strings.TrimRight(line, "\r\n")
	return strings.ToValidUTF8(line[:min(len(line), maxLine)], "�")
}
