package supervise

import (
	"strconv"
	"strings"

	"velador/internal/logfile"
	"velador/internal/proc"
)

// panicLines is how far back in a log the first words of a panic are looked for: the stacks of its
// goroutines follow them.
const panicLines = 400

// exitPanic is the exit code of a Go program that panics.
const exitPanic = 2

// lastWords tells why a run ended, as the process itself says: in its lock file, or else in its log.
func (x *actor) lastWords(runID string, exit proc.Exit) proc.Farewell {
	said, found, err := proc.ReadFarewell(x.agent.lockPath(x.spec), runID)
	if err != nil {
		x.agent.log.Warn("the last words of a collector cannot be read", "id", x.id, "error", err)
	}
	if found && said.Reason != "" {
		return said
	}
	lines, err := logfile.Tail(x.agent.LogPath(x.spec), panicLines)
	if err != nil {
		x.agent.log.Warn("a collector's log cannot be read", "id", x.id, "error", err)
	}
	panicked := exit.Known && exit.Signal == 0 && exit.Code == exitPanic
	if words := wordsOfLog(lines, panicked); words != "" && !panicked {
		said.Reason = shorten("its log ends with \u201c" + words + "\u201d") // which may have nothing to do with its end
	} else {
		said.Reason = shorten(words)
	}
	return said
}

// wordsOfLog picks the line of a log's end that tells why its writer ended; "" when there is none.
func wordsOfLog(lines []string, panicked bool) string {
	if panicked {
		for i := len(lines) - 1; i >= 0; i-- {
			if strings.HasPrefix(lines[i], "panic: ") || strings.HasPrefix(lines[i], "fatal error: ") {
				return lines[i]
			}
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return plain(line)
		}
	}
	return ""
}

// plain reduces a line in the text form of log/slog to its message and its error.
func plain(line string) string {
	if !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "level=") {
		return line
	}
	var message, failure string
	for rest := line; rest != ""; {
		key, value, found := strings.Cut(rest, "=")
		if !found {
			break
		}
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			rest = value[len(quoted):]
			value, _ = strconv.Unquote(quoted) // a quoted prefix always is one
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		switch strings.TrimSpace(key) {
		case "msg":
			message = value
		case "error":
			failure = value
		}
		rest = strings.TrimLeft(rest, " ")
	}
	switch {
	case message == "":
		return line
	case failure != "":
		return message + ": " + failure
	}
	return message
}
