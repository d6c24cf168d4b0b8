package simulate

import (
	"encoding/xml"
	"iter"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"velador/internal/candle"
)

const (
	bucket     = "data.binance.vision"
	maxKeys    = 1000 // of one page (SIM-A5)
	s3xmlSpace = "http://s3.amazonaws.com/doc/2006-03-01/"
)

// listing is the S3 answer to a listing. Size and ETag of each key are left away: they would take
// building every file of the page.
type listing struct {
	XMLName     xml.Name       `xml:"ListBucketResult"`
	Space       string         `xml:"xmlns,attr"`
	Name        string         `xml:"Name"`
	Prefix      string         `xml:"Prefix"`
	Marker      string         `xml:"Marker"`
	NextMarker  string         `xml:"NextMarker,omitempty"`
	MaxKeys     int            `xml:"MaxKeys"`
	Delimiter   string         `xml:"Delimiter,omitempty"`
	IsTruncated bool           `xml:"IsTruncated"`
	Contents    []listedKey    `xml:"Contents"`
	Prefixes    []listedPrefix `xml:"CommonPrefixes"`
}

type listedKey struct {
	Key          string `xml:"Key"`
	LastModified string `xml:"LastModified"`
	StorageClass string `xml:"StorageClass"`
}

type listedPrefix struct {
	Prefix string `xml:"Prefix"`
}

// list answers ?prefix=&delimiter=/&marker=&max-keys= (EXCHANGES.md 2.16).
func (a *archive) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	l := listing{
		Space: s3xmlSpace, Name: bucket, MaxKeys: maxKeys,
		Prefix: query.Get("prefix"), Marker: query.Get("marker"), Delimiter: query.Get("delimiter"),
	}
	if l.Delimiter != "" && l.Delimiter != "/" {
		sendS3Error(w, http.StatusBadRequest, "InvalidArgument", "delimiter: only / is served")
		return
	}
	if text := query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			sendS3Error(w, http.StatusBadRequest, "InvalidArgument", "Provided max-keys not an integer or within integer range")
			return
		}
		l.MaxKeys = min(n, maxKeys)
	}
	found, last := 0, ""
	for key := range a.keys(l.Prefix, l.Marker, l.Delimiter != "") {
		if found == l.MaxKeys {
			l.IsTruncated, l.NextMarker = l.MaxKeys > 0, last
			break
		}
		if key.modified == 0 {
			l.Prefixes = append(l.Prefixes, listedPrefix{key.name})
		} else {
			l.Contents = append(l.Contents, listedKey{key.name, key.modified.String(), "STANDARD"})
		}
		found, last = found+1, key.name
	}
	sendXML(w, http.StatusOK, l)
}

// archiveEntry is a key, or a common prefix, which has no time.
type archiveEntry struct {
	name     string
	modified candle.Millis
}

// keys gives the archive's keys as they are now in their order, those after marker that begin with
// prefix. With folders, keys that share a folder below the prefix are given as that folder alone.
// Subtrees without a part in the answer are not entered.
func (a *archive) keys(prefix, marker string, folders bool) iter.Seq[archiveEntry] {
	now := a.clock.Now()
	return func(yield func(archiveEntry) bool) {
		// enter gives a folder as one entry or by walking into it; false ends the walk.
		enter := func(folder string, into func() bool) bool {
			within := strings.HasPrefix(folder, prefix)
			if !within && !strings.HasPrefix(prefix, folder) {
				return true
			}
			if folder <= marker && !strings.HasPrefix(marker, folder) {
				return true
			}
			if !folders || !within || len(folder) == len(prefix) {
				return into()
			}
			return folder <= marker || yield(archiveEntry{name: folder})
		}
		for _, root := range []string{archiveRoot + "daily/", archiveRoot + "monthly/"} {
			monthly := strings.HasSuffix(root, "monthly/")
			more := enter("data/", func() bool {
				return enter(archiveRoot, func() bool {
					return enter(root, func() bool {
						return enter(root+"klines/", func() bool {
							return a.symbolKeys(root+"klines/", monthly, now, enter, func(e archiveEntry) bool {
								return e.name <= marker || !strings.HasPrefix(e.name, prefix) || yield(e)
							})
						})
					})
				})
			})
			if !more || (folders && len(prefix) < len(archiveRoot)) { // both trees lie in one folder
				return
			}
		}
	}
}

func (a *archive) symbolKeys(root string, monthly bool, now candle.Millis, enter func(string, func() bool) bool, yield func(archiveEntry) bool) bool {
	symbols := append([]string{}, a.feed.order...)
	sort.Slice(symbols, func(i, j int) bool { return symbols[i]+"/" < symbols[j]+"/" })
	intervals := candle.Timeframes()
	sort.Slice(intervals, func(i, j int) bool { return intervalOf(intervals[i])+"/" < intervalOf(intervals[j])+"/" })
	for _, symbol := range symbols {
		if first, ok := a.feed.instruments[symbol].first(); !ok || first > now {
			continue
		}
		if !enter(root+symbol+"/", func() bool {
			for _, tf := range intervals {
				if !a.listed(symbol, tf, monthly, now) {
					continue
				}
				if folder := root + symbol + "/" + intervalOf(tf) + "/"; !enter(folder, func() bool { return a.fileKeys(symbol, tf, monthly, now, yield) }) {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}

// listed tells whether the archive has any file of a series.
func (a *archive) listed(symbol string, tf candle.Timeframe, monthly bool, now candle.Millis) bool {
	found := false
	a.fileKeys(symbol, tf, monthly, now, func(archiveEntry) bool { found = true; return false })
	return found
}

// fileKeys gives the keys of a series in their order: each zip, then its checksum.
func (a *archive) fileKeys(symbol string, tf candle.Timeframe, monthly bool, now candle.Millis, yield func(archiveEntry) bool) bool {
	v, ok := a.feed.known(symbol, tf, 0)
	if !ok || (!monthly && tf > candle.Day1) {
		return true
	}
	tree := candle.Day1
	if monthly {
		tree = candle.Month1
	}
	for t := candle.Millis(0); ; {
		at, ok := v.following(t)
		if !ok || at > now {
			return true
		}
		f := archiveFile{symbol: symbol, tf: tf, monthly: monthly}
		f.from, f.until = interval(tree, 0, at)
		t = f.until
		if !a.has(f, now) {
			continue
		}
		key := f.folder() + f.name() + ".zip"
		if !yield(archiveEntry{key, f.published()}) || !yield(archiveEntry{key + ".CHECKSUM", f.published()}) {
			return false
		}
	}
}

// sendS3Error answers as the object store does.
func sendS3Error(w http.ResponseWriter, status int, code, message string) {
	sendXML(w, status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
	}{Code: code, Message: message})
}

func sendXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	send(w, status, "application/xml", append([]byte(xml.Header), body...))
}

// send answers with a whole body.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// It fails when the client has gone, and then nobody is to be told.
	_, _ = w.Write(body) //nolint:gosec // G705: marshalled XML or JSON, labelled as such, never HTML
}
