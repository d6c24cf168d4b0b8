package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo terminal: what is written to keyboard is read from screen. Both are closed
// at the end of the test, the keyboard first, which ends a read that still waits.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = keyboard.Close()
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() {
		_ = keyboard.Close()
		_ = screen.Close()
	})
	return keyboard, screen
}

func TestColoursAreForTerminalsWhoseUsersWantThem(t *testing.T) {
	t.Parallel()
	_, screen := terminal(t)
	device, err := os.Open(os.DevNull) // a character device, and no terminal
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for _, test := range []struct {
		program program
		want    bool
	}{
		{program{stdout: screen, env: environment{process: []string{"TERM=xterm"}}}, true},
		{program{stdout: screen, env: environment{process: []string{"NO_COLOR="}}}, true},
		{program{stdout: screen, env: environment{process: []string{"NO_COLOR=1"}}}, false},
		{program{stdout: screen, env: environment{process: []string{"TERM=dumb"}}}, false},
		{program{stdout: device, env: environment{process: []string{"TERM=xterm"}}}, false},
		{program{stdout: &strings.Builder{}}, false},
	} {
		if got := test.program.colours(); got != test.want {
			t.Errorf("with %v colours are %v", test.program.env.process, got)
		}
	}
}
