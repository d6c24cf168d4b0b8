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
