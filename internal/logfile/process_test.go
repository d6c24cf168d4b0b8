package logfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFollowSeesEveryLineOnceAcrossRotationsAndCompression(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	var ended atomic.Bool
	var begun sync.Once
	var side sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer side.Wait()
	defer cancel()
	side.Go(func() {
		for ctx.Err() == nil {
			if err := tidy(ctx, filepath.Dir(path), Caps{}, 0); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	cmd := start(t, "many", path)
	write := func() {
		if err := cmd.Run(); err != nil {
			t.Error(err)
		}
		ended.Store(true)
	}
	var lines []string
	next := make([]int, manyWriters)
	isOver := func() bool {
		begun.Do(func() { side.Go(write) }) // what is written from now on is followed
		return ended.Load()
	}
	err := Follow(ctx, path, 0, isOver, func(line string) error {
		lines = append(lines, line)
		var writer, i int
		_, fields, _ := strings.Cut(line, "writer=")
		if _, err := fmt.Sscanf(fields, "%d line=%d", &writer, &i); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		if next[writer] != i {
			return fmt.Errorf("writer %d: line %d came instead of %d", writer, i, next[writer])
		}
		next[writer]++
		return nil
	})
	cancel()
	side.Wait()
	if err != nil || len(lines) != manyWriters*manyLines {
		t.Fatalf("%d lines of %d, %v", len(lines), manyWriters*manyLines, err)
	}
	if all := allLines(t, path); !slices.Equal(all, lines) {
		t.Error("the files hold something else")
	}
	if err := tidy(t.Context(), filepath.Dir(path), Caps{}, 0); err != nil {
		t.Error(err)
	}
	newest, err := Tail(path, 5000)
	if err != nil || !slices.Equal(newest, lines[len(lines)-len(newest):]) || len(newest) < 5000 {
		t.Errorf("Tail gives %d others, %v", len(newest), err)
	}
	t.Logf("%d files", len(names(t, filepath.Dir(path))))
}

// TestKillsLoseAndDoubleNothing kills the writer, and whoever tidies, at moments that nobody chose.
func TestKillsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	const rounds = 15
	path := filepath.Join(t.TempDir(), "x.log")
	var ended atomic.Bool
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	var followed []string
	var side sync.WaitGroup
	side.Go(func() {
		defer begin()
		isOver := func() bool {
			begin()
			return ended.Load()
		}
		err := Follow(t.Context(), path, 0, isOver, func(line string) error {
			followed = append(followed, line)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	kill := func(cmd *exec.Cmd, after time.Duration) {
		time.Sleep(after) // the moment is the test's subject, nothing waits for it
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
	<-begun
	acked := make([]int, rounds)
	for round := range rounds {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		writing := start(t, "acknowledging", path, fmt.Sprintf("LOGFILE_TEST_ROUND=%d", round))
		writing.ExtraFiles = []*os.File{writer}
		tidying := start(t, "tidying", path)
		for _, cmd := range []*exec.Cmd{writing, tidying} {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
		}
		writer.Close()
		var kills sync.WaitGroup
		kills.Go(func() { // once it writes
			var acks bytes.Buffer
			if _, err := io.CopyN(&acks, reader, 8*200); err != nil {
				t.Error(err)
			}
			kills.Go(func() { kill(tidying, time.Duration(rand.IntN(20_000))*time.Microsecond) })
			kills.Go(func() { kill(writing, time.Duration(rand.IntN(20_000))*time.Microsecond) })
			if _, err := io.Copy(&acks, reader); err != nil {
				t.Error(err)
			}
			last := acks.Len()/8*8 - 8
			acked[round] = int(binary.BigEndian.Uint64(acks.Bytes()[last:]))
		})
		kills.Wait()
		reader.Close()
	}
	ended.Store(true)
	side.Wait()
	if err := tidy(t.Context(), filepath.Dir(path), Caps{}, 0); err != nil {
		t.Error(err)
	}
	var archives int
	seen := make(map[string]bool)
	for _, name := range names(t, filepath.Dir(path)) {
		_, stamp, is, ok := parseName(name)
		if ok && (is != packed || seen[stamp]) {
			t.Errorf("%s is left behind", name)
		}
		if ok {
			archives++
		}
		seen[stamp] = true
	}
	all := allLines(t, path)
	if !slices.Equal(all, followed) {
		t.Errorf("the files hold %d lines, Follow gave %d", len(all), len(followed))
	}
	rest := all
	for round, last := range acked {
		for i := 0; ; i++ {
			prefix := fmt.Sprintf("%d %d y", round, i)
			if len(rest) == 0 || !strings.HasPrefix(rest[0], prefix) {
				if i <= last || i > last+2 {
					t.Fatalf("round %d ends with line %d and said %d; then comes %.40q", round, i-1, last, rest[:min(1, len(rest))])
				}
				break
			}
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d lines too many, %.40q first", len(rest), rest[0])
	}
	t.Logf("%d lines in %d set-aside files", len(all), archives)
}

func TestAPanicLandsInTheNewestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	cmd := start(t, "panicking", path)
	cmd.Stderr = nil // as the agent does it: descriptors of the log, or none
	if err := cmd.Run(); err == nil {
		t.Fatal("it went well")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"printed in passing\n", "panic: the last words\n", "goroutine 1 ["} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if found, err := Tail(path, 200); err != nil || !slices.ContainsFunc(found, func(line string) bool { return strings.HasPrefix(line, "line 0 ") }) {
		t.Errorf("%q, %v", found, err)
	}
}

func TestADirectoryThatCannotBeWrittenToKeepsTheLogInItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	write(t, path, "")
	if os.Getuid() == 0 { // the child gives its rights up
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		for _, up := range []string{filepath.Dir(dir), dir} {
			if err := os.Chmod(up, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	out, err := start(t, "unprivileged", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := allLines(t, path)
	if len(out) > 0 || !slices.Equal(names(t, dir), []string{"x.log"}) {
		t.Errorf("%q, %s", names(t, dir), out)
	}
	written := len(lines) - 1 // up to twice the size, and what Close says at the end
	if bytes := len(strings.Join(lines[:written], "\n")); bytes <= 1<<10 || bytes > 2<<10 {
		t.Errorf("%d bytes were written", bytes)
	}
	if want := fmt.Sprintf("lines=%d error=", 100-written); !strings.Contains(lines[written], want) || !strings.Contains(lines[written], "permission denied") {
		t.Errorf("%q instead of …%s…", lines[written], want)
	}
}

func TestWithoutDescriptorsTheFileIsPutBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	if out, err := start(t, "few descriptors", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, line := range allLines(t, path) {
		if !strings.HasPrefix(line, fmt.Sprintf("line %d ", i)) {
			t.Errorf("%d: %.20q", i, line)
		}
	}
	var sizes []int64
	for _, name := range names(t, filepath.Dir(path)) {
		info, err := os.Stat(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size()/490)
	}
	// Two lines a file; the live one (first by name) was begun once descriptors were there again, and
	// the one that was put back has what was written meanwhile.
	if want := []int64{1, 2, 4}; !slices.Equal(sizes, want) {
		t.Errorf("%v lines, want %v", sizes, want)
	}
}
