package simulate

import (
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
)

// Bounds of one recorded file, packed and unpacked. A month of 1s candles, the greatest file of the
// archive, unpacks to some 350 MiB.
const (
	maxFileBytes     = 256 << 20
	maxUnpackedBytes = 1 << 30
)

// rowForm says how a row was recorded; where two files disagree, the smaller one wins.
type rowForm uint8

const (
	formCSV  rowForm = iota // the archive's twelve columns
	formREST                // a body of GET /api/v3/klines
	formRows                // five columns, through floats
)

// recordedFile is a file whose name tells what it holds.
type recordedFile struct {
	path        string
	symbol      string
	base, quote string // known where the name parts them
	timeframe   candle.Timeframe
	from, until candle.Millis // the day or month in the name; until 0: the name has none
	kind        string        // zip, csv, json
	gzipped     bool
}

const intervalNames = `(1s|1m|3m|5m|15m|30m|1h|2h|4h|6h|8h|12h|1d|3d|1w|1M|1mo)`

// The forms of names are compiled when a file's name is first looked at: every velador process holds
// this package, and most never read a recording.
var (
	// BTCUSDT-1m-2023-03-24.zip, the archive's names, wherever they stand in the file's name.
	archiveName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:^|[^\p{L}\p{N}])([\p{L}\p{N}]+)-` + intervalNames + `-(\d{4}-\d{2}(?:-\d{2})?)(?:[^\d].*)?$`)
	})
	// 1INCH_USDT-1m.json.gz, as freqtrade names its files.
	pairName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:^|[^\p{L}\p{N}])([\p{L}\p{N}]+)_([\p{L}\p{N}]+)-` + intervalNames + `$`)
	})
	// The folder above a REST body.
	intervalName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^` + intervalNames + `$`)
	})
)

// parseFileName tells what a file holds by its name and the folders it lies in.
func parseFileName(path string) (recordedFile, bool) {
	f := recordedFile{path: path}
	name := filepath.Base(path)
	name, f.gzipped = strings.CutSuffix(name, ".gz")
	ext := filepath.Ext(name)
	switch ext {
	case ".zip", ".csv", ".json":
		f.kind = ext[1:]
	default:
		return f, false
	}
	if name = strings.TrimSuffix(name, ext); f.kind == "zip" && f.gzipped {
		return f, false
	}
	var interval string
	if m := archiveName().FindStringSubmatch(name); m != nil {
		f.symbol, interval = m[1], m[2]
		f.from, f.until = namedSpan(m[3])
	} else if m := pairName().FindStringSubmatch(name); m != nil {
		f.symbol, f.base, f.quote, interval = m[1]+m[2], m[1], m[2], m[3]
	} else {
		folder := filepath.Dir(path)
		interval, f.symbol = filepath.Base(folder), filepath.Base(filepath.Dir(folder))
		if !intervalName().MatchString(interval) || candle.CheckSymbol(f.symbol) != nil {
			return f, false
		}
	}
	f.symbol, f.base, f.quote = strings.ToUpper(f.symbol), strings.ToUpper(f.base), strings.ToUpper(f.quote)
	f.timeframe = timeframeOf(interval)
	return f, f.timeframe.Valid()
}

// timeframeOf reads a timeframe as paths write it: 1mo stands for 1M, which some file systems would
// take for 1m (EXCHANGES.md 2.16).
func timeframeOf(name string) candle.Timeframe {
	if name == "1mo" {
		return candle.Month1
	}
	tf, err := candle.ParseTimeframe(name)
	if err != nil {
		return 0
	}
	return tf
}

// namedSpan gives the time that a date in a file's name covers; until 0 when it is no date.
func namedSpan(date string) (from, until candle.Millis) {
	if day, err := time.Parse("2006-01-02", date); err == nil {
		return candle.MillisOf(day), candle.MillisOf(day.AddDate(0, 0, 1))
	}
	if month, err := time.Parse("2006-01", date); err == nil {
		return candle.MillisOf(month), candle.MillisOf(month.AddDate(0, 1, 0))
	}
	return 0, 0
}

// rows reads a file's rows in its order and gives each to take.
func (f recordedFile) rows(file *os.File, take func(recordedRow, rowForm) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxFileBytes {
		return fmt.Errorf("it has %d bytes, at most %d are read", info.Size(), maxFileBytes)
	}
	var content io.Reader = file
	switch {
	case f.kind == "zip":
		csv, err := openOnlyCSV(file, info.Size())
		if err != nil {
			return err
		}
		defer csv.Close()
		content = csv
	case f.gzipped:
		unzipped, err := gzip.NewReader(bufio.NewReader(file))
		if err != nil {
			return fmt.Errorf("it is not gzipped: %w", err)
		}
		defer unzipped.Close()
		content = unzipped
	}
	content = &bounded{from: content, left: maxUnpackedBytes}
	if f.kind == "json" {
		return readJSON(content, f.timeframe, take)
	}
	return readCSV(content, func(row recordedRow) error { return take(row, formCSV) })
}

// openOnlyCSV opens the one CSV that a zip of the archive holds (EXCHANGES.md 2.16).
func openOnlyCSV(file io.ReaderAt, size int64) (io.ReadCloser, error) {
	z, err := zip.NewReader(file, size)
	if err != nil {
		return nil, fmt.Errorf("it is no zip file, or a truncated one: %w", err)
	}
	if len(z.File) != 1 || !strings.HasSuffix(z.File[0].Name, ".csv") {
		return nil, fmt.Errorf("it holds %d files, where the archive has exactly one CSV", len(z.File))
	}
	return z.File[0].Open()
}

var errUnpackedTooBig = errors.New("it unpacks to more than 1 GiB: it is no recording, or a bomb")

// bounded reads at most so many bytes and fails, rather than ends, beyond them.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errUnpackedTooBig
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	return n, err
}
