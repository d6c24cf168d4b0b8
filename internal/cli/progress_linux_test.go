package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// In a terminal a bar is painted over itself again and again; what is wrong stays to be read above it.
func TestABarLeavesRoomForWhatIsWrong(t *testing.T) {
	t.Parallel()
	keyboard, screen := terminal(t)
	address, venue := verifyServer(t)
	barred, shown := make(chan struct{}), make(chan string, 1)
	venue.hold = barred
	go func() {
		text, some := "", make([]byte, 4096)
		for seen := false; ; {
			n, err := keyboard.Read(some)
			if text += string(some[:n]); !seen && strings.Contains(text, "verifying ETHUSDT 1m") {
				seen = true
				close(barred)
			}
			if err != nil { // the other side is closed
				shown <- text
				return
			}
		}
	}()
	p := &program{env: environment{process: []string{"LANG=en_US.UTF-8", "TERM=xterm", "NO_COLOR=1"}}, stdin: strings.NewReader(""), stdout: screen, stderr: screen}
	root := p.root()
	root.SetArgs([]string{"verify", "ETHUSDT", "1m", "--server", address, "--env-file", os.DevNull})
	if err := root.ExecuteContext(t.Context()); exitCode(err) != ExitDifferences {
		t.Errorf("it ends with %v", err)
	}
	if err := screen.Close(); err != nil {
		t.Error(err)
	}
	text := <-shown
	lines := painted(text)
	for line := range strings.Lines(threeWrong) {
		if !slices.Contains(lines, strings.TrimSuffix(line, "\n")) {
			t.Errorf("%q cannot be read in %q", line, lines)
		}
	}
	if !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, "verifying ETHUSDT 1m (3 wrong)") && strings.Contains(line, "120 candles")
	}) {
		t.Errorf("there is no bar in %q", lines)
	}
}

// painted gives what stands on a screen after it was told to move up and to erase lines.
func painted(text string) (lines []string) {
	lines = []string{""}
	at, column := 0, 0
	for len(text) > 0 {
		if code := regexp.MustCompile(`^\x1b\[([0-9;?]*)([A-Za-z])`).FindStringSubmatch(text); code != nil {
			switch text = text[len(code[0]):]; code[2] {
			case "A":
				at = max(0, at-max(1, len(code[1]))) // one, in what is painted here
			case "K":
				lines[at], column = "", 0
			}
			continue
		}
		char := []rune(text)[0]
		text = text[len(string(char)):]
		switch char {
		case '\r':
			column = 0
		case '\n':
			if at++; at == len(lines) {
				lines = append(lines, "")
			}
			column = 0
		default:
			line := []rune(lines[at])
			if column < len(line) {
				line[column] = char
			} else {
				line = append(line, char)
			}
			lines[at], column = string(line), column+1
		}
	}
	return lines
}
