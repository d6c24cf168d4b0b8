package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// What a terminal is told (ECMA-48, and xterm's private modes): another screen, no cursor, no wrapping at
// the edge; and all of it back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	leaveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// screen is a terminal that a program has to itself.
type screen struct {
	in, out *os.File
	before  *term.State
	painted []string
}

// takeScreen takes a terminal over, until leave.
func takeScreen(in, out *os.File) (*screen, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be taken over: %w", err)
	}
	s := &screen{in: in, out: out, before: before}
	if _, err := out.WriteString(enterScreen); err != nil {
		return nil, errors.Join(err, s.leave())
	}
	return s, nil
}

// leave gives the terminal back as it was.
func (s *screen) leave() error {
	_, err := s.out.WriteString(leaveScreen)
	return errors.Join(err, term.Restore(int(s.in.Fd()), s.before))
}

// again takes the terminal over once more, after somebody else had it.
func (s *screen) again() error {
	_, err := term.MakeRaw(int(s.in.Fd()))
	if err == nil {
		_, err = s.out.WriteString(enterScreen)
	}
	s.painted = nil
	return err
}

// size gives the width and height in cells.
func (s *screen) size() sizeMsg {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return sizeMsg{80, 24}
	}
	return sizeMsg{width, height}
}

// paint shows lines; those that stand there already are not written again.
func (s *screen) paint(lines []string) error {
	var text bytes.Buffer
	if len(lines) != len(s.painted) {
		text.WriteString("\x1b[2J")
		s.painted = make([]string, len(lines))
	}
	for i, line := range lines {
		if line != s.painted[i] {
			// Erased before: behind the last cell of a line the cursor stands on it still.
			fmt.Fprintf(&text, "\x1b[%d;1H\x1b[0m\x1b[K%s\x1b[0m", i+1, line)
		}
	}
	s.painted = append(s.painted[:0], lines...)
	if text.Len() == 0 {
		return nil
	}
	_, err := s.out.Write(text.Bytes())
	return err
}

// keyPatience is how long the rest of a key may take, and how soon reading ends when it should.
const keyPatience = 50 * time.Millisecond

// readKeys hands on keys until stop is closed; the error is of a terminal that is gone. A read from a
// terminal cannot be called off, so it waits for what can be read.
func (s *screen) readKeys(stop <-chan struct{}, hand func(key)) error {
	var pending []byte
	some := make([]byte, 256)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		fds := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}
		ready, err := unix.Poll(fds, int(keyPatience.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for a key: %w", err)
		}
		if err == nil && ready > 0 {
			n, err := s.in.Read(some)
			if err != nil {
				return fmt.Errorf("read a key: %w", err)
			}
			pending = append(pending, some[:n]...)
		}
		var keys []key
		keys, pending = decodeKeys(pending, ready == 0)
		for _, k := range keys {
			hand(k)
		}
	}
}
