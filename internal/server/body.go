package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"velador/api"
	"velador/internal/problem"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// readBody reads the request's whole body before anything else happens, bounded in size and time,
// and puts it back for the handler. The deadline is taken off again: while it stands, it would end
// the context of a handler that takes longer, such as a stream.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	tooLarge := func(err error) error {
		w.Header().Set("Connection", "close") // the rest is not read
		return invalid(problem.CodeBodyTooLarge, err, "max", itoa(maxBody))
	}
	if r.ContentLength > maxBody {
		return tooLarge(nil)
	}
	conn := http.NewResponseController(w)
	// A writer without a connection, as in a test of the handler alone, has no deadlines to set.
	timed := conn.SetReadDeadline(time.Now().Add(s.patience.body)) == nil
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return tooLarge(err)
		}
		w.Header().Set("Connection", "close")
		return invalid(problem.CodeInvalidBody, err)
	}
	if timed {
		_ = conn.SetReadDeadline(time.Time{}) // a dead connection shows itself when the answer is written
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// members is a JSON object of which each member is still to be read. Names keep their case, as in
// JavaScript and unlike in encoding/json's structs; of a name that comes twice the last counts.
type members map[string]json.RawMessage

// parseMembers reads a request's body, whatever its content type claims: existing clients may not
// name one. A UTF-8 byte order mark is passed over.
func parseMembers(body []byte) (members, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		return nil, invalid(problem.CodeInvalidBody, errors.New("the body is not UTF-8"))
	}
	var m members
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, invalid(problem.CodeInvalidBody, err)
	}
	if m == nil { // null
		return nil, invalid(problem.CodeInvalidBody, errors.New("the body is null"))
	}
	for name, raw := range m {
		if string(raw) == "null" {
			delete(m, name) // null is how some clients leave a member out
		}
	}
	return m, nil
}

// text reads a member that is a text; "" when it is missing.
func (m members) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok {
		return "", nil
	}
	if raw[0] != '"' {
		return "", invalid(api.CodeNotText, nil, "name", name)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", invalid(problem.CodeInvalidBody, err)
	}
	return text, nil
}

// number reads a member that is a whole number from 1 to most, written without point or exponent;
// 0 when it is missing, and false when it is anything else.
func (m members) number(name string, most int64) (n int64, ok bool) {
	raw, given := m[name]
	if !given {
		return 0, true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n >= 1 && n <= most
}

// The largest ids: a PID is a C int; an id stays exact in a JavaScript number.
const (
	maxPID = math.MaxInt32
	maxID  = 1<<53 - 1
)
