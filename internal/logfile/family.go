package logfile

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// stamps lists what was set aside of a log, oldest first. While files are set aside and compressed,
// reading a directory once may show a file and not the one that was set aside before it, or miss one
// that changes its form. Of two readings the second has all that the first may have missed, so the
// list is complete up to its end; what was set aside since the first reading began may be absent.
func stamps(path string) ([]string, error) {
	base := filepath.Base(path)
	var all []string
	var last string
	for reading := range 2 {
		err := eachName(filepath.Dir(path), func(name string) {
			log, stamp, is, ok := parseName(name)
			if !ok || log != base || is == part {
				return
			}
			if reading == 0 {
				last = max(last, stamp)
			}
			if stamp <= last {
				all = append(all, stamp)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// newest opens the newest file of a log, and lists the stamps of those before it. That is the live one;
// when it is missing (the writer is about to begin it, or will put the last one back) the one that was set
// aside last, unless it is packed already. file is nil when there is neither.
func newest(path string) (file *os.File, info fs.FileInfo, older []string, err error) {
	before, err := stamps(path)
	if err != nil {
		return nil, nil, nil, err
	}
	file, info, err = openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		if last := len(before) - 1; last >= 0 {
			if file, info, err = openRegular(path+"."+before[last], os.O_RDONLY); err == nil {
				return file, info, before[:last], nil
			}
		}
		return nil, nil, before, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	// Meanwhile it may have been set aside itself, and others since.
	older, err = stamps(path)
	if err != nil {
		file.Close()
		return nil, nil, nil, err
	}
	known := 0
	if len(before) > 0 {
		known, _ = slices.BinarySearch(older, before[len(before)-1])
	}
	switch at := place(path, older[known:], info); {
	case at >= 0:
		older = older[:known+at]
	case removed(file):
		older = before
	}
	return file, info, older, nil
}

// place finds a file among those that were set aside, in whichever form it is; -1 when it is not there.
func place(path string, stamps []string, which fs.FileInfo) int {
	return slices.IndexFunc(stamps, func(stamp string) bool {
		name := path + "." + stamp
		info, err := os.Lstat(name)
		if err == nil {
			return os.SameFile(info, which)
		}
		return errors.Is(err, fs.ErrNotExist) && isPacked(name+packedSuffix, which)
	})
}

// isPacked says whether a packed file was made of another, which somebody still has open: while it is open its
// number is nobody else's.
func isPacked(path string, of fs.FileInfo) bool {
	file, _, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	return err == nil && zip.Comment == fileID(of) && zip.Comment != ""
}

// fileID names a file of this machine for as long as it exists; the packed file has it in its head.
func fileID(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	}
	return ""
}

// removed says whether an open file has no name any more.
func removed(file *os.File) bool {
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}

// archive is a set-aside file, opened in either form.
type archive struct {
	file *os.File
	info fs.FileInfo
	text io.Reader // of a packed file; nil of a plain one
}

// openArchive opens what was set aside at a stamp. While both forms are there the plain one counts: a
// crash left the other. A missing one, which was removed to keep within the caps, is fs.ErrNotExist.
func openArchive(path, stamp string) (*archive, error) {
	name := path + "." + stamp
	file, info, err := openRegular(name, os.O_RDONLY)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return &archive{file: file, info: info}, err
	}
	if file, info, err = openRegular(name+packedSuffix, os.O_RDONLY); err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s%s: %w", filepath.Base(name), packedSuffix, err)
	}
	return &archive{file: file, info: info, text: zip}, nil
}
