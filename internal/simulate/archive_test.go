package simulate

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/candle"
)

// archiveAt serves a feed's archive at an instant.
func archiveAt(t testing.TB, f *feed, now string, profile ArchiveProfile) *archive {
	t.Helper()
	clock, err := NewClock(at(now), 1, Forever)
	if err != nil {
		t.Fatal(err)
	}
	clock.Pause()
	return newArchive(f, clock, profile)
}

func get(t testing.TB, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// unzip gives the only CSV of a zip.
func unzip(t testing.TB, content []byte) (name, csv string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 {
		t.Fatalf("the zip holds %d files", len(z.File))
	}
	r, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return z.File[0].Name, string(text)
}

const dayKeyBTC = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-24.zip"

// SIM-A1: a known day with the outage, its checksum, and the CSV byte for byte as the exchange's own.
func TestTheArchiveServesTheExchangesOwnFile(t *testing.T) {
	t.Parallel()
	a := archiveAt(t, replay(t, "archive-daily"), "2023-04-10", ArchiveProfile{})
	for _, series := range []string{"BTCUSDT/1m/BTCUSDT-1m", "ETHUSDT/1d/ETHUSDT-1d", "SOLUSDT/15m/SOLUSDT-15m", "ARBUSDT/1m/ARBUSDT-1m"} {
		key := "/data/spot/daily/klines/" + series + "-2023-03-24.zip"
		got := get(t, a, key)
		if got.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", key, got.Code, got.Body)
		}
		sum := sha256.Sum256(got.Body.Bytes())
		name := filepath.Base(key)
		if sidecar := get(t, a, key+".CHECKSUM"); sidecar.Body.String() != hex.EncodeToString(sum[:])+"  "+name+"\n" {
			t.Errorf("%s: the checksum is %q", key, sidecar.Body)
		}
		inside, csv := unzip(t, got.Body.Bytes())
		if inside != strings.TrimSuffix(name, ".zip")+".csv" {
			t.Errorf("%s holds %s", key, inside)
		}
		own, err := os.ReadFile(filepath.Join(sharedData(t), "archive-daily", filepath.FromSlash(series+"-2023-03-24.zip")))
		if err != nil {
			t.Fatal(err)
		}
		if _, want := unzip(t, own); csv != want {
			t.Errorf("%s differs from the exchange's own file", key)
		}
		if again := get(t, a, key); !bytes.Equal(again.Body.Bytes(), got.Body.Bytes()) {
			t.Errorf("%s is other bytes when asked again", key)
		}
	}
}

func TestWhatTheArchiveLacksIs404(t *testing.T) {
	t.Parallel()
	a := archiveAt(t, replay(t, "archive-daily"), "2023-05-10", ArchiveProfile{})
	for _, key := range []string{
		"spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-19.zip", "spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-19.zip.CHECKSUM",
		"spot/monthly/klines/BTCUSDT/1M/BTCUSDT-1M-2023-03.zip", "spot/daily/klines/BTCUSDT/1w/BTCUSDT-1w-2023-03-20.zip",
		"spot/daily/klines/BTCUSDT/1mo/BTCUSDT-1mo-2023-03-01.zip", "spot/daily/klines/NOPE/1m/NOPE-1m-2023-03-24.zip",
		"spot/daily/klines/BTCUSDT/1m/ETHUSDT-1m-2023-03-24.zip", "spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03.zip",
		"spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-24.zip", "spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-02-30.zip",
		"futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-03-24.zip", "spot/daily/klines/ARBUSDT/1m/ARBUSDT-1m-2023-03-22.zip", "spot",
	} {
		if got := get(t, a, "/data/"+key); got.Code != http.StatusNotFound || !strings.Contains(got.Body.String(), "NoSuchKey") {
			t.Errorf("%s: %d", key, got.Code)
		}
	}
	for _, key := range []string{"spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2023-03.zip", "spot/monthly/klines/BTCUSDT/1w/BTCUSDT-1w-2023-03.zip", "spot/monthly/klines/BTCUSDT/4h/BTCUSDT-4h-2023-03.zip"} {
		if got := get(t, a, "/data/"+key); got.Code != http.StatusOK {
			t.Errorf("%s: %d", key, got.Code)
		}
	}
	r := httptest.NewRequest(http.MethodPost, dayKeyBTC, nil)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// SIM-A2: ms before 2025, µs from then on, the same candles either way.
func TestTheArchiveTurnsToMicrosecondsIn2025(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-monthly")
	a := archiveAt(t, f, "2025-06-10", ArchiveProfile{})
	for month, digits := range map[string]int{"2024-12": 13, "2025-01": 16} {
		_, csv := unzip(t, get(t, a, "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-"+month+".zip").Body.Bytes())
		open, _, _ := strings.Cut(csv, ",")
		if len(open) != digits {
			t.Errorf("%s opens at %s", month, open)
		}
		own := readGzip(t, filepath.Join(sharedData(t), "archive-monthly", "BTCUSDT-1h-"+month+".csv.gz"))
		if csv != own {
			t.Errorf("%s differs from the exchange's own file", month)
		}
		// What is served is read back as the same candles.
		rows := loadRows(t, writeFile(t, t.TempDir(), "BTCUSDT-1h-"+month+".csv", []byte(csvHeader+csv)), LoadOptions{}, "BTCUSDT", candle.Hour1)
		from, until := namedSpan(month)
		want := f.Rows("BTCUSDT", candle.Hour1, 0, Forever, candle.Range{From: from, To: until - 1}, 1000, false)
		if len(rows) != len(want) || rows[5].Candle != want[5].Candle {
			t.Errorf("%s: %d rows read back, %d served", month, len(rows), len(want))
		}
	}
	dir := writeFile(t, t.TempDir(), "BTCUSDT-3d-2025-01.csv", []byte("1735689600000,1,1,1,1,1,1735948799999,1,1,1,1,0\n"))
	r, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for millis, want := range map[bool]string{false: "1735689600000000,", true: "1735689600000,"} {
		a := archiveAt(t, newFeed(r.instruments(1), statusTrading), "2025-06-10", ArchiveProfile{ThreeDayMillis: millis, Header: true})
		_, csv := unzip(t, get(t, a, "/data/spot/monthly/klines/BTCUSDT/3d/BTCUSDT-3d-2025-01.zip").Body.Bytes())
		if !strings.HasPrefix(csv, csvHeader+want) {
			t.Errorf("three days in ms %v: %s", millis, csv)
		}
	}
}

func readGzip(t testing.TB, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// SIM-A3: a day's file from the next day on, a month's from the first Monday of the next.
func TestFilesAppearWhenTheExchangePublishesThem(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	for _, c := range []struct {
		key, now string
		want     int
	}{
		{dayKeyBTC, "2023-03-24 23:59:59.999", 404},
		{dayKeyBTC, "2023-03-25", 200},
		{"/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2023-03.zip", "2023-04-02 23:59:59", 404},
		{"/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2023-03.zip", "2023-04-03", 200}, // a Monday
		{"/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip", "2024-02-04 23:59:59", 404},
		{"/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip", "2024-02-05", 200},
	} {
		a := archiveAt(t, f, c.now, ArchiveProfile{})
		for _, ending := range []string{"", ".CHECKSUM"} {
			if got := get(t, a, c.key+ending).Code; got != c.want {
				t.Errorf("at %s %s%s answers %d, not %d", c.now, c.key, ending, got, c.want)
			}
		}
	}
	first := archiveFile{monthly: true, until: at("2024-01-01")} // itself a Monday
	if got := first.published(); got != at("2024-01-01") {
		t.Errorf("December 2023 is published on %s", got)
	}
}

// SIM-A4.
func TestArchiveFaults(t *testing.T) {
	t.Parallel()
	a := archiveAt(t, replay(t, "archive-daily", "BTCUSDT"), "2023-04-10", ArchiveProfile{})
	key := strings.TrimPrefix(dayKeyBTC, "/")
	fetch := func() (content []byte, sumFits bool) {
		content = get(t, a, dayKeyBTC).Body.Bytes()
		sum := sha256.Sum256(content)
		return content, strings.HasPrefix(get(t, a, dayKeyBTC+".CHECKSUM").Body.String(), hex.EncodeToString(sum[:]))
	}
	healthy, fits := fetch()
	if !fits {
		t.Fatal("the checksum of the healthy file does not fit")
	}
	set := func(kind ArchiveFaultKind) ([]byte, bool) {
		t.Helper()
		a.faults.clear()
		if err := a.faults.add(ArchiveFault{Kind: kind, Key: "data/spot/daily/klines/*/1m/*-2023-03-24.zip"}); err != nil {
			t.Fatal(err)
		}
		return fetch()
	}
	if content, fits := set(FaultChecksum); fits || !bytes.Equal(content, healthy) {
		t.Error("checksum: the sidecar fits, or the file changed")
	}
	_, csv := unzip(t, healthy)
	content, fits := set(FaultReplaced)
	if _, same := unzip(t, content); !fits || bytes.Equal(content, healthy) || same != csv {
		t.Error("replaced: the digest does not fit, or nothing was replaced")
	}
	content, fits = set(FaultTruncated)
	if _, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil || !fits {
		t.Error("truncated: the zip opens, or the digest betrays it")
	}
	content, fits = set(FaultTwoCSV)
	if z, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err != nil || len(z.File) != 2 || !fits {
		t.Error("two-csv: the zip has not two files")
	}
	for _, bad := range []struct{ name, content string }{{"truncated", string(mustBuild(t, a, key, FaultTruncated))}, {"two", string(mustBuild(t, a, key, FaultTwoCSV))}} {
		if _, err := Load(writeFile(t, t.TempDir(), "BTCUSDT-1m-2023-03-24.zip", []byte(bad.content)), LoadOptions{}); err == nil {
			t.Errorf("the %s file was loaded", bad.name)
		}
	}
	set(FaultNoRanges)
	if got := get(t, a, dayKeyBTC, "Range", "bytes=10-19"); got.Code != http.StatusOK || got.Body.Len() != len(healthy) {
		t.Errorf("no-ranges: %d, %d bytes", got.Code, got.Body.Len())
	}
	a.faults.clear()
	if got := get(t, a, dayKeyBTC, "Range", "bytes=10-19"); got.Code != http.StatusPartialContent || got.Body.String() != string(healthy[10:20]) {
		t.Errorf("range: %d, %d bytes", got.Code, got.Body.Len())
	}
	if a.faults.add(ArchiveFault{Kind: "nonsense"}) == nil || a.faults.add(ArchiveFault{Kind: FaultChecksum, Key: "["}) == nil {
		t.Error("a fault that makes no sense was taken")
	}
}

func mustBuild(t testing.TB, a *archive, key string, fault ArchiveFaultKind) []byte {
	t.Helper()
	f, _, ok := parseKey(key)
	if !ok {
		t.Fatal(key)
	}
	b, err := a.build(f, fault)
	if err != nil {
		t.Fatal(err)
	}
	return b.zip
}

type page struct {
	IsTruncated bool
	NextMarker  string
	Keys        []string `xml:"Contents>Key"`
	Folders     []string `xml:"CommonPrefixes>Prefix"`
}

func list(t testing.TB, a *archive, query url.Values) page {
	t.Helper()
	got := get(t, a, "/?"+query.Encode())
	if got.Code != http.StatusOK {
		t.Fatalf("%v: %d %s", query, got.Code, got.Body)
	}
	var p page
	if err := xml.Unmarshal(got.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// SIM-A5: thousands of keys in pages of 1000, each once, in order.
func TestTheListingPagesThroughAllKeys(t *testing.T) {
	t.Parallel()
	a := archiveAt(t, generated(t, 1, "BTCUSDT", "BTCUSDC"), "2022-06-06", ArchiveProfile{})
	prefix := "data/spot/daily/klines/BTCUSDT/1h/"
	var keys []string
	pages, query := 0, url.Values{"prefix": {prefix}, "delimiter": {"/"}}
	for {
		p := list(t, a, query)
		pages++
		keys = append(keys, p.Keys...)
		if !p.IsTruncated {
			break
		}
		if len(p.Keys) != 1000 || p.NextMarker != keys[len(keys)-1] {
			t.Fatalf("page %d has %d keys, the next marker is %s", pages, len(p.Keys), p.NextMarker)
		}
		query.Set("marker", p.NextMarker)
	}
	if want := 2 * int((at("2022-06-06")-at("2019-01-01"))/dayMillis); len(keys) != want || pages != 3 {
		t.Errorf("%d keys in %d pages, not %d in 3", len(keys), pages, want)
	}
	for i, key := range keys {
		if i > 0 && key <= keys[i-1] || !strings.HasPrefix(key, prefix) {
			t.Fatalf("%s follows %s", key, keys[max(0, i-1)])
		}
	}
	if got := get(t, a, "/"+keys[0]).Code; got != http.StatusOK {
		t.Errorf("the first key answers %d", got)
	}
}

func TestTheListingGivesFoldersAsPrefixes(t *testing.T) {
	t.Parallel()
	a := archiveAt(t, replay(t, "archive-daily"), "2023-04-04", ArchiveProfile{})
	for prefix, want := range map[string]string{
		"":                                     "data/",
		"data/":                                "data/spot/",
		"data/spot/":                           "data/spot/daily/ data/spot/monthly/",
		"data/spot/d":                          "data/spot/daily/",
		"data/spot/daily/klines/":              "data/spot/daily/klines/ARBUSDT/ data/spot/daily/klines/BTCUSDT/ data/spot/daily/klines/ETHUSDT/ data/spot/daily/klines/SOLUSDT/",
		"data/spot/daily/klines/B":             "data/spot/daily/klines/BTCUSDT/",
		"data/spot/monthly/klines/BTCUSDT/1":   "data/spot/monthly/klines/BTCUSDT/12h/ data/spot/monthly/klines/BTCUSDT/15m/ data/spot/monthly/klines/BTCUSDT/1d/ data/spot/monthly/klines/BTCUSDT/1h/ data/spot/monthly/klines/BTCUSDT/1m/ data/spot/monthly/klines/BTCUSDT/1mo/ data/spot/monthly/klines/BTCUSDT/1w/",
		"data/spot/daily/klines/BTCUSDT/1s/":   "",
		"data/futures/":                        "",
		"data/spot/daily/klines/NOPE/":         "",
		"data/spot/monthly/klines/BTCUSDT/3d/": "",
	} {
		if got := strings.Join(list(t, a, url.Values{"prefix": {prefix}, "delimiter": {"/"}}).Folders, " "); got != want {
			t.Errorf("%q: got %s, want %s", prefix, got, want)
		}
	}
	folders := url.Values{"prefix": {"data/spot/daily/klines/"}, "delimiter": {"/"}, "max-keys": {"2"}}
	p := list(t, a, folders)
	if !p.IsTruncated || p.NextMarker != "data/spot/daily/klines/BTCUSDT/" {
		t.Errorf("a page of two folders is %+v", p)
	}
	folders.Set("marker", p.NextMarker)
	if p := list(t, a, folders); p.IsTruncated || len(p.Folders) != 2 || p.Folders[0] != "data/spot/daily/klines/ETHUSDT/" {
		t.Errorf("the second page of folders is %+v", p)
	}
	all := list(t, a, url.Values{"prefix": {"data/spot/daily/klines/ARBUSDT/1m/"}})
	if len(all.Keys) != 22 || all.Keys[0] != "data/spot/daily/klines/ARBUSDT/1m/ARBUSDT-1m-2023-03-23.zip" || all.Keys[1] != all.Keys[0]+".CHECKSUM" {
		t.Errorf("ARBUSDT's keys are %v", all.Keys)
	}
	for _, query := range []string{"delimiter=x", "max-keys=x"} {
		if got := get(t, a, "/?"+query); got.Code != http.StatusBadRequest {
			t.Errorf("%s answers %d", query, got.Code)
		}
	}
}
