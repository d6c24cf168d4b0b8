package logfile

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also the process that writes or tidies, in the mode of its environment.
func TestMain(m *testing.M) {
	if mode := os.Getenv("LOGFILE_TEST_CHILD"); mode != "" {
		time.AfterFunc(time.Minute, func() { os.Exit(99) })
		child(mode)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child works on x.log in its current directory.
func child(mode string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(7)
		}
	}
	open := func(size int64, standard ...int) *Rotating {
		log, err := OpenRotating("x.log", size, standard...)
		fail(err)
		return log
	}
	switch mode {
	case "many": // goroutines log side by side
		log := open(16<<10, 1, 2)
		logger := slog.New(slog.NewTextHandler(log, nil))
		var writers sync.WaitGroup
		for writer := range manyWriters {
			writers.Go(func() {
				for i := range manyLines {
					logger.Info("a line", "writer", writer, "line", i, "pad", strings.Repeat("x", i%100))
				}
			})
		}
		writers.Wait()
		fail(log.Close())
	case "acknowledging": // says after each line that it is written
		log := open(4<<10, 1, 2)
		acks := os.NewFile(3, "acks")
		for i := uint64(0); ; i++ {
			fmt.Fprintf(log, "%s %d %s\n", os.Getenv("LOGFILE_TEST_ROUND"), i, strings.Repeat("y", 60))
			fail(binary.Write(acks, binary.BigEndian, i))
		}
	case "tidying":
		for {
			fail(tidy(context.Background(), ".", Caps{}, 0))
		}
	case "panicking":
		log := open(1<<10, 1, 2)
		for i := range 100 {
			fmt.Fprintf(log, "line %d %s\n", i, strings.Repeat("z", 50))
		}
		fmt.Println("printed in passing")
		panic("the last words")
	case "unprivileged": // in a directory that it must not write to
		if os.Getuid() == 0 {
			fail(syscall.Setgid(nobody))
			fail(syscall.Setuid(nobody))
		}
		log := open(1 << 10)
		for i := range 100 {
			fmt.Fprintf(log, "line %d %s\n", i, strings.Repeat("z", 50))
		}
		if err := log.Close(); err != nil {
			fmt.Println(err)
		}
	case "few descriptors":
		log := open(1 << 10)
		line := func(i int) { fmt.Fprintf(log, "line %d %s\n", i, strings.Repeat("z", 490)) }
		for i := range 4 { // one rotation
			line(i)
		}
		var limit syscall.Rlimit
		fail(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		few := limit
		few.Cur = 3
		fail(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
		line(4) // the file is set aside, no new one can be opened, it is put back
		fail(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
		line(5)
		log.failed = log.failed.Add(-retryAfter)
		line(6)
		fail(log.Close())
	}
}

const (
	manyWriters = 8
	manyLines   = 3000
	nobody      = 65534
)

// start prepares a child that works on the log at path, x.log.
func start(t *testing.T, mode, path string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Dir = filepath.Dir(path)
	cmd.Env = append(append(os.Environ(), "LOGFILE_TEST_CHILD="+mode), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// allLines reads every file of a log in the order of their names, as a second witness beside Tail and Follow.
func allLines(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".2*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var lines []string
	for _, name := range append(names, path) {
		file, err := os.Open(name)
		if name == path && os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var text io.Reader = file
		if strings.HasSuffix(name, ".gz") {
			if text, err = gzip.NewReader(file); err != nil {
				t.Fatal(err)
			}
		}
		scanner := bufio.NewScanner(text)
		for scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
		if err := scanner.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file.Close()
	}
	return lines
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry.Name()
	}
	return list
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// age makes a file look as if nobody had written to it for a while.
func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

func stampAt(i int) string { return stampAfter("", time.Date(2026, 11, 24, 3, 35, i, 0, time.UTC)) }

func zipped(text string) string {
	var out strings.Builder
	zip := gzip.NewWriter(&out)
	_, _ = io.WriteString(zip, text)
	_ = zip.Close()
	return out.String()
}

func numbered(prefix string, n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(prefix + " " + strconv.Itoa(i) + "\n")
	}
	return all.String()
}
