package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Caps bound what logs take of the disk, in bytes of live and set-aside files together. Zero is no
// bound.
type Caps struct {
	PerLog int64 // of each log
	Total  int64 // of all logs of the directory
}

// quiet is how long a set-aside file must not have been written to before it is compressed. The process
// that sets its log aside writes to it no more, but its children and what it handed its descriptors to may.
const quiet = time.Minute

// logSuffix ends the names of the logs that Tidy looks after.
const logSuffix = ".log"

// Tidy compresses what was set aside of the logs (*.log) in a directory and was written to for the
// last time at least a minute ago, and then removes the oldest set-aside files beyond the caps. Live files
// and names that are not ours are never touched, symbolic links never followed. When live files alone
// exceed caps.Total the error says so.
//
// One Tidy at a time works on a directory. It may die at any moment: no line is lost or seen twice, and the
// next one ends what it began. It needs one buffer however large the files are, and returns soon
// after ctx ends, with ctx's error. It does what it can: its error joins all that could not be done.
func Tidy(ctx context.Context, dir string, caps Caps) error {
	return tidy(ctx, dir, caps, quiet)
}

func tidy(ctx context.Context, dir string, caps Caps, quiet time.Duration) error {
	shelf, err := readShelf(dir)
	if err == nil {
		err = errors.Join(shelf.packAll(ctx, quiet), shelf.enforce(caps))
	}
	if err := errors.Join(err, shelf.unseen); err != nil {
		return fmt.Errorf("tidy the logs in %s: %w", dir, err)
	}
	return nil
}

// shelf is what a directory holds of logs.
type shelf struct {
	dir  string
	live map[string]int64 // bytes of the live files, by name
	// aside are the set-aside files, oldest first. A file that is there in both forms, after a
	// crash, is two of them.
	aside []aside
	// unseen is why some files of the directory could not be looked at.
	unseen error
}

// aside is a set-aside file.
type aside struct {
	log, stamp string
	form       form
	size       int64 // bytes on the disk
	changed    time.Time
}

// name is the file's, in the shelf's directory.
func (a aside) name() string {
	name := a.log + "." + a.stamp
	switch a.form {
	case packed:
		return name + packedSuffix
	case part:
		return name + partSuffix
	default:
		return name
	}
}

func (s *shelf) path(a aside) string { return filepath.Join(s.dir, a.name()) }

// readShelf looks at a directory, and skips what is no regular file.
func readShelf(dir string) (*shelf, error) {
	s := &shelf{dir: dir, live: make(map[string]int64)}
	err := eachName(dir, func(name string) {
		log, stamp, is, old := parseName(name)
		if old && (log == logSuffix || !strings.HasSuffix(log, logSuffix)) || !old && !strings.HasSuffix(name, logSuffix) {
			return
		}
		info, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has just been set aside
		case err != nil:
			s.unseen = errors.Join(s.unseen, err)
		case !info.Mode().IsRegular():
		case old:
			s.aside = append(s.aside, aside{log, stamp, is, info.Size(), info.ModTime()})
		default:
			s.live[name] = info.Size()
		}
	})
	slices.SortFunc(s.aside, func(a, b aside) int {
		return strings.Compare(a.stamp+a.name(), b.stamp+b.name())
	})
	return s, err
}

// packAll compresses what has been quiet, oldest first, and ends what a crash left half done.
func (s *shelf) packAll(ctx context.Context, quiet time.Duration) error {
	var failed []error
	var p packer
	for i := range s.aside {
		a := &s.aside[i]
		if ctx.Err() != nil {
			break
		}
		var err error
		switch {
		case a.form == part: // its plain file is there still
			err = s.remove(a)
		case a.form == plain && time.Since(a.changed).Abs() >= quiet: // also when the clock was set back
			err = s.pack(ctx, &p, a)
		}
		if err != nil && ctx.Err() == nil {
			failed = append(failed, err)
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			break // the rest would fail as well; the caps may give room
		}
	}
	return errors.Join(append(failed, ctx.Err())...)
}

// pack compresses one file.
func (s *shelf) pack(ctx context.Context, p *packer, a *aside) error {
	size, err := p.pack(ctx, s.path(*a))
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	a.form, a.size = packed, size
	// After a crash between the renaming and the removal, the packed file was there already.
	for i := range s.aside {
		if other := &s.aside[i]; other != a && other.form == packed && other.log == a.log && other.stamp == a.stamp {
			other.size = 0
		}
	}
	return nil
}

// remove deletes a file, which may be gone, and forgets its size.
func (s *shelf) remove(a *aside) error {
	if err := os.Remove(s.path(*a)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a.size = 0
	return nil
}

// enforce removes the oldest set-aside files beyond the caps.
func (s *shelf) enforce(caps Caps) error {
	var failed []error
	var live, total int64
	each := make(map[string]int64, len(s.live)) // bytes by log
	for log, size := range s.live {
		each[log] = size
		live += size
	}
	total = live
	for _, a := range s.aside {
		each[a.log] += a.size
		total += a.size
	}
	over := func(has, limit int64) bool { return limit > 0 && has > limit }
	// Each log's own bound first: what it frees counts for the others.
	for _, exceeds := range []func(log string) bool{
		func(log string) bool { return over(each[log], caps.PerLog) },
		func(string) bool { return over(total, caps.Total) },
	} {
		for i := range s.aside {
			a := &s.aside[i]
			if a.size == 0 || !exceeds(a.log) {
				continue
			}
			size := a.size
			if err := s.remove(a); err != nil {
				failed = append(failed, err)
				continue
			}
			each[a.log] -= size
			total -= size
		}
	}
	if over(live, caps.Total) {
		failed = append(failed, fmt.Errorf("the live files alone have %d bytes, and all logs together may have %d: give logs more room, or remove those of collectors that are gone", live, caps.Total))
	}
	return errors.Join(failed...)
}
