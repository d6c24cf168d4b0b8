package simulate

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// archiveRoot is where the archive's keys begin (EXCHANGES.md 2.16).
const archiveRoot = "data/spot/"

// microsSince: spot files carry microseconds from 2025-01-01 on (SIM-A2).
var microsSince = candle.MillisOf(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))

// archive serves the exchange's archive of zip files over a feed, as it is at the virtual clock:
// a day's file from the next day on, a month's from the first Monday of the next month (SIM-A3).
type archive struct {
	feed    *feed
	clock   klineapi.Clock
	faults  *archiveFaults
	profile ArchiveProfile
	built   *memory[builtKey, *builtFile]
}

// ArchiveProfile names what differs among the archive's files.
type ArchiveProfile struct {
	// Header begins each CSV with a line of column names, as newer futures files do; default off.
	Header bool `json:"header"`
	// ThreeDayMillis leaves 3d files of 2025 in milliseconds, as some were found; default off (SIM-A2).
	ThreeDayMillis bool `json:"three_day_millis"`
	// NoRanges answers Range requests with the whole file; default off (SIM-A4).
	NoRanges bool `json:"no_ranges"`
}

// archiveFile is one file that the archive may have.
type archiveFile struct {
	symbol      string
	tf          candle.Timeframe
	monthly     bool
	from, until candle.Millis // open times from ≤ t < until
}

type builtKey struct {
	file  archiveFile
	fault ArchiveFaultKind
}

type builtFile struct {
	zip    []byte
	sha256 [sha256.Size]byte // of the zip
}

// archiveKey matches the key of a file; the name repeats symbol and interval.
var archiveKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^data/spot/(daily|monthly)/klines/([^/]+)/([^/]+)/([^/]+)\.zip(\.CHECKSUM)?$`)
})

func newArchive(f *feed, clock klineapi.Clock, profile ArchiveProfile) *archive {
	return &archive{feed: f, clock: clock, faults: &archiveFaults{}, profile: profile, built: newMemory[builtKey, *builtFile](16)}
}

// intervalOf gives the archive's name of a timeframe: 1mo stands for 1M.
func intervalOf(tf candle.Timeframe) string {
	if tf == candle.Month1 {
		return "1mo"
	}
	return tf.String()
}

// parseKey tells which file a key names; ok is false for a key that no file can have.
func parseKey(key string) (f archiveFile, checksum, ok bool) {
	m := archiveKey().FindStringSubmatch(key)
	if m == nil {
		return f, false, false
	}
	f.symbol, f.monthly, checksum = m[2], m[1] == "monthly", m[5] != ""
	if f.tf = timeframeOf(m[3]); !f.tf.Valid() || m[3] != intervalOf(f.tf) || (!f.monthly && f.tf > candle.Day1) {
		return f, checksum, false
	}
	date, found := strings.CutPrefix(m[4], f.symbol+"-"+m[3]+"-")
	if f.from, f.until = namedSpan(date); !found || f.until == 0 || (len(date) == len("2006-01")) != f.monthly {
		return f, checksum, false
	}
	return f, checksum, true
}

// name is the file's name without its ending.
func (f archiveFile) name() string {
	date := "2006-01-02"
	if f.monthly {
		date = "2006-01"
	}
	return f.symbol + "-" + intervalOf(f.tf) + "-" + f.from.Time().Format(date)
}

// folder is where the file lies, with a slash at its end.
func (f archiveFile) folder() string {
	tree := "daily"
	if f.monthly {
		tree = "monthly"
	}
	return archiveRoot + tree + "/klines/" + f.symbol + "/" + intervalOf(f.tf) + "/"
}

// published is when the file appears: a day's as the next one begins, a month's on the first Monday
// of the next.
func (f archiveFile) published() candle.Millis {
	if !f.monthly {
		return f.until
	}
	day := f.until.Time()
	return candle.MillisOf(day.AddDate(0, 0, (8-int(day.Weekday()))%7))
}

// has tells whether the file exists at now.
func (a *archive) has(f archiveFile, now candle.Millis) bool {
	v, ok := a.feed.known(f.symbol, f.tf, 0)
	if !ok || f.published() > now {
		return false
	}
	at, ok := v.following(f.from)
	if !ok || at >= f.until {
		return false
	}
	// What is longer than a day may have opened before the month in which its days lie.
	return f.tf <= candle.Day1 || len(a.rows(f, 1)) > 0
}

// rows gives the file's rows as they were when it was published.
func (a *archive) rows(f archiveFile, limit int) []klineapi.Row {
	published := f.published()
	rows := a.feed.Rows(f.symbol, f.tf, 0, published, candle.Range{From: f.from, To: f.until - 1}, limit, false)
	for len(rows) > 0 && closingInstant(rows[len(rows)-1].OpenTime, rows[len(rows)-1].CloseTime) > published {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// ServeHTTP answers GET and HEAD of the files below /data/, and of the listing at / (SIM-A1, SIM-A5).
func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		sendS3Error(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		return
	}
	// The listing's host names the bucket in the path, the archive's own host does not.
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"), bucket)
	if key = strings.TrimPrefix(key, "/"); key == "" {
		a.list(w, r)
		return
	}
	f, checksum, ok := parseKey(key)
	if !ok || !a.has(f, a.clock.Now()) {
		sendS3Error(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	fault := a.faults.of(strings.TrimSuffix(key, ".CHECKSUM"))
	built, err := a.build(f, fault)
	if err != nil {
		sendS3Error(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	if checksum {
		digest := built.sha256
		if fault == FaultChecksum {
			digest[0] ^= 0xff
		}
		send(w, http.StatusOK, "binary/octet-stream", []byte(hex.EncodeToString(digest[:])+"  "+f.name()+".zip\n"))
		return
	}
	w.Header().Set("ETag", `"`+hex.EncodeToString(built.sha256[:16])+`"`)
	if a.profile.NoRanges || fault == FaultNoRanges {
		send(w, http.StatusOK, "application/zip", built.zip)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, "", f.published().Time(), bytes.NewReader(built.zip))
}

// build makes a file. The same file is the same bytes whenever it is asked for.
func (a *archive) build(f archiveFile, fault ArchiveFaultKind) (*builtFile, error) {
	switch fault {
	case FaultReplaced, FaultTruncated, FaultTwoCSV:
	default:
		fault = "" // the bytes are those of the healthy file
	}
	key := builtKey{f, fault}
	if b, ok := a.built.get(key); ok {
		return b, nil
	}
	packed, err := a.pack(f, fault)
	if err != nil {
		return nil, fmt.Errorf("building %s.zip: %w", f.name(), err)
	}
	if fault == FaultTruncated {
		packed = packed[:len(packed)*2/3]
	}
	b := &builtFile{zip: packed, sha256: sha256.Sum256(packed)}
	a.built.put(key, b)
	return b, nil
}

func (a *archive) pack(f archiveFile, fault ArchiveFaultKind) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	modified := f.published().Time()
	if fault == FaultReplaced {
		modified = modified.Add(48 * time.Hour) // the same rows, other bytes
	}
	names := []string{f.name() + ".csv"}
	if fault == FaultTwoCSV {
		names = append(names, f.name()+"-2.csv")
	}
	csv := a.csv(f)
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(csv); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// csvHeader is the first line of newer futures files.
const csvHeader = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"

// csv writes a file's rows in the twelve columns of the archive.
func (a *archive) csv(f archiveFile) []byte {
	micros := f.from >= microsSince && (f.tf != candle.Day3 || !a.profile.ThreeDayMillis)
	appendTime := func(dst []byte, t candle.Millis, tail string) []byte {
		dst = strconv.AppendInt(dst, int64(t), 10)
		if micros {
			dst = append(dst, tail...)
		}
		return dst
	}
	var out []byte
	if a.profile.Header {
		out = append(out, csvHeader...)
	}
	for _, row := range a.rows(f, 31*24*60*60) {
		out = append(appendTime(out, row.OpenTime, "000"), ',')
		for _, d := range []candle.Decimal{row.Open, row.High, row.Low, row.Close, row.Volume} {
			out = append(append(out, d.String()...), ',')
		}
		out = append(appendTime(out, row.CloseTime, "999"), ',')
		out = append(append(out, row.QuoteVolume.String()...), ',')
		out = append(strconv.AppendInt(out, row.Trades, 10), ',')
		out = append(append(out, row.TakerBuyVolume.String()...), ',')
		out = append(append(out, row.TakerBuyQuoteVolume.String()...), ",0\n"...)
	}
	return out
}
