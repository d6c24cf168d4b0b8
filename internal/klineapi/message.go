package klineapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxMessage bounds a client's message, in bytes: 1024 stream names of the longest kind fit twice.
const maxMessage = 512 << 10

// maxIDLen is the longest string that may be a request's id.
const maxIDLen = 36

// request is a control message (EXCHANGES.md 2.11).
type request struct {
	id     []byte // as JSON, to be echoed; nil when none was sent
	method string
	params []json.RawMessage
}

// streamError is an error of the stream service.
type streamError struct {
	code int
	msg  string
}

// The codes of stream errors.
const (
	streamUnknownProperty = 0
	streamNotBoolean      = 1
	streamInvalidRequest  = 2
	streamInvalidJSON     = 3
	streamTooMany         = 4
)

func invalidRequest(format string, args ...any) *streamError {
	return &streamError{streamInvalidRequest, "Invalid request: " + fmt.Sprintf(format, args...)}
}

// parseRequest reads a control message. With an error, the request still carries the id if that
// could be read.
func parseRequest(data []byte) (request, *streamError) {
	var req request
	var fields map[string]json.RawMessage // keys are case-sensitive, as on the exchange
	if !utf8.Valid(data) || !json.Valid(data) {
		return req, &streamError{streamInvalidJSON, "Invalid JSON: expected value at line 1 column " + strconv.Itoa(errorColumn(data))}
	}
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return req, invalidRequest("missing field `method` at line 1 column %d", len(data))
	}
	if raw, sent := fields["id"]; sent {
		if !legalID(raw) {
			return req, invalidRequest("request ID must be an unsigned integer")
		}
		req.id = bytes.Clone(raw)
	}
	raw, sent := fields["method"]
	if !sent {
		return req, invalidRequest("missing field `method` at line 1 column %d", len(data))
	}
	if err := json.Unmarshal(raw, &req.method); err != nil || len(req.method) > 64 {
		return req, invalidRequest("method must be a string")
	}
	switch req.method {
	case "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY":
	default:
		return req, invalidRequest("unknown variant `%s`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column %d",
			req.method, len(data))
	}
	if raw, sent = fields["params"]; sent {
		if err := json.Unmarshal(raw, &req.params); err != nil {
			return req, invalidRequest("params must be an array")
		}
	}
	return req, nil
}

// errorColumn tells where a text stops being JSON, from 1.
func errorColumn(data []byte) int {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(any)); errors.As(err, &syntax) {
		return max(1, int(syntax.Offset))
	}
	return 1
}

// legalID tells whether an id may be echoed: a signed 64-bit integer, an alphanumeric string of at
// most 36 characters, or null.
func legalID(raw json.RawMessage) bool {
	if len(raw) == 0 || string(raw) == "null" {
		return len(raw) > 0
	}
	if raw[0] != '"' {
		_, err := strconv.ParseInt(string(raw), 10, 64)
		return err == nil
	}
	inner := raw[1 : len(raw)-1]
	return len(inner) <= maxIDLen && len(bytes.Trim(inner, alphanumeric+"-_")) == 0
}

// appendResult appends {"result":…,"id":…}; result is JSON.
func appendResult(dst []byte, result []byte, id []byte) []byte {
	dst = append(append(dst, `{"result":`...), result...)
	if id == nil {
		id = []byte("null")
	}
	return append(append(append(dst, `,"id":`...), id...), '}')
}

// appendStreamError appends an error in the nested form that was seen on the wire, or in the flat
// one that is documented (SIM-W5). Without a readable id it carries none.
func appendStreamError(dst []byte, e *streamError, id []byte, framing string) []byte {
	dst = append(dst, '{')
	if framing == FramingNested {
		dst = append(dst, `"error":{`...)
	}
	dst = strconv.AppendInt(append(dst, `"code":`...), int64(e.code), 10)
	dst = appendQuoted(append(dst, `,"msg":`...), e.msg)
	if framing == FramingNested {
		dst = append(dst, '}')
	}
	if id != nil {
		dst = append(append(dst, `,"id":`...), id...)
	}
	return append(dst, '}')
}
