package logfile

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func logAt(t *testing.T, text string) (path string, add func(string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	add = func(text string) {
		if _, err := file.WriteString(text); err != nil {
			t.Error(err)
		}
	}
	add(text)
	return path, add
}

func TestTailGivesTheNewestLines(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&many, "line %d\n", i)
	}
	for _, c := range []struct {
		name, text string
		n          int
		want       []string
	}{
		{"an empty log", "", 5, nil},
		{"fewer than asked for", "a\nb\n", 5, []string{"a", "b"}},
		{"more than asked for", "a\nb\nc\n", 2, []string{"b", "c"}},
		{"a line under way", "a\nb", 2, []string{"a", "b"}},
		{"Windows ends and empty lines", "a\r\n\r\nb\n", 3, []string{"a", "", "b"}},
		{"no UTF-8", "a\xff\n", 1, []string{"a�"}},
		{"a large log", many.String(), 2, []string{"line 199998", "line 199999"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, _ := logAt(t, c.text)
			if got, err := Tail(path, c.n); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	if got, err := Tail(filepath.Join(t.TempDir(), "none"), 3); err != nil || got != nil {
		t.Errorf("a missing log: %q, %v", got, err)
	}
}

func TestTailGoesBackOverWhatWasSetAside(t *testing.T) {
	t.Parallel()
	type files map[string]string
	aside := func(i int) string { return "." + stampAt(i) }
	long := numbered("long", 200_000) // more than Tail looks at
	for _, c := range []struct {
		name  string
		files files
		n     int
		want  []string
	}{
		{"plain and packed", files{"": "e\n", aside(2): "d\n", aside(1) + ".gz": zipped("b\nc\n"), aside(0): "a\n"}, 4, []string{"b", "c", "d", "e"}},
		{"all there is", files{"": "c\n", aside(2): "", aside(1) + ".gz": zipped("a\nb")}, 9, []string{"a", "b", "c"}},
		{"no live file", files{aside(1): "b\n", aside(0): "a\n"}, 9, []string{"a", "b"}},
		{"no live file, all packed", files{aside(1) + ".gz": zipped("b\n"), aside(0) + ".gz": zipped("a\n")}, 9, []string{"a", "b"}},
		{"both forms of a file", files{"": "c\n", aside(1): "a\nb\n", aside(1) + ".gz": zipped("a\n")}, 9, []string{"a", "b", "c"}},
		{"a compression under way", files{"": "c\n", aside(1): "b\n", aside(1) + ".gz.part": "\x1f\x8b"}, 9, []string{"b", "c"}},
		{"other names", files{"": "c\n", ".1": "x\n", ".20261124": "x\n", aside(1) + ".bak": "x\n", "." + aside(1): "x\n"}, 9, []string{"c"}},
		{"a broken archive", files{"": "c\n", aside(1) + ".gz": zipped("b\n")[:20], aside(0): "a\n"}, 9, []string{"c"}},
		{"nothing asked for", files{"": "c\n", aside(1): "b\n"}, 0, nil},
		{"less than nothing", files{"": "c\n"}, -1, nil},
		{"a long packed file", files{"": "end\n", aside(1) + ".gz": zipped(long), aside(0): "a\n"}, 3, []string{"long 199998", "long 199999", "end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.log")
			for name, text := range c.files {
				write(t, path+name, text)
			}
			if got, err := Tail(path, c.n); err != nil || len(got)+len(c.want) > 0 && !slices.Equal(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// TestTailIsBounded in what it reads of long logs, unpacks of packed ones and opens of many.
func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "long.log")
	write(t, path, "end\n")
	write(t, path+"."+stampAt(1), numbered("long", 200_000))
	write(t, path+"."+stampAt(0), "not seen\n")
	all, err := Tail(path, 1_000_000)
	if size := len(strings.Join(all, "\n")); err != nil || size > maxTail || size < maxTail-100 || all[len(all)-1] != "end" || !strings.HasPrefix(all[0], "long 1") {
		t.Errorf("%d bytes, %v", size, err)
	}

	bomb := filepath.Join(dir, "bomb.log")
	write(t, bomb, "end\n")
	write(t, bomb+"."+stampAt(0), "not seen\n")
	file, err := os.Create(bomb + "." + stampAt(1) + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(file)
	for range (maxUnpacked >> 20) + 1 {
		if _, err := zip.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if got, err := Tail(bomb, 5); err != nil || !slices.Equal(got, []string{"end"}) {
		t.Errorf("%.40q, %v", got, err)
	}

	many := filepath.Join(dir, "many.log")
	for i := range 2 * maxArchives {
		write(t, many+"."+stampAt(i), fmt.Sprintf("start %d\n", i))
	}
	write(t, many, "end\n")
	if got, err := Tail(many, 1000); err != nil || len(got) != maxArchives+1 || got[0] != "start 64" {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

func TestTailReadsNothingButFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	write(t, filepath.Join(dir, "secret"), "a secret\n")
	if err := os.Symlink(filepath.Join(dir, "secret"), path+"."+stampAt(1)); err != nil {
		t.Fatal(err)
	}
	write(t, path, "end\n")
	if got, err := Tail(path, 5); err != nil || !slices.Equal(got, []string{"end"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Tail(dir, 5); err == nil {
		t.Errorf("of a directory: %q", got)
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb"), []byte("c\n"), []byte(zipped("d\ne\n")), 3)
	f.Add([]byte("\r\n\n"), []byte("\xff"), []byte(zipped(strings.Repeat("x", 1<<17))), 100)
	f.Add([]byte(""), []byte(""), []byte(zipped("d\n")[:15]), 1)
	f.Fuzz(func(t *testing.T, live, plainText, packedBytes []byte, n int) {
		path := filepath.Join(t.TempDir(), "x.log")
		write(t, path+"."+stampAt(0)+".gz", string(packedBytes))
		write(t, path+"."+stampAt(1), string(plainText))
		write(t, path, string(live))
		lines, err := Tail(path, n)
		if err != nil || len(lines) > max(0, n) {
			t.Fatalf("%d lines of %d, %v", len(lines), n, err)
		}
		for _, line := range lines {
			if strings.Contains(line, "\n") || len(line) > 3*maxLine {
				t.Fatalf("%.100q", line)
			}
		}
		var followed []string
		err = Follow(t.Context(), path, n, func() bool { return true }, func(line string) error {
			followed = append(followed, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// What Tail gives of an incomplete line is complete for Follow, which cuts in another place.
		if len(live)+len(plainText) < maxLine && len(lines) > 0 && !slices.Equal(lines, followed) {
			t.Fatalf("Tail %.100q, Follow %.100q", lines, followed)
		}
	})
}
