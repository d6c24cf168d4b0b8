package simulate

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"velador/internal/candle"
)

// Limits of what a directory of recordings may hold; beyond them it is refused, not swallowed.
const (
	maxFiles    = 200_000
	maxRows     = 40_000_000
	maxTapeText = 3 << 30 // bytes of one series, which tape addresses with 32 bits
)

// LoadOptions says what of a directory is wanted; the rest is not kept in memory.
type LoadOptions struct {
	Symbols []string      // none: all
	From    candle.Millis // rows that open before are left away
	To      candle.Millis // rows that open at or after are left away; 0: none
	Logger  *slog.Logger
}

// Recording is what was read from a directory: the series of each symbol.
type Recording struct {
	symbols map[string]*recordedSymbol
	Files   int // files read
	Rows    int // rows kept, doubles counted once
	read    int // rows taken from files
}

// recordedSymbol is a symbol's series as they are read.
type recordedSymbol struct {
	base, quote string // empty where the file name does not part them
	reels       map[candle.Timeframe]*reel
}

// recordedRow is a row as a file has it. Its numbers are checked, their text is untouched; those
// after the last known one are empty.
type recordedRow struct {
	openTime, closeTime candle.Millis
	trades              int64
	numbers             [8]string // open, high, low, close, volume, quote, taker base, taker quote
}

// Load reads the recordings below path, whatever mixture of forms lies there: the exchange's archive
// zips, the same CSV plain or gzipped, bodies of GET /api/v3/klines and arrays of
// [open ms, o, h, l, c, base volume] as JSON, plain or gzipped. Symbol and timeframe come from the
// file's name (SYMBOL-1m-2023-03-24.zip, BASE_QUOTE-1m.json.gz) or the two folders around it
// (ETHUSDT/1h/2022-01-01.json.gz). Files of other names are passed over. A file that cannot be
// trusted is an error that names it and the line.
func Load(path string, want LoadOptions) (*Recording, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("recordings at %s cannot be read: %w", path, err)
	}
	files, passed, err := recordedFiles(root)
	if err != nil {
		return nil, fmt.Errorf("recordings at %s cannot be listed: %w", path, err)
	}
	r := &Recording{symbols: map[string]*recordedSymbol{}}
	for _, f := range files {
		if !want.wants(f) {
			continue
		}
		if err := r.readFile(f, want); err != nil {
			return nil, fmt.Errorf("recording %s is refused: %w", f.path, err)
		}
		r.Files++
	}
	if r.Files == 0 {
		return nil, fmt.Errorf("no recording of what was asked lies below %s (%d files of other names): "+
			"expected are SYMBOL-INTERVAL-DATE.zip or .csv, BASE_QUOTE-INTERVAL.json.gz, or SYMBOL/INTERVAL/*.json.gz", path, passed)
	}
	for _, s := range r.symbols {
		for tf, reel := range s.reels {
			reel.finish()
			if len(reel.recs) == 0 {
				delete(s.reels, tf)
			}
			r.Rows += len(reel.recs)
		}
	}
	if r.Rows == 0 {
		return nil, fmt.Errorf("the recordings below %s hold no candle of what was asked", path)
	}
	if want.Logger != nil {
		want.Logger.Info("recordings read", "path", path, "files", r.Files, "passed_over", passed, "symbols", len(r.symbols), "rows", r.Rows)
	}
	return r, nil
}

// recordedFiles lists what can be read below root, in a stable order, and counts the rest.
func recordedFiles(root string) (files []recordedFile, passed int, err error) {
	seen := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		if seen++; seen > maxFiles {
			return fmt.Errorf("more than %d files: name a folder further down", maxFiles)
		}
		if f, ok := parseFileName(path); ok {
			files = append(files, f)
		} else {
			passed++
		}
		return nil
	})
	return files, passed, err
}

// wants tells whether a file may hold rows of what is asked, by its name.
func (want LoadOptions) wants(f recordedFile) bool {
	if len(want.Symbols) > 0 && !slices.Contains(want.Symbols, f.symbol) {
		return false
	}
	if f.until == 0 {
		return true
	}
	return f.until > want.From && (want.To == 0 || f.from < want.To)
}

// readFile takes the rows of one file.
func (r *Recording) readFile(f recordedFile, want LoadOptions) error {
	s := r.symbols[f.symbol]
	if s == nil {
		s = &recordedSymbol{reels: map[candle.Timeframe]*reel{}}
		r.symbols[f.symbol] = s
	}
	if f.base != "" {
		s.base, s.quote = f.base, f.quote
	}
	into := s.reels[f.timeframe]
	if into == nil {
		into = &reel{timeframe: f.timeframe}
		s.reels[f.timeframe] = into
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.rows(file, func(row recordedRow, form rowForm) error {
		if row.openTime < want.From || (want.To != 0 && row.openTime >= want.To) {
			return nil
		}
		if r.read++; r.read > maxRows {
			return fmt.Errorf("more than %d rows: ask for fewer symbols or days", maxRows)
		}
		return into.add(row, form)
	})
}

// Symbols lists the symbols read, sorted.
func (r *Recording) Symbols() []string {
	names := make([]string, 0, len(r.symbols))
	for name := range r.symbols {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// reel gathers the rows of one series as files are read, in any order and with doubles.
type reel struct {
	timeframe candle.Timeframe
	recs      []rec
	text      []byte
}

// rec points to a packed row.
type rec struct {
	open   candle.Millis
	trades int64
	start  uint32
	size   uint16
	form   rowForm
}

var errTooMuchText = errors.New("one series holds more than 3 GiB: ask for fewer days")

func (r *reel) add(row recordedRow, form rowForm) error {
	start := len(r.text)
	if start > maxTapeText {
		return errTooMuchText
	}
	r.text = packRow(r.text, r.timeframe, row)
	r.recs = append(r.recs, rec{open: row.openTime, trades: row.trades, start: uint32(start), size: uint16(len(r.text) - start), form: form})
	return nil
}

// finish sorts the rows and drops doubles: the exchange's archive wins over a REST body, that over
// five columns, and among equals the row with more trades, which was read later, when the candle
// may have been still open in the other.
func (r *reel) finish() {
	better := func(a, b rec) int {
		switch {
		case a.open != b.open:
			return compareMillis(a.open, b.open)
		case a.form != b.form:
			return int(a.form) - int(b.form)
		case a.trades != b.trades:
			return compareMillis(candle.Millis(b.trades), candle.Millis(a.trades))
		}
		return 0
	}
	if !slices.IsSortedFunc(r.recs, better) {
		slices.SortStableFunc(r.recs, better)
	}
	r.recs = slices.CompactFunc(r.recs, func(a, b rec) bool { return a.open == b.open })
}

func compareMillis(a, b candle.Millis) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// tape makes the finished reel a line.
func (r *reel) tape() *tape {
	size := 0
	for _, rec := range r.recs {
		size += int(rec.size)
	}
	t := &tape{
		tf: r.timeframe, opens: make([]candle.Millis, len(r.recs)),
		starts: make([]uint32, len(r.recs)+1), ids: make([]int64, len(r.recs)+1),
	}
	text := make([]byte, 0, size)
	for i, rec := range r.recs {
		t.opens[i] = rec.open
		text = append(text, r.text[rec.start:rec.start+uint32(rec.size)]...)
		t.starts[i+1] = uint32(len(text))
		t.ids[i+1] = t.ids[i] + rec.trades
	}
	t.text = string(text)
	return t
}
