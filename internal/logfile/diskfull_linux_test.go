package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// skip skips a test, which CI forbids.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// tinyDisk mounts a file system of 64 KiB.
func tinyDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		skip(t, fmt.Sprintf("a small file system cannot be mounted here (%v); run the test as root", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all room that is left, and gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

func TestAFullDiskLosesLinesAndSaysHowMany(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t)
	path := filepath.Join(dir, "x.log")
	log := rotating(t, path, 16<<10)
	line := func(i int) string { return fmt.Sprintf("line %d %s", i, strings.Repeat("q", 90)) }
	for i := range 3 {
		say(t, log, line(i)+"\n")
	}
	free := fill(t, dir)
	for i := 3; i < 300; i++ { // the page is filled up, then a rotation is due more than once
		say(t, log, line(i)+"\n")
	}
	free()
	say(t, log, line(300)+"\n")
	free = fill(t, dir)
	for i := 301; i < 500; i++ {
		say(t, log, line(i)+"\n")
	}
	err := log.Close()
	var unsaid int
	if n, _ := fmt.Sscanf(fmt.Sprint(err), "%d lines of the log ", &unsaid); n != 1 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
	free()
	next, whole, said, torn := 0, 0, 0, 0
	for _, text := range allLines(t, path) {
		var number, lost int
		if _, rest, found := strings.Cut(text, `msg="lines of this log were lost" lines=`); found {
			if n, _ := fmt.Sscanf(rest, `%d error="`, &lost); n != 1 || !strings.Contains(rest, "no space left on device") {
				t.Errorf("%q", text)
			}
			said += lost
			if next += lost; next != 300 {
				t.Errorf("%d lines were lost before line 300, and %d were said to be", 300-next+lost, lost)
			}
		} else if n, _ := fmt.Sscanf(text, "line %d ", &number); n == 1 && text == line(number) {
			if number != next {
				t.Errorf("line %d is in the place of %d", number, next)
			}
			next, whole = number+1, whole+1
		} else if torn++; !strings.HasPrefix(text, "line "[:min(5, len(text))]) {
			t.Errorf("%q is no piece of a line", text)
		}
	}
	if whole+said+unsaid != 500 || torn == 0 {
		t.Errorf("of 500 lines %d are whole, %d said to be lost by the log and %d by Close; %d are torn", whole, said, unsaid, torn)
	}
	t.Logf("of 500 lines %d are whole, %d said to be lost by the log and %d by Close; %d are torn", whole, said, unsaid, torn)
}

func TestAFullDiskDoesNotKeepTheCapsFromGivingRoom(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t)
	for i := range 4 {
		var noise strings.Builder // that does not compress
		for j := range 8 << 10 {
			noise.WriteByte("0123456789abcdef"[(j*j*2654435761>>7+i*j)%16])
		}
		write(t, filepath.Join(dir, "x.log."+stampAt(i)), noise.String())
	}
	free := fill(t, dir)
	err := tidy(t.Context(), dir, Caps{Total: 18 << 10}, 0)
	if !errors.Is(err, syscall.ENOSPC) || len(names(t, dir)) != 3 {
		t.Errorf("%q, %v", names(t, dir), err)
	}
	free()
	if err := tidy(t.Context(), dir, Caps{Total: 18 << 10}, 0); err != nil {
		t.Error(err)
	}
	for _, name := range names(t, dir) {
		if !strings.HasSuffix(name, ".gz") {
			t.Errorf("%s is not compressed", name)
		}
	}
}
