package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func rotating(t testing.TB, path string, size int64) *Rotating {
	t.Helper()
	log, err := OpenRotating(path, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func say(t *testing.T, log *Rotating, record string) {
	t.Helper()
	if n, err := log.Write([]byte(record)); n != len(record) || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
}

func TestALogIsSetAsideBeforeTheLineThatWouldPassItsSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	log := rotating(t, path, 20)
	for _, record := range []string{
		"123456789\n", "123456789\n", // exactly as long as it may be
		"a\n", "two\nlines\n", "no end",
		strings.Repeat("long", 10), // cut
		"", "z\n",
	} {
		say(t, log, record)
	}
	var texts []string
	for _, name := range append(names(t, dir)[1:], "x.log") {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	want := []string{"123456789\n123456789\n", "a\ntwo\nlines\nno end\n", "longlonglonglonglon\n", "z\n"}
	if !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if _, err := log.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestALogGoesOnBehindWhatAnEarlierProcessLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	write(t, path, "whole\nbroken off")
	// A clock that went wrong once: what comes is named after it, even so.
	write(t, path+".20991231T000000.000000000Z.gz", zipped("old\n"))
	say(t, rotating(t, path, 30), "new\n")
	say(t, rotating(t, path, 30), "and newer\n")
	if got, want := allLines(t, path), []string{"old", "whole", "broken off", "new", "and newer"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := names(t, dir), "x.log.20991231T000000.000000001Z"; !slices.Contains(got, want) {
		t.Errorf("%q lacks %s", got, want)
	}
}

func TestALogThatCannotBeOneIsNotOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link.log")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*Rotating, error){
		"no size":          func() (*Rotating, error) { return OpenRotating(filepath.Join(dir, "a.log"), 0) },
		"a directory":      func() (*Rotating, error) { return OpenRotating(dir, 10) },
		"no directory":     func() (*Rotating, error) { return OpenRotating(filepath.Join(dir, "none", "a.log"), 10) },
		"a symbolic link":  func() (*Rotating, error) { return OpenRotating(link, 10) },
		"a bad descriptor": func() (*Rotating, error) { return OpenRotating(filepath.Join(dir, "b.log"), 10, -1) },
	} {
		if log, err := open(); err == nil || log != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALogThatSomebodyElseTookAwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".mine") },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("their own, and not ended"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "x.log")
				log := rotating(t, path, 1000)
				say(t, log, "before\n")
				if err := take(path); err != nil {
					t.Fatal(err)
				}
				time.Sleep(lookEvery)
				say(t, log, "after\n")
				text, err := os.ReadFile(path)
				if want := map[string]string{"replaced": "their own, and not ended\n"}[name] + "after\n"; err != nil || string(text) != want {
					t.Errorf("%q, %v; want %q", text, err, want)
				}
			})
		})
	}
}

func TestARotationFindsThatSomebodyElseWasFaster(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	log := rotating(t, path, 20)
	say(t, log, "123456789\n")
	if err := SetAside(path, 5); err != nil {
		t.Fatal(err)
	}
	write(t, path, "it is full already\n")
	say(t, log, "12345678901\n")
	want := []string{"123456789", "it is full already", "12345678901"}
	if got := allLines(t, path); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A directory in place of the log keeps it from being opened, as a rotation without rights does.
func TestARotationThatFailedIsTriedAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.log")
		log := rotating(t, path, 20)
		say(t, log, "1234567890123\n")
		if err := errors.Join(os.Rename(path, path+".mine"), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		say(t, log, "1234567890123\n") // to the old file: 28 bytes of 40
		for range 3 {
			say(t, log, `{"msg":"lost one"}`+"\n")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		say(t, log, "lost too: 567\n") // too soon
		time.Sleep(retryAfter)
		say(t, log, `{"msg":"found"}`+"\n")
		lines := allLines(t, path)
		if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"time":"`) || !strings.Contains(lines[0], `"level":"WARN"`) || !strings.Contains(lines[0], `"lines":4,"error":"`) || lines[1] != `{"msg":"found"}` {
			t.Errorf("%q", lines)
		}
		if text, err := os.ReadFile(path + ".mine"); err != nil || strings.Count(string(text), "\n") != 2 {
			t.Errorf("%q, %v", text, err)
		}
	})
}

func TestSetAsideTakesOnlyWhatIsTooLong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	if err := SetAside(path, 0); err != nil {
		t.Errorf("a missing log: %v", err)
	}
	write(t, path, "12345\n")
	if err := SetAside(path, 6); err != nil || len(names(t, dir)) != 1 || names(t, dir)[0] != "x.log" {
		t.Errorf("%q, %v", names(t, dir), err)
	}
	for i := range 5 { // within the same moment, perhaps
		write(t, path, fmt.Sprintf("line %d\n", i))
		if err := SetAside(path, 3); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := allLines(t, path), []string{"12345", "line 1", "line 2", "line 3", "line 4"}; len(got) != 5 || !slices.Equal(got[1:], want[1:]) {
		t.Errorf("%q", got)
	}
	if err := os.Symlink("/dev/null", filepath.Join(dir, "y.log")); err != nil {
		t.Fatal(err)
	}
	if err := SetAside(filepath.Join(dir, "y.log"), 0); err == nil {
		t.Error("a symbolic link was set aside")
	}
}

func TestANameThatIsTakenIsPassedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	now := time.Now()
	taken := path + "." + stampAfter("", now)
	write(t, path, "new\n")
	write(t, taken, "old\n")
	for name, rename := range map[string]func(from, to string) error{"by the system": renameFresh, "by a look": renameLooked} {
		if err := rename(path, taken); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stamp, err := setAside(path, "", now)
	if err != nil || stamp <= stampAfter("", now) {
		t.Errorf("%s, %v", stamp, err)
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "old\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	record := []byte(`time=2026-11-24T03:35:23.123Z level=INFO msg="a candle was stored" series=binance:ETHUSDT:1m open=1795000000000` + "\n")
	b.Run("plain file", func(b *testing.B) {
		file, err := os.OpenFile(filepath.Join(b.TempDir(), "x.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := file.Write(record); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rotating at 4 MiB", func(b *testing.B) {
		log := rotating(b, filepath.Join(b.TempDir(), "x.log"), 4<<20)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := log.Write(record); err != nil {
				b.Fatal(err)
			}
		}
	})
}
