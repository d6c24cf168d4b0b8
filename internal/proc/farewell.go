//go:build unix

package proc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// Farewell is what a process says last, behind its identity in its lock file, so that whoever
// buries it knows more than an exit code, even when nobody watched (SUPERVISION.md rules 9 and 14).
type Farewell struct {
	RunID   string    // the run that ended: EnvRunID
	Reason  string    // why, in words for people; control characters and what is too long is left out
	RetryAt time.Time // not to be started again before; zero: no wish
}

// A lock file is a line for the identity and two for the last words. Words go into the older of
// the two, which tells its age and its check sum: a reader that meets a half-written one still has
// the other.
const (
	identityLine = 512                             // bytes
	farewellLine = 1024                            // bytes
	lockFileSize = identityLine + 2*farewellLine   // bytes
	maxReason    = 600                             // bytes of UTF-8
	maxRunID     = 128                             // bytes
	checksumSize = len("00000000 ")                // bytes, in front of the words
	maxWords     = farewellLine - checksumSize - 1 // bytes; the last one is the end of the line
)

// writtenFarewell is a Farewell on its line.
type writtenFarewell struct {
	Turn    uint64    `json:"turn"` // the higher, the newer
	RunID   string    `json:"run_id"`
	Reason  string    `json:"reason"`
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// SayFarewell writes last words into the lock file behind a descriptor (EnvLockFD), whose lock must
// be held. It may be called again: the newest words count. They take no new space on the disk, so
// that a full one does not silence them.
func SayFarewell(fd int, f Farewell) error {
	if err := checkLock(fd); err != nil {
		return fmt.Errorf("write last words: %w", err)
	}
	if f.RunID == "" || len(f.RunID) > maxRunID {
		return fmt.Errorf("write last words: the token of the run has %d bytes, not 1 to %d", len(f.RunID), maxRunID)
	}
	lines := make([]byte, 2*farewellLine)
	if _, err := unix.Pread(fd, lines, identityLine); err != nil {
		return fmt.Errorf("write last words: %w", err)
	}
	newest, slot := newestFarewell(lines)
	words := writtenFarewell{Turn: newest.Turn + 1, RunID: f.RunID, Reason: plainWords(f.Reason), RetryAt: f.RetryAt.UTC().Round(0)}
	line, err := encodeFarewell(words)
	if err != nil {
		return fmt.Errorf("write last words: %w", err)
	}
	if _, err := unix.Pwrite(fd, line, int64(identityLine+(1-slot)*farewellLine)); err != nil {
		return fmt.Errorf("write last words: %w", err)
	}
	return nil
}

// ReadFarewell gives the last words of a run; false when it said none. A file that holds anything
// else than such words holds none.
func ReadFarewell(path, runID string) (Farewell, bool, error) {
	if runID == "" {
		return Farewell{}, false, nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Farewell{}, false, nil
	}
	if err != nil {
		return Farewell{}, false, fmt.Errorf("read last words: %w", err)
	}
	defer file.Close()
	lines, err := io.ReadAll(io.NewSectionReader(file, identityLine, 2*farewellLine))
	if err != nil {
		return Farewell{}, false, fmt.Errorf("read last words: %w", err)
	}
	words, _ := newestFarewell(lines)
	if words.Turn == 0 || words.RunID != runID {
		return Farewell{}, false, nil
	}
	return Farewell{RunID: words.RunID, Reason: plainWords(words.Reason), RetryAt: words.RetryAt}, true, nil
}

// newestFarewell gives the newest whole words of the two lines, and which of the lines has them.
// Without any its turn is 0.
func newestFarewell(lines []byte) (newest writtenFarewell, slot int) {
	slot = 1 // so that the first words go into the first line
	for i := range 2 {
		if len(lines) < (i+1)*farewellLine {
			break
		}
		words, ok := parseFarewell(lines[i*farewellLine : (i+1)*farewellLine])
		if ok && words.Turn > newest.Turn {
			newest, slot = words, i
		}
	}
	return newest, slot
}

// encodeFarewell makes a line of words: a check sum, JSON, blanks. The reason is cut until it fits.
func encodeFarewell(words writtenFarewell) ([]byte, error) {
	var content bytes.Buffer
	for {
		content.Reset()
		encoder := json.NewEncoder(&content)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(words); err != nil {
			return nil, err
		}
		content.Truncate(content.Len() - 1) // the encoder ends its line
		over := content.Len() - maxWords
		if over <= 0 {
			break
		}
		if words.Reason == "" {
			return nil, fmt.Errorf("they need %d bytes, and have %d", content.Len(), maxWords)
		}
		words.Reason = cut(words.Reason, max(0, len(words.Reason)-over))
	}
	line := bytes.Repeat([]byte{' '}, farewellLine)
	copy(line, fmt.Sprintf("%08x %s", crc32.ChecksumIEEE(content.Bytes()), content.Bytes()))
	line[farewellLine-1] = '\n'
	return line, nil
}

// parseFarewell reads a line that encodeFarewell made; false when it is not whole.
func parseFarewell(line []byte) (writtenFarewell, bool) {
	if len(line) != farewellLine || line[checksumSize-1] != ' ' {
		return writtenFarewell{}, false
	}
	sum, err := strconv.ParseUint(string(line[:checksumSize-1]), 16, 32)
	content := bytes.TrimRight(line[checksumSize:], " \n")
	if err != nil || crc32.ChecksumIEEE(content) != uint32(sum) {
		return writtenFarewell{}, false
	}
	var words writtenFarewell
	if err := json.Unmarshal(content, &words); err != nil || len(words.RunID) > maxRunID {
		return writtenFarewell{}, false
	}
	return words, true
}

// plainWords makes one line of text for people of anything.
func plainWords(text string) string {
	text = cut(text, 4*maxReason) // what follows is not worth its work
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return cut(strings.Join(strings.Fields(text), " "), maxReason)
}

// cut shortens a text to at most n bytes, between two characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 { // a byte within a character
		n--
	}
	return text[:n]
}
