package proc

import (
	"os"
	"strings"
	"testing"
)

func TestStatOfANameWithBracketsIsRead(t *testing.T) {
	t.Parallel()
	line := "42 (a) b (c)) S 7 42 42 0 -1 4194560 900 0 0 0 11 4 0 0 20 0 6 0 123456 1700000 250 " +
		strings.Repeat("0 ", 27) + "9\n"
	st, err := parseStat([]byte(line))
	want := stat{pid: 42, state: 'S', parent: 7, group: 42, session: 42, cpuTicks: 15, threads: 6, startTicks: 123456, rssPages: 250, exitCode: 9}
	if err != nil || st != want {
		t.Errorf("%+v instead of %+v, error %v", st, want, err)
	}
	for _, c := range []struct {
		st   stat
		dead bool
	}{{stat{state: 'Z', threads: 1}, true}, {stat{state: 'X'}, true}, {stat{state: 'Z', threads: 2}, false}, {stat{state: 'R', threads: 1}, false}} {
		if c.st.dead() != c.dead {
			t.Errorf("%+v: dead %v", c.st, !c.dead)
		}
	}
	for _, bad := range []string{"", "1 (a", "1 (a) S", "x (a) S " + strings.Repeat("1 ", 50), "1 (a) S " + strings.Repeat("x ", 50)} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	for _, path := range []string{"/proc/self/stat", "/proc/1/stat"} {
		if line, err := os.ReadFile(path); err == nil {
			f.Add(line)
		}
	}
	f.Add([]byte("1 (a) S 1 1 1"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if st, err := parseStat(line); err == nil && st.state == 0 {
			t.Error("a process without a state")
		}
	})
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"boot_id":"b","namespace":"pid:[1]","pid":7,"start_ticks":9,"run_id":"r"}   ` + "\n"))
	f.Add([]byte(nil))
	f.Add([]byte(`{"pid":-1}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if id, err := parseLock(content); id.PID < 0 || err != nil && id != (Identity{}) {
			t.Errorf("%+v, %v", id, err)
		}
	})
}

func FuzzParseUSS(f *testing.F) {
	f.Add([]byte("Rss: 900 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 8 kB\n"))
	f.Fuzz(func(t *testing.T, rollup []byte) {
		if parseUSS(rollup) < 0 {
			t.Error("negative memory")
		}
	})
}
