package logfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTidyLeavesAFileAloneUntilNobodyWritesToIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fresh, old, ahead := "x.log."+stampAt(3), "x.log."+stampAt(1), "x.log."+stampAt(2)
	for _, name := range []string{"x.log", fresh, old, ahead} {
		write(t, filepath.Join(dir, name), name+"\n")
	}
	age(t, filepath.Join(dir, "x.log"), time.Hour)
	age(t, filepath.Join(dir, old), quiet)
	age(t, filepath.Join(dir, ahead), -time.Hour) // the clock was set back
	if err := Tidy(t.Context(), dir, Caps{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"x.log", old + ".gz", ahead + ".gz", fresh}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := allLines(t, filepath.Join(dir, "x.log")), []string{old, ahead, fresh, "x.log"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// growing is a context that lets somebody write to the file while it is compressed.
type growing struct {
	context.Context
	write func()
}

func (g growing) Err() error {
	g.write()
	return g.Context.Err()
}

func TestTidyKeepsAFileThatGrowsWhileItIsCompressed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := "x.log." + stampAt(1)
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx := growing{t.Context(), func() {
		if _, err := file.WriteString("another\n"); err != nil {
			t.Error(err)
		}
	}}
	if err := tidy(ctx, dir, Caps{}, 0); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{name}) {
		t.Errorf("%q", got)
	}
}

func TestTidyEndsWhatACrashLeftHalfDone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	at := func(i int) string { return path + "." + stampAt(i) }
	text := numbered("line", 20_000) // several blocks
	for name, content := range map[string]string{
		// Died while compressing.
		at(0): "a\n", at(0) + ".gz.part": zipped("a\n")[:12],
		// Died before the removal.
		at(1): text, at(1) + ".gz": zipped(text),
		// The same, and then somebody wrote to the file.
		at(2): "c\nd\n", at(2) + ".gz": zipped("c\n"),
		// The machine died, and its disk lied.
		at(3): "e\n", at(3) + ".gz": zipped("e\n")[:20],
		at(4): "f\n", at(4) + ".gz": "",
		// What was compressed is removed already.
		at(5) + ".gz": zipped("g\n"), at(5) + ".gz.part": "",
	} {
		write(t, name, content)
	}
	before, err := os.Stat(at(1) + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := tidy(t.Context(), dir, Caps{}, 0); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 6 {
		want = append(want, "x.log."+stampAt(i)+".gz")
	}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	lines := "a\n" + text + "c\nd\ne\nf\ng\n"
	if got := allLines(t, path); strings.Join(got, "\n")+"\n" != lines {
		t.Errorf("%d lines, %.100q", len(got), got)
	}
	if after, err := os.Stat(at(1) + ".gz"); err != nil || !os.SameFile(before, after) {
		t.Errorf("what was compressed already was compressed again: %v", err)
	}
}

func TestTidyEndsSoonAfterItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := "x.log." + stampAt(1)
	write(t, filepath.Join(dir, name), strings.Repeat("0123456789", 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	err := tidy(growing{ctx, func() {
		if looks++; looks == 5 { // of several hundred blocks
			cancel()
		}
	}}, dir, Caps{}, 0)
	if !errors.Is(err, context.Canceled) || looks > 10 || !slices.Equal(names(t, dir), []string{name}) {
		t.Errorf("%v after %d looks, %q", err, looks, names(t, dir))
	}
}

func TestTidyNeverTouchesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	write(t, outside, "not ours\n")
	at := func(name string) string { return filepath.Join(dir, name) }
	others := []string{"x.log.1", "notes.txt", "x.log.20261124.gz", "x." + stampAt(1), ".log." + stampAt(1), "x.log." + stampAt(1) + ".bak"}
	for _, name := range others {
		write(t, at(name), strings.Repeat("not ours\n", 100))
	}
	link, pipe, folder, taken := "x.log."+stampAt(2), "x.log."+stampAt(3), "x.log."+stampAt(4)+".gz", "x.log."+stampAt(5)
	write(t, at(taken), "ours\n")
	if err := errors.Join(os.Symlink(outside, at(link)), os.Symlink(outside, at(taken+".gz")),
		os.Symlink(outside, at("y.log")), syscall.Mkfifo(at(pipe), 0o600), os.Mkdir(at(folder), 0o700)); err != nil {
		t.Fatal(err)
	}
	others = append(others, link, pipe, folder, taken+".gz", "y.log")
	err := tidy(t.Context(), dir, Caps{}, 0)
	if err == nil || !strings.Contains(err.Error(), taken+".gz is no regular file") {
		t.Errorf("%v", err)
	}
	if err := tidy(t.Context(), dir, Caps{PerLog: 1, Total: 1}, 0); err == nil {
		t.Error("what could not be compressed is not said")
	}
	slices.Sort(others)
	if got := names(t, dir); !slices.Equal(got, others) {
		t.Errorf("%q, want %q", got, others)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "not ours\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := Tidy(t.Context(), filepath.Join(dir, "missing"), Caps{}); err != nil {
		t.Errorf("no directory, no logs: %v", err)
	}
}

func TestTheCapsTakeTheOldestFilesFirst(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	make := func(t *testing.T) string {
		dir := t.TempDir()
		for name, size := range map[string]int{
			"a.log": 2 * kib, "a.log." + stampAt(1): 4 * kib, "a.log." + stampAt(3): 4 * kib, "a.log." + stampAt(5) + ".gz": 4 * kib,
			"b.log": 1 * kib, "b.log." + stampAt(2): 4 * kib, "b.log." + stampAt(4): 4 * kib,
			"gone.log." + stampAt(0): 4 * kib, // of a collector that is no more
		} {
			write(t, filepath.Join(dir, name), strings.Repeat("x", size))
		}
		return dir
	}
	for _, c := range []struct {
		name    string
		caps    Caps
		removed []string
		says    string
	}{
		{"no bound", Caps{}, nil, ""},
		{"just enough", Caps{PerLog: 14 * kib, Total: 27 * kib}, nil, ""},
		{"each log", Caps{PerLog: 9 * kib}, []string{"a.log." + stampAt(1), "a.log." + stampAt(3)}, ""},
		{"all logs", Caps{Total: 20 * kib}, []string{"gone.log." + stampAt(0), "a.log." + stampAt(1)}, ""},
		{"both", Caps{PerLog: 10 * kib, Total: 22 * kib}, []string{"a.log." + stampAt(1), "gone.log." + stampAt(0)}, ""},
		{"nothing left but live ones", Caps{Total: 3 * kib}, []string{"a.log." + stampAt(1), "a.log." + stampAt(3), "a.log." + stampAt(5) + ".gz",
			"b.log." + stampAt(2), "b.log." + stampAt(4), "gone.log." + stampAt(0)}, ""},
		{"live ones too large", Caps{Total: 3*kib - 1}, []string{"a.log." + stampAt(1), "a.log." + stampAt(3), "a.log." + stampAt(5) + ".gz",
			"b.log." + stampAt(2), "b.log." + stampAt(4), "gone.log." + stampAt(0)}, "the live files alone have 3072 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := make(t)
			want := slices.DeleteFunc(names(t, dir), func(name string) bool { return slices.Contains(c.removed, name) })
			err := Tidy(t.Context(), dir, c.caps) // they are too fresh to be compressed
			if got := names(t, dir); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTheTotalHoldsWithTwentyLogsThatAreWrittenTo(t *testing.T) {
	t.Parallel()
	const logs, size, total = 20, 8 << 10, 400 << 10
	dir := t.TempDir()
	for round := range 6 {
		for i := range logs {
			log := rotating(t, filepath.Join(dir, fmt.Sprintf("%d.log", i)), size)
			for j := range 400 {
				say(t, log, fmt.Sprintf("round %d line %d %x\n", round, j, (round+i+j)*2654435761))
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}
		quiet := time.Duration(round%2) * time.Hour // compressing and not
		if err := tidy(t.Context(), dir, Caps{PerLog: 30 << 10, Total: total}, quiet); err != nil {
			t.Error(err)
		}
		var sum int64
		each := make(map[string]int64)
		for _, name := range names(t, dir) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			sum += info.Size()
			log, _, _ := strings.Cut(name, ".log")
			each[log] += info.Size()
		}
		if sum > total || sum < total/8 || len(each) != logs {
			t.Errorf("round %d: %d bytes in %d logs", round, sum, len(each))
		}
		for log, size := range each {
			if size > 30<<10 {
				t.Errorf("log %s has %d bytes", log, size)
			}
		}
	}
}
