package simulate

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, content)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// loadRows loads a directory and gives all final rows of one series.
func loadRows(t testing.TB, dir string, want LoadOptions, symbol string, tf candle.Timeframe) []klineapi.Row {
	t.Helper()
	r, err := Load(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(r.instruments(1), statusTrading)
	return f.Rows(symbol, tf, 0, Forever, everything, 1<<30, false)
}

const (
	msRow     = "1679659200000,28080.00000000,28090.50000000,28079.00000000,28081.10000000,1.50000000,1679659259999,42120.75000000,7,0.50000000,14040.25000000,0\n"
	microsRow = "1679659200000000,28080.00000000,28090.50000000,28079.00000000,28081.10000000,1.50000000,1679659259999999,42120.75000000,7,0.50000000,14040.25000000,0\n"
	restRow   = `[1679659200000,"28080.00000000","28090.50000000","28079.00000000","28081.10000000","1.50000000",1679659259999,"42120.75000000",7,"0.50000000","14040.25000000","0"]`
	wantCSV   = "1679659200000,28080.00000000,28090.50000000,28079.00000000,28081.10000000,1.50000000,1679659259999,42120.75000000,7,0.50000000,14040.25000000"
)

// SIM-A2: the same candle from ms and µs, with and without header, from every form and place.
func TestOneCandleIsReadAlikeFromEveryForm(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"daily/BTCUSDT-1m-2023-03-24.zip":            zipped(t, map[string]string{"BTCUSDT-1m-2023-03-24.csv": msRow}),
		"monthly/BTCUSDT-1m-2023-03.zip":             zipped(t, map[string]string{"x.csv": csvHeader + microsRow}),
		"BTCUSDT-1m-2023-03-24.csv":                  []byte("\xef\xbb\xbf" + csvHeader + strings.ReplaceAll(msRow, "\n", "\r\n")),
		"BTCUSDT-1m-2023-03.csv.gz":                  gzipped(t, microsRow),
		"a/b/BTCUSDT/1m/2023-03-24.json.gz":          gzipped(t, "[\n  "+restRow+"\n]\n"),
		"BTCUSDT/1m/body.json":                       []byte("[" + strings.ReplaceAll(restRow, ",", " ,\t") + "]"),
		"copy of BTCUSDT-1m-2023-03-24 (2).csv":      []byte(msRow),
		"eleven columns/BTCUSDT-1m-2023-03-24.csv":   []byte(strings.Replace(msRow, ",0\n", "\n", 1)),
		"quoted by a tool/BTCUSDT-1m-2023-03-24.csv": []byte(csvHeader + `"` + strings.ReplaceAll(strings.TrimSpace(msRow), ",", `","`) + `"`),
	} {
		rows := loadRows(t, writeFile(t, t.TempDir(), name, content), LoadOptions{}, "BTCUSDT", candle.Minute1)
		if len(rows) != 1 || string(rows[0].AppendCSV(nil)) != wantCSV {
			t.Errorf("%s gave %+v", name, rows)
		}
	}
}

func TestFiveColumnsKeepTheirTextAndGetACloseTime(t *testing.T) {
	t.Parallel()
	dir := writeFile(t, t.TempDir(), "1INCH_USDT-1m.json.gz",
		gzipped(t, "[[1618790400000,5.2928,5.3095,5.2916,5.2975,2287047.7999999998],[1618790460000,5.0,5.0,5.0,5.0,0.0],[1618790520000, 1e-06,0.0000012, 1E-6,0.0000011,65185193.0]]"))
	rows := loadRows(t, dir, LoadOptions{}, "1INCHUSDT", candle.Minute1)
	var lines []string
	for _, row := range rows {
		lines = append(lines, string(row.AppendCSV(nil)))
		if row.FirstTrade != -1 || row.LastTrade != -1 {
			t.Errorf("a row without known trades has trade ids %d to %d", row.FirstTrade, row.LastTrade)
		}
	}
	want := []string{
		"1618790400000,5.2928,5.3095,5.2916,5.2975,2287047.7999999998,1618790459999,0.00000000,0,0.00000000,0.00000000",
		"1618790460000,5.0,5.0,5.0,5.0,0.0,1618790519999,0.00000000,0,0.00000000,0.00000000",
		"1618790520000,0.000001,0.0000012,0.000001,0.0000011,65185193.0,1618790579999,0.00000000,0,0.00000000,0.00000000",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhereFilesDisagreeTheArchiveWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	edit := func(row, volume string, trades string) string {
		return strings.Replace(strings.Replace(row, "1.50000000", volume, 1), ",7,", ","+trades+",", 1)
	}
	writeFile(t, dir, "BTCUSDT/1m/a.json", []byte("["+edit(restRow, "1.11000000", "99")+"]"))
	writeFile(t, dir, "z/BTCUSDT-1m-2023-03-24.csv", []byte(edit(msRow, "1.40000000", "6"))) // fetched while it was open
	writeFile(t, dir, "a/BTCUSDT-1m-2023-03-24.csv", []byte(msRow))
	writeFile(t, dir, "BTC_USDT-1m.json", []byte("[[1679659200000,1,1,1,1,1]]"))
	rows := loadRows(t, dir, LoadOptions{}, "BTCUSDT", candle.Minute1)
	if len(rows) != 1 || string(rows[0].AppendCSV(nil)) != wantCSV {
		t.Errorf("got %+v", rows)
	}
}

func TestOnlyWhatIsAskedForIsKept(t *testing.T) {
	t.Parallel()
	data := filepath.Join(sharedData(t), "archive-daily")
	r, err := Load(data, LoadOptions{Symbols: []string{"SOLUSDT"}, From: at("2023-03-25"), To: at("2023-03-27 00:30"), Logger: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Symbols(), " "); got != "SOLUSDT" {
		t.Errorf("loaded %s", got)
	}
	if want := 2*1440 + 30 + 2*96 + 2 + 2*24 + 1; r.Rows != want {
		t.Errorf("kept %d rows, not %d", r.Rows, want)
	}
	if r.Files != 9 {
		t.Errorf("read %d files, where nine days' files of three timeframes hold what is asked", r.Files)
	}
}

// The whole of the real recordings, byte for byte: every row of every archive zip is served as it
// stands in its file (SIM-T5).
func TestEveryRecordedRowIsServedByteForByte(t *testing.T) {
	t.Parallel()
	f := replay(t, "archive-daily")
	paths, err := filepath.Glob(filepath.Join(sharedData(t), "archive-daily", "*", "*", "*.zip"))
	if err != nil || len(paths) == 0 {
		t.Fatal(len(paths), err)
	}
	compared := 0
	for _, path := range paths {
		name, ok := parseFileName(path)
		if !ok {
			t.Fatal(path)
		}
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := z.File[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(content).ReadAll() // another reader than the one under test
		if err != nil {
			t.Fatal(err)
		}
		z.Close()
		rows := f.Rows(name.symbol, name.timeframe, 0, Forever, candle.Range{From: name.from, To: name.until - 1}, 2000, false)
		if len(rows) != len(records) {
			t.Fatalf("%s has %d rows, %d are served", path, len(records), len(rows))
		}
		for i, record := range records {
			if got, want := string(rows[i].AppendCSV(nil)), strings.Join(record[:11], ","); got != want {
				t.Fatalf("%s line %d\nserved   %s\nrecorded %s", path, i+1, got, want)
			}
		}
		compared += len(rows)
	}
	t.Logf("%d rows of %d files compared", compared, len(paths))
}

func TestDamagedFilesAreRefusedWithTheirNameAndLine(t *testing.T) {
	t.Parallel()
	spreadsheet := strings.Replace(msRow, "1679659200000", "1.67966E+12", 1)
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"BTCUSDT-1m-2023-03-24.csv":                {[]byte(csvHeader + msRow + spreadsheet), "line 3: the open time \"1.67966E+12\""},
		"x/BTCUSDT-1m-2023-03-25.csv":              {[]byte(strings.Replace(msRow, ",7,", ",,", 1)), "line 1: \"\" is no number of trades"},
		"BTCUSDT-1m-2023-03-26.csv":                {[]byte(strings.Replace(msRow, "28090.5", "28060.5", 1)), "line 1: the high 28060.50000000"},
		"BTCUSDT-1m-2023-03-27.csv":                {[]byte(strings.Replace(msRow, "28079.0", "28080.5", 1)), "line 1: the low 28080.50000000"},
		"BTCUSDT-1m-2023-03-28.csv":                {[]byte(strings.Replace(msRow, "1.5000", "-1.5000", 1)), "line 1"},
		"BTCUSDT-1m-2023-03-29.csv":                {[]byte("1,2,3\n"), "this one has 3"},
		"BTCUSDT-1m-2023-03-30.csv":                {[]byte(strings.TrimSpace(msRow) + ",1\n"), "has more"},
		"BTCUSDT-1m-2023-03-31.csv":                {bytes.Repeat([]byte("1"), 3000), "line 1"},
		"BTCUSDT-1m-2023-04-01.zip":                {zipped(t, map[string]string{"a.csv": msRow, "b.csv": msRow}), "holds 2 files"},
		"BTCUSDT-1m-2023-04-02.zip":                {zipped(t, map[string]string{"a.csv": msRow})[:90], "truncated"},
		"BTCUSDT-1m-2023-04-03.csv.gz":             {[]byte("no gzip"), "not gzipped"},
		"BTCUSDT-1m-2023-04-04.csv.gz":             {gzipped(t, strings.Repeat(msRow, 100))[:60], "unexpected EOF"},
		"BTCUSDT/1m/truncated.json":                {[]byte("[" + restRow + ",\n[1679659200000,"), "line 2, row 2: unexpected EOF"},
		"BTCUSDT/1m/object.json":                   {[]byte(`{"code":-1121}`), "no JSON array of rows"},
		"BTCUSDT/1m/short.json":                    {[]byte(`[[1,2]]`), "this one has 2"},
		"BTCUSDT/1m/after.json":                    {[]byte(`[` + restRow + `]x`), "follows the end"},
		"BTCUSDT/1m/long.json":                     {[]byte(`[[` + strings.Repeat("1", 5000) + `]]`), "longer than any candle"},
		"BTCUSDT/1m/many.json":                     {[]byte(`[[` + strings.Repeat("1,", 5000) + `1]]`), "longer than any candle"},
		"nothing.txt":                              {[]byte(msRow), "no recording of what was asked"},
		"BTCUSDT-1m-2023-04-05.csv":                {nil, "hold no candle"},
		"futures/BTCUSDT-1m-2023-04-06.csv/readme": {nil, "no recording of what was asked"},
	} {
		dir := writeFile(t, t.TempDir(), name, c.content)
		_, err := Load(dir, LoadOptions{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v does not say %q", name, err, c.says)
		}
		if err != nil && c.content != nil && name != "nothing.txt" && !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: error %v does not name the file", name, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none"), LoadOptions{}); err == nil {
		t.Error("a folder that does not exist was taken")
	}
}

func TestAFileThatASpreadsheetRewroteIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(sharedData(t), "..", "known-bad"), LoadOptions{})
	for _, want := range []string{"excel-damaged.csv", "line 2", "1.70027E+12", "spreadsheet"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestAFileThatUnpacksWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	b := &bounded{from: endless{}, left: 1 << 20}
	n, err := io.Copy(io.Discard, b)
	if n != 1<<20 || err == nil {
		t.Errorf("%d bytes were read, then %v", n, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestFileNamesTellSeriesAndDate(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]recordedFile{
		"d/BTCUSDT-1m-2023-03-24.zip":   {symbol: "BTCUSDT", timeframe: candle.Minute1, from: at("2023-03-24"), until: at("2023-03-25"), kind: "zip"},
		"BTCUSDT-1mo-2023-12.zip":       {symbol: "BTCUSDT", timeframe: candle.Month1, from: at("2023-12-01"), until: at("2024-01-01"), kind: "zip"},
		"1INCH_USDT-5m.json.gz":         {symbol: "1INCHUSDT", base: "1INCH", quote: "USDT", timeframe: candle.Minute5, kind: "json", gzipped: true},
		"ETHUSDT/1M/2010-01-01.json.gz": {symbol: "ETHUSDT", timeframe: candle.Month1, kind: "json", gzipped: true},
	} {
		want.path = name
		if got, ok := parseFileName(name); !ok || got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	for _, name := range []string{"readme.md", "BTCUSDT-7m-2023-03-24.zip", "BTCUSDT-1m-2023-03-24.zip.gz", "x.json", "binance-spot-halts.csv", "a b/1m/x.json", "raw.gz"} {
		if got, ok := parseFileName(name); ok {
			t.Errorf("%s was taken for %+v", name, got)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(csvHeader + msRow + microsRow))
	f.Add([]byte("1.70027E+12,36613.91\n"))
	f.Add([]byte("1,1,1,1,1,1,1,1,1,1,1,1\n\n,,,\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		readCSV(bytes.NewReader(content), func(row recordedRow) error { return packsAndUnpacks(t, row, formCSV) })
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte("[" + restRow + "]"))
	f.Add([]byte("[[1618790400000,5.2928,5.3095,5.2916,5.2975,2287047.7999999998] , [1,1e-6,1,1,1,0]]"))
	f.Add([]byte(`[["\u0031",[]]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		readJSON(bytes.NewReader(content), candle.Minute1, func(row recordedRow, form rowForm) error { return packsAndUnpacks(t, row, form) })
	})
}

// packsAndUnpacks checks that what a decoder lets through survives the tape.
func packsAndUnpacks(t *testing.T, row recordedRow, form rowForm) error {
	r := &reel{timeframe: candle.Minute1}
	if err := r.add(row, form); err != nil {
		t.Fatal(err)
	}
	r.finish()
	got := r.tape().row(0)
	if err := got.Validate(); err != nil {
		t.Fatalf("%+v became %v", row, err)
	}
	if got.OpenTime != row.openTime || got.CloseTime != row.closeTime || got.Trades != row.trades || got.Open.String() != row.numbers[0] || got.Volume.String() != row.numbers[4] {
		t.Fatalf("%+v became %+v", row, got)
	}
	return nil
}

func BenchmarkLoadTwoWeeksOfMinutes(b *testing.B) {
	data := filepath.Join(sharedData(b), "archive-daily")
	if _, err := os.Stat(data); err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		if _, err := Load(data, LoadOptions{Symbols: []string{"BTCUSDT"}, From: at("2023-03-20"), To: at("2023-04-03")}); err != nil {
			b.Fatal(err)
		}
	}
}
