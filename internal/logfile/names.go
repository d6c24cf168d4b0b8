package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// stampForm is the time in the name of a set-aside file: names of equal length, which sort as the
	// times do.
	stampForm    = "20060102T150405.000000000Z"
	packedSuffix = ".gz"
	partSuffix   = ".gz.part"
)

// form is what a set-aside file is.
type form int

const (
	plain  form = iota
	packed      // complete and durable
	part        // a compression that has not ended
)

// parseName takes the name of a set-aside file apart: the name of its log, when it was set aside,
// and in which form it is. Other names are not ours.
func parseName(name string) (log, stamp string, is form, ok bool) {
	switch {
	case strings.HasSuffix(name, partSuffix):
		name, is = strings.TrimSuffix(name, partSuffix), part
	case strings.HasSuffix(name, packedSuffix):
		name, is = strings.TrimSuffix(name, packedSuffix), packed
	}
	cut := len(name) - len(stampForm) - 1
	if cut <= 0 || name[cut] != '.' {
		return "", "", 0, false
	}
	log, stamp = name[:cut], name[cut+1:]
	// Parsed and written again, because time.Parse takes other spellings too.
	if at, err := time.Parse(stampForm, stamp); err != nil || at.Format(stampForm) != stamp {
		return "", "", 0, false
	}
	return log, stamp, is, true
}

// stampAfter gives the stamp of now, or one that is just later than the newest one.
func stampAfter(newest string, now time.Time) string {
	now = now.UTC()
	if last, err := time.Parse(stampForm, newest); err == nil && !now.After(last) {
		if next := last.Add(1); next.Year() <= 9999 { // a longer year would not sort
			return next.Format(stampForm)
		}
	}
	return now.Format(stampForm)
}

// eachName calls visit for the names in a directory, in any order, and holds few of them at a time:
// a directory has the files of hundreds of logs. A missing directory has none.
func eachName(dir string, visit func(name string)) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(128)
		for _, name := range names {
			visit(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// newestStamp gives the latest stamp of a log's set-aside files, "" when there are none.
func newestStamp(path string) (newest string, err error) {
	base := filepath.Base(path)
	err = eachName(filepath.Dir(path), func(name string) {
		if log, stamp, _, ok := parseName(name); ok && log == base {
			newest = max(newest, stamp)
		}
	})
	return newest, err
}

// openRegular opens a file that is not a symbolic link, a directory or a pipe, and tells which it is.
func openRegular(path string, flag int) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, flag|noFollow, 0o600)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
