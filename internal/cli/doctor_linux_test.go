package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheHolderOfALockIsReadAndTheLockLeftAlone(t *testing.T) {
	t.Parallel()
	dir, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir.path, "velador.lock")
	if holder, held, known := lockHolder(path); !known || !held || holder != os.Getpid() {
		t.Errorf("of a lock of ours: %d, %v, %v", holder, held, known)
	}
	if err := dir.close(); err != nil {
		t.Fatal(err)
	}
	if holder, held, known := lockHolder(path); !known || held || holder != 0 {
		t.Errorf("of one that was let go: %d, %v, %v", holder, held, known)
	}
	if _, held, known := lockHolder(filepath.Join(dir.path, "none")); !known || held {
		t.Errorf("of no file: %v, %v", held, known)
	}
}

func TestLocksAreTheKernels(t *testing.T) {
	t.Parallel()
	const locks = `1: FLOCK  ADVISORY  READ  41 08:01:131 0 EOF
2: POSIX  ADVISORY  WRITE 42 08:01:131 0 EOF
3: -> FLOCK  ADVISORY  WRITE 43 08:01:131 0 EOF
4: FLOCK  ADVISORY  WRITE 44 08:02:131 0 EOF
5: FLOCK  ADVISORY  WRITE 45 08:01:132 0 EOF
nonsense
6: FLOCK  ADVISORY  WRITE 46 08:01:131 0 EOF
7: FLOCK  ADVISORY  WRITE -1 00:2f:140 0 EOF
8: FLOCK  ADVISORY  WRITE 48 08:01:x
`
	for _, test := range []struct {
		major, minor uint32
		inode        uint64
		holder       int
		held         bool
	}{
		{8, 1, 131, 46, true},
		{8, 2, 131, 44, true},
		{8, 1, 132, 45, true},
		{8, 1, 133, 0, false},
		{0, 0x2f, 140, 0, true}, // in another PID namespace
		{0, 0x30, 140, 0, true}, // a layered file system
	} {
		if holder, held := holderIn(strings.NewReader(locks), test.major, test.minor, test.inode); holder != test.holder || held != test.held {
			t.Errorf("%+v: %d, %v", test, holder, held)
		}
	}
}

func TestLimitsAreJudgedByWhatAServerNeeds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		limit       uint64
		used        int
		err         error
		state, says string
	}{
		{1 << 20, 20, nil, isWell, "1048576 may be open, enough for "},
		{256, 20, nil, isPoor, "256 may be open, enough for "},
		{64, 20, nil, isBroken, "64 may be open, enough for 0 collectors"},
		{0, 0, errors.New("no such thing"), isPoor, "no such thing"},
	} {
		f := filesFinding(test.limit, test.used, test.err)
		if f.State != test.state || !strings.Contains(f.Says, test.says) || (f.Do == "") != (f.State == isWell) {
			t.Errorf("%+v: %+v", test, f)
		}
	}
	for bytes, state := range map[uint64]string{0: isBroken, memoryBroken - 1: isBroken, memoryBroken: isPoor, memoryPoor - 1: isPoor, memoryPoor: isWell} {
		if f := memoryFinding(bytes, true); f.State != state || (f.Do == "") != (state == isWell) {
			t.Errorf("with %d bytes: %+v", bytes, f)
		}
	}
	if f := memoryFinding(0, false); f.State != isWell {
		t.Errorf("where nobody tells: %+v", f)
	}
	for text, want := range map[string]uint64{"MemTotal: 5 kB\nMemAvailable:   12345 kB\n": 12345 << 10, "MemAvailable: x kB\n": 0, "": 0} {
		if bytes, known := availableIn(text); bytes != want || known != (want > 0) {
			t.Errorf("%q: %d, %v", text, bytes, known)
		}
	}
	if f := kernelFindings(); len(f) != 1 || f[0].What != "pidfd" || (f[0].Do == "") != (f[0].State == isWell) {
		t.Errorf("of the kernel: %+v", f)
	}
}

// TestALimitOnFilesIsFound: the limit is of a process, so another one looks.
func TestALimitOnFilesIsFound(t *testing.T) {
	t.Parallel()
	for most, words := range map[uint64]string{fileSizeBroken - 1: "the bus needs more", fileSizePoor - 1: "the database may need more"} {
		said := limited(t, unix.RLIMIT_FSIZE, most)
		if !strings.Contains(said, words) || !strings.Contains(said, "ulimit -f unlimited") {
			t.Errorf("with files of at most %d bytes the doctor says\n%s", most, said)
		}
	}
	if said := limited(t, unix.RLIMIT_NOFILE, 120); !strings.Contains(said, "open files") || !strings.Contains(said, "LimitNOFILE=65536") {
		t.Errorf("with few files the doctor says\n%s", said)
	}
}

// limited is what the doctor says in a process with a limit.
func limited(t *testing.T, which int, most uint64) string {
	t.Helper()
	ulimit := map[int]string{unix.RLIMIT_FSIZE: "ulimit -f " + strconv.FormatUint(most/512, 10), unix.RLIMIT_NOFILE: "ulimit -n " + strconv.FormatUint(most, 10)}[which]
	return shell(t, ulimit+` && exec "$0" doctor --env-file /dev/null --data-dir "$1" --server `+nobody+` --binance-rest-url `+nobody, t.TempDir())
}

// shell runs a line of a shell in which $0 is velador, and $1 an argument.
func shell(t *testing.T, line, argument string) string {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), "/bin/sh", "-c", line, os.Args[0], argument)
	cmd.Env = append(os.Environ(), asVelador+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}
