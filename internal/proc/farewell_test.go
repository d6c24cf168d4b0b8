//go:build unix

package proc

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// heldLock gives the descriptor of a fresh lock file that is held for a run.
func heldLock(t testing.TB, runID string) (file *os.File, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.lock")
	file, err := acquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := beginLock(int(file.Fd()), Identity{PID: 7, RunID: runID}); err != nil {
		t.Fatal(err)
	}
	return file, path
}

func TestLastWordsAreReadByWhoKnowsTheRun(t *testing.T) {
	t.Parallel()
	file, path := heldLock(t, "run")
	if _, said, err := ReadFarewell(path, "run"); said || err != nil {
		t.Errorf("words before there are any: %v, %v", said, err)
	}
	retry := time.Date(2026, 11, 24, 3, 4, 5, 600e6, time.FixedZone("", 3600))
	for _, reason := range []string{"the exchange has banned us", "told to end", "", `"quoted" <html> & ünï © ` + "\\"} {
		want := Farewell{RunID: "run", Reason: strings.TrimSpace(reason), RetryAt: retry.UTC()}
		if err := SayFarewell(int(file.Fd()), Farewell{RunID: "run", Reason: reason, RetryAt: retry}); err != nil {
			t.Fatal(err)
		}
		if got, said, err := ReadFarewell(path, "run"); got != want || !said || err != nil {
			t.Errorf("%+v instead of %+v, %v, %v", got, want, said, err)
		}
	}
	if got, said, err := ReadFarewell(path, "another run"); said || err != nil {
		t.Errorf("the words of another run: %+v, %v", got, err)
	}
	if got, said, err := ReadFarewell(path, ""); said || err != nil {
		t.Errorf("the words of no run: %+v, %v", got, err)
	}
	if _, said, err := ReadFarewell(path+".missing", "run"); said || err != nil {
		t.Errorf("the words of a missing file: %v, %v", said, err)
	}
	// The identity is as it was, and writing it again leaves the words.
	if holder, held, err := ProbeLock(path); !held || err != nil || holder != (Identity{PID: 7, RunID: "run"}) {
		t.Errorf("the holder is %+v, %v, %v", holder, held, err)
	}
	if err := ClaimLock(int(file.Fd()), Identity{PID: 8, RunID: "run"}); err != nil {
		t.Fatal(err)
	}
	if _, said, err := ReadFarewell(path, "run"); !said || err != nil {
		t.Errorf("the words are gone after a claim: %v", err)
	}
	if err := beginLock(int(file.Fd()), Identity{RunID: "run"}); err != nil {
		t.Fatal(err)
	}
	if got, said, err := ReadFarewell(path, "run"); said || err != nil {
		t.Errorf("the words of a former life: %+v, %v", got, err)
	}
}

func TestLastWordsAreBoundedAndOfOneLine(t *testing.T) {
	t.Parallel()
	file, path := heldLock(t, strings.Repeat("r", maxRunID))
	for _, reason := range []string{
		strings.Repeat("x", 1<<20), strings.Repeat("\"", 1<<12), strings.Repeat("€", 1<<12), strings.Repeat("\\\u2028", 1<<12),
		"two\nlines\x00and\x1b[31m colours", "\xff\xfe broken",
	} {
		words := Farewell{RunID: strings.Repeat("r", maxRunID), Reason: reason, RetryAt: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)}
		if err := SayFarewell(int(file.Fd()), words); err != nil {
			t.Fatalf("%.20q: %v", reason, err)
		}
		got, said, err := ReadFarewell(path, words.RunID)
		if err != nil || !said || len(got.Reason) > maxReason || len(got.Reason) < 8 || !utf8.ValidString(got.Reason) || strings.ContainsAny(got.Reason, "\n\x00\x1b") {
			t.Errorf("%.20q became %q, %v, %v", reason, got.Reason, said, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != lockFileSize {
		t.Errorf("the lock file has %d bytes instead of %d: %v", info.Size(), lockFileSize, err)
	}
	for _, runID := range []string{"", strings.Repeat("r", maxRunID+1)} {
		if SayFarewell(int(file.Fd()), Farewell{RunID: runID}) == nil {
			t.Errorf("a token of %d bytes was taken", len(runID))
		}
	}
	if SayFarewell(int(file.Fd()), Farewell{RunID: "r", RetryAt: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)}) == nil {
		t.Error("a year of five digits was taken")
	}
}

func TestLastWordsNeedTheLock(t *testing.T) {
	t.Parallel()
	_, path := heldLock(t, "run")
	other, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if SayFarewell(int(other.Fd()), Farewell{RunID: "run"}) == nil {
		t.Error("a descriptor without the lock was taken")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if SayFarewell(int(null.Fd()), Farewell{RunID: "run"}) == nil {
		t.Error("a device was taken for a lock file")
	}
}

// Whoever dies while it writes leaves half a line: the words before it are still there.
func TestHalfWrittenLastWordsLeaveTheOnesBefore(t *testing.T) {
	t.Parallel()
	file, path := heldLock(t, "run")
	for _, reason := range []string{"first", "second"} {
		if err := SayFarewell(int(file.Fd()), Farewell{RunID: "run", Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := encodeFarewell(writtenFarewell{Turn: 3, RunID: "run", Reason: "third"})
	if err != nil {
		t.Fatal(err)
	}
	before := make([]byte, farewellLine)
	if _, err := file.ReadAt(before, identityLine); err != nil {
		t.Fatal(err)
	}
	for n := 0; !bytes.Equal(whole[n:], before[n:]); n++ { // "third" overwrites "first"
		if _, err := file.WriteAt(before, identityLine); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(whole[:n], identityLine); err != nil {
			t.Fatal(err)
		}
		if got, said, err := ReadFarewell(path, "run"); !said || err != nil || got.Reason != "second" {
			t.Fatalf("after %d bytes: %+v, %v, %v", n, got, said, err)
		}
	}
	if _, err := file.WriteAt(whole, identityLine); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := ReadFarewell(path, "run"); got.Reason != "third" {
		t.Errorf("%+v", got)
	}
}

func TestReaderBesideAWriterSeesWholeWords(t *testing.T) {
	t.Parallel()
	file, path := heldLock(t, "run")
	a, b := strings.Repeat("a", 500), strings.Repeat("b", 300)
	if err := SayFarewell(int(file.Fd()), Farewell{RunID: "run", Reason: a}); err != nil {
		t.Fatal(err)
	}
	var writing sync.WaitGroup
	for _, reason := range []string{a, b} {
		writing.Go(func() {
			for range 500 {
				if err := SayFarewell(int(file.Fd()), Farewell{RunID: "run", Reason: reason}); err != nil {
					t.Error(err)
				}
				if err := ClaimLock(int(file.Fd()), Identity{PID: 7, RunID: "run"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { writing.Wait(); close(written) }()
	for {
		got, said, err := ReadFarewell(path, "run")
		if !said || err != nil || got.Reason != a && got.Reason != b {
			t.Errorf("%+v, %v, %v", got, said, err)
		}
		if holder, held, err := ProbeLock(path); !held || err != nil || holder.PID != 7 {
			t.Errorf("%+v, %v, %v", holder, held, err)
		}
		select {
		case <-written:
			return
		default:
		}
	}
}

// A file of the former release has the identity's line alone.
func TestLockFileWithoutRoomForLastWordsIsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.lock")
	file, err := acquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	line, err := encodeLock(Identity{PID: 9, RunID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(line, 0); err != nil {
		t.Fatal(err)
	}
	if holder, held, err := ProbeLock(path); !held || err != nil || holder.PID != 9 {
		t.Errorf("%+v, %v, %v", holder, held, err)
	}
	if _, said, err := ReadFarewell(path, "run"); said || err != nil {
		t.Errorf("words of a file that has none: %v, %v", said, err)
	}
	if err := SayFarewell(int(file.Fd()), Farewell{RunID: "run", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	if got, said, err := ReadFarewell(path, "run"); !said || err != nil || got.Reason != "why" {
		t.Errorf("%+v, %v, %v", got, said, err)
	}
	if _, _, err := ReadFarewell(filepath.Dir(path), "run"); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was read: %v", err)
	}
}

func FuzzReadFarewell(f *testing.F) {
	for _, words := range []writtenFarewell{{Turn: 1, RunID: "run", Reason: "why"}, {Turn: 1 << 63, RunID: "run", RetryAt: time.Unix(1, 2)}} {
		line, err := encodeFarewell(words)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line, line[:40], uint8(3))
	}
	f.Add([]byte(nil), []byte("00000000 "), uint8(0))
	f.Add([]byte(`deadbeef {"turn":1,"run_id":"run"}`), []byte("\n"), uint8(200))
	f.Fuzz(func(t *testing.T, first, second []byte, at uint8) {
		content := bytes.Repeat([]byte{' '}, lockFileSize)
		copy(content[identityLine:], first)
		copy(content[identityLine+int(at):], second)
		path := filepath.Join(t.TempDir(), "a.lock")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, said, err := ReadFarewell(path, "run")
		if err != nil {
			t.Fatal(err)
		}
		if said != (got.RunID == "run") || len(got.Reason) > maxReason || !utf8.ValidString(got.Reason) || strings.ContainsAny(got.Reason, "\n\x00") {
			t.Errorf("%+v, %v", got, said)
		}
	})
}

func FuzzSayFarewell(f *testing.F) {
	f.Add("run", "why", int64(0))
	f.Add("r\n\"", "\x00\xff\u2028\"\\", int64(1)<<40)
	f.Fuzz(func(t *testing.T, runID, reason string, retry int64) {
		file, path := heldLock(t, "run")
		words := Farewell{RunID: runID, Reason: reason, RetryAt: time.Unix(retry, 0)}
		if SayFarewell(int(file.Fd()), words) != nil {
			return
		}
		got, said, err := ReadFarewell(path, runID)
		if utf8.ValidString(runID) && (!said || err != nil || !got.RetryAt.Equal(words.RetryAt)) {
			t.Errorf("%+v became %+v, %v, %v", words, got, said, err)
		}
		if holder, held, err := ProbeLock(path); !held || err != nil || holder.PID != 7 {
			t.Errorf("the identity is torn: %+v, %v", holder, err)
		}
	})
}
