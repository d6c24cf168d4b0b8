package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// display is what stands on a terminal, as one of the family of xterm shows it. It knows what top says.
type display struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when more has come

	width, height int
	cells         [][]rune // 0 behind a wide one
	row, column   int
	wraps         bool
	cursor        bool
	other         bool // the alternate screen
	unknown       []string
	pending       []byte
	all           strings.Builder
}

// showing reads what is written to a terminal of a size until the other side is closed; over is closed
// then.
func showing(t *testing.T, keyboard *os.File, width, height int) (d *display, over chan struct{}) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		t.Fatal(err)
	}
	d = newDisplay(width, height)
	over = make(chan struct{})
	go func() {
		defer close(over)
		some := make([]byte, 4096)
		for {
			n, err := keyboard.Read(some)
			d.write(some[:n])
			if err != nil {
				return
			}
		}
	}()
	return d, over
}

func newDisplay(width, height int) *display {
	d := &display{changed: make(chan struct{}), width: width, height: height, wraps: true, cursor: true}
	d.clear()
	return d
}

func (d *display) clear() {
	d.cells = make([][]rune, d.height)
	for i := range d.cells {
		d.cells[i] = []rune(strings.Repeat(" ", d.width))
	}
}

var sequence = regexp.MustCompile(`^\x1b\[(\??)([0-9;]*)([A-Za-z])`)

func (d *display) write(some []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all.Write(some)
	for d.pending = append(d.pending, some...); len(d.pending) > 0; {
		if d.pending[0] == 0x1b {
			code := sequence.FindSubmatch(d.pending)
			if code == nil {
				break // the rest comes
			}
			d.pending = d.pending[len(code[0]):]
			d.obey(string(code[1])+string(code[2])+string(code[3]), string(code[2]))
			continue
		}
		if !utf8.FullRune(d.pending) {
			break
		}
		r, n := utf8.DecodeRune(d.pending)
		d.pending = d.pending[n:]
		d.put(r)
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// obey does what a sequence says.
func (d *display) obey(code, numbers string) {
	switch {
	case strings.HasSuffix(code, "m"):
	case strings.HasSuffix(code, "H"):
		d.row, d.column = 0, 0
		row, column, _ := strings.Cut(numbers, ";")
		d.row, d.column = atoi(row)-1, atoi(column)-1
	case code == "K": // from the cursor on, the cell on which it stands included
		for i := min(d.column, d.width-1); i < d.width; i++ {
			d.cells[d.row][i] = ' '
		}
	case code == "2J":
		d.clear()
	case code == "?1049h", code == "?1049l":
		d.other = strings.HasSuffix(code, "h")
	case code == "?25h", code == "?25l":
		d.cursor = strings.HasSuffix(code, "h")
	case code == "?7h", code == "?7l":
		d.wraps = strings.HasSuffix(code, "h")
	default:
		d.unknown = append(d.unknown, code)
	}
}

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return max(1, n)
}

// put writes a character where the cursor is. At the edge it stays on the last cell.
func (d *display) put(r rune) {
	switch r {
	case '\r':
		d.column = 0
		return
	case '\n':
		d.row = min(d.row+1, d.height-1)
		return
	}
	wide := text.RuneWidth(r)
	at := min(d.column, d.width-wide)
	d.cells[d.row][at] = r
	if wide == 2 {
		d.cells[d.row][at+1] = 0
	}
	d.column = at + wide
}

// lines are what is to be seen.
func (d *display) lines() (lines []string) {
	for _, row := range d.cells {
		lines = append(lines, strings.TrimRight(string(slices.DeleteFunc(slices.Clone(row), func(r rune) bool { return r == 0 })), " "))
	}
	return lines
}

// await waits until something is to be seen.
func (d *display) await(t *testing.T, what string, is func(lines []string) bool) []string {
	t.Helper()
	late := time.After(40 * time.Second)
	for {
		d.mu.Lock()
		lines, changed := d.lines(), d.changed
		d.mu.Unlock()
		if is(lines) {
			return lines
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s is not to be seen:\n%s", what, strings.Join(lines, "\n"))
		}
	}
}

// shows waits until a line matches.
func (d *display) shows(t *testing.T, form string) []string {
	t.Helper()
	return d.await(t, form, func(lines []string) bool {
		return slices.ContainsFunc(lines, regexp.MustCompile(form).MatchString)
	})
}
