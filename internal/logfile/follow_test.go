package logfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestFollowGoesOnUntilTheWriterHasEnded(t *testing.T) {
	t.Parallel()
	path, add := logAt(t, "old\nnew\nhal")
	var ended atomic.Bool
	var got []string
	err := Follow(t.Context(), path, 2, ended.Load, func(line string) error {
		got = append(got, line)
		switch line {
		case "new":
			add("f\n" + strings.Repeat("x", maxLine+10) + "\n")
		case "half":
			add("last\n")
			ended.Store(true)
		}
		return nil
	})
	want := []string{"new", "half", strings.Repeat("x", maxLine), strings.Repeat("x", 10), "last"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %d lines: %.200q", err, len(got), got)
	}
}

func TestFollowReadsAReplacedLogFromItsBeginning(t *testing.T) {
	t.Parallel()
	path, _ := logAt(t, "one\ntwo\n")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	err := Follow(ctx, path, 10, func() bool { return false }, func(line string) error {
		got = append(got, line)
		switch line {
		case "two":
			if err := os.Rename(path, path+".1"); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(path, []byte("three\n"), 0o600); err != nil {
				t.Error(err)
			}
		case "three":
			cancel()
		}
		return nil
	})
	if want := []string{"one", "two", "three"}; !errors.Is(err, context.Canceled) || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestFollowGoesOnOverFilesThatItNeverSawAlive lets each line that comes set files aside, pack and remove them.
func TestFollowGoesOnOverFilesThatItNeverSawAlive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	next := 0
	rotate := func(text string) {
		write(t, path, text)
		if err := os.Rename(path, path+"."+stampAt(next)); err != nil {
			t.Error(err)
		}
		next++
	}
	pack := func() {
		if err := tidy(t.Context(), filepath.Dir(path), Caps{}, 0); err != nil {
			t.Error(err)
		}
	}
	rotate("not asked for\nzero\n")
	write(t, path, "one\nbroken off")
	var ended atomic.Bool
	var got []string
	err := Follow(t.Context(), path, 3, ended.Load, func(line string) error {
		got = append(got, line)
		switch line {
		case "one": // which is aside and packed, like the next, before anybody looks; then one is plain
			if err := os.Rename(path, path+"."+stampAt(next)); err != nil {
				t.Error(err)
			}
			next++
			rotate("two\n")
			pack()
			rotate("three\n")
			rotate("four\n")
			write(t, path, "five\n")
		case "three": // four disappears unseen
			if err := os.Remove(path + "." + stampAt(next-1)); err != nil {
				t.Error(err)
			}
		case "five": // the writer dies after the renaming
			if err := os.Rename(path, path+"."+stampAt(next)); err != nil {
				t.Error(err)
			}
			next++
			rotate("six\n")
			ended.Store(true)
		}
		return nil
	})
	if want := []string{"zero", "one", "broken off", "two", "three", "five", "six"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestFollowStaysWithAFileThatIsPutBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	write(t, path+"."+stampAt(0), "zero\n")
	write(t, path+"."+stampAt(1), "one\n") // renamed a moment ago
	var ended atomic.Bool
	var looks int
	var got []string
	err := Follow(t.Context(), path, 9, func() bool {
		switch looks++; looks {
		case 2:
			file, err := os.OpenFile(path+"."+stampAt(1), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = file.WriteString("two\n")
			}
			if err := errors.Join(err, file.Close(), os.Rename(path+"."+stampAt(1), path)); err != nil {
				t.Error(err)
			}
		case 3:
			if err := os.Rename(path, path+"."+stampAt(2)); err != nil {
				t.Error(err)
			}
			write(t, path, "three\n")
			ended.Store(true)
		}
		return ended.Load()
	}, func(line string) error {
		got = append(got, line)
		return nil
	})
	if want := []string{"zero", "one", "two", "three"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestFollowHandsOnTheErrorsOfOthersAsTheyAre(t *testing.T) {
	t.Parallel()
	path, _ := logAt(t, "one\n")
	enough := errors.New("enough")
	err := Follow(t.Context(), path, 1, func() bool { return false }, func(string) error { return enough })
	if err != enough { //nolint:errorlint // it must be the very same
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Follow(ctx, path, 1, func() bool { return false }, func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	write(t, path+"."+stampAt(1)+".gz", "no archive")
	err = Follow(t.Context(), path, 0, func() bool {
		write(t, fmt.Sprintf("%s.%s.gz", path, stampAt(2)), "no archive")
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		return true
	}, func(string) error { return nil })
	if err == nil {
		t.Error("an archive that cannot be read was passed over")
	}
}
