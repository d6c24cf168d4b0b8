package klineapi

import (
	"fmt"
	"net/http"
	"strconv"
)

// The error codes of EXCHANGES.md 2.9 that this surface gives.
const (
	codeTooManyRequests  = -1003
	codeTimeout          = -1007
	codeIllegalChars     = -1100
	codeDuplicateParam   = -1101
	codeMandatory        = -1102
	codeUnreadParams     = -1104
	codeEmptyParam       = -1105
	codeBadInterval      = -1120
	codeBadSymbol        = -1121
	codeBadStatus        = -1122
	codeBadCombination   = -1128
	codeInvalidValue     = -1130
	codeBadTickerType    = -1139
	codeDuplicateSymbols = -1151
	codeBadTimeUnit      = -1194
	codeStatusMismatch   = -1220
)

// Patterns that -1100 quotes (EXCHANGES.md 2.2, 2.9), as they stand in the message before JSON
// escapes them.
const (
	patternSymbol  = `^[\w\-._&&[^a-z]]{1,50}$`
	patternSymbols = `^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$`
	patternNumber  = `^[0-9]{1,20}$`
)

const (
	jsonType = "application/json;charset=UTF-8"
	htmlType = "text/html"
)

// answer is one REST response before it is sent, so that faults can spoil its delivery.
type answer struct {
	status      int
	contentType string // "" with an empty body
	body        []byte
	retryAfter  int64 // seconds; 0: no Retry-After header
}

// refusal is an error in the exchange's words; it answers 400.
type refusal struct {
	code int
	msg  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.code, r.msg) }

func (r *refusal) answer() answer {
	return answer{status: http.StatusBadRequest, contentType: jsonType, body: errorBody(r.code, r.msg)}
}

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code: code, msg: fmt.Sprintf(format, args...)}
}

func illegalChars(param, pattern string) *refusal {
	return refuse(codeIllegalChars, "Illegal characters found in parameter '%s'; legal range is '%s'.", param, pattern)
}

func missing(param string) *refusal {
	return refuse(codeMandatory, "Mandatory parameter '%s' was not sent, was empty/null, or malformed.", param)
}

func ok(body []byte) answer { return answer{status: http.StatusOK, contentType: jsonType, body: body} }

// errorBody gives {"code":…,"msg":"…"}.
func errorBody(code int, msg string) []byte {
	body := strconv.AppendInt([]byte(`{"code":`), int64(code), 10)
	body = appendQuoted(append(body, `,"msg":`...), msg)
	return append(body, '}')
}

// appendQuoted appends s as a JSON string; anything beyond printable ASCII other than UTF-8
// letters is escaped.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
