package logfile

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// errBusy says that a file is written to, and is left for later.
var errBusy = errors.New("somebody still writes to the file")

// packer compresses files one after the other with the same memory.
type packer struct {
	zip   *gzip.Writer
	block []byte
}

// pack compresses a set-aside file and removes it, and gives the size of what replaces it. At every
// moment one of the two is whole and durable; while both are there, the plain one counts.
func (p *packer) pack(ctx context.Context, path string) (size int64, err error) {
	file, before, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if info, err := os.Lstat(path + packedSuffix); err == nil && !info.Mode().IsRegular() {
		return 0, fmt.Errorf("compress %s: %s%s is no regular file", path, filepath.Base(path), packedSuffix)
	}
	if !holds(ctx, path+packedSuffix, file, before.Size(), p.buffer()) {
		err := p.write(ctx, path+partSuffix, file, before)
		if err == nil && busy(file, before) {
			err = errBusy
		}
		if err == nil {
			err = os.Rename(path+partSuffix, path+packedSuffix)
		}
		if err != nil {
			if removed := os.Remove(path + partSuffix); !errors.Is(removed, fs.ErrNotExist) {
				err = errors.Join(err, removed)
			}
			return 0, fmt.Errorf("compress %s: %w", path, err)
		}
		if err := syncDir(filepath.Dir(path)); err != nil {
			return 0, err
		}
	}
	if busy(file, before) {
		return 0, errBusy // the next Tidy packs it again
	}
	if err := os.Remove(path); err != nil {
		return 0, err
	}
	info, err := os.Lstat(path + packedSuffix)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (p *packer) buffer() []byte {
	if p.block == nil {
		p.block = make([]byte, 32<<10)
	}
	return p.block
}

// write compresses a file to one of another name, down to the disk.
func (p *packer) write(ctx context.Context, to string, from *os.File, info fs.FileInfo) error {
	out, _, err := openRegular(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer out.Close()
	if p.zip == nil {
		p.zip = gzip.NewWriter(out)
	} else {
		p.zip.Reset(out)
	}
	p.zip.ModTime, p.zip.Comment = info.ModTime(), fileID(info)
	source := io.NewSectionReader(from, 0, info.Size())
	if _, err := io.CopyBuffer(p.zip, untilDone{ctx, source}, p.buffer()); err != nil {
		return err
	}
	if err := p.zip.Close(); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return out.Close()
}

// busy says whether a file is not what it was.
func busy(file *os.File, before fs.FileInfo) bool {
	now, err := file.Stat()
	return err != nil || now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime())
}

// holds says whether a packed file has the same bytes as the plain one of the given size: a Tidy died
// between the two, and the plain one may have grown since.
func holds(ctx context.Context, path string, plainFile *os.File, size int64, block []byte) bool {
	file, _, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return false
	}
	same := make([]byte, len(block))
	for at := int64(0); ctx.Err() == nil; {
		n, err := zip.Read(block)
		if m, _ := plainFile.ReadAt(same[:n], at); m != n || !bytes.Equal(block[:n], same[:n]) {
			return false
		}
		at += int64(n)
		if err != nil {
			return errors.Is(err, io.EOF) && at == size // the checksum was right
		}
	}
	return false
}

// syncDir makes a renaming durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.from.Read(p)
}
