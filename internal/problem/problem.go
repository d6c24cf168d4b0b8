// Package problem gives an error a meaning: a kind, which decides about HTTP statuses, exit codes
// and retries; a code, which clients and translations rely on; and a sentence that tells a person
// what to do. The wrapped cause is for the operator's log.
package problem

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is the class of a problem.
type Kind uint8

// The kinds of problems.
const (
	Internal    Kind = iota // a defect or an unforeseen failure of ours
	Invalid                 // what was asked for makes no sense; asking again will not help
	NotFound                // what was asked for does not exist
	Conflict                // it contradicts what is there already
	Unavailable             // something that we need cannot be reached now; ask again later
	Banned                  // an exchange refuses us until a time that it named
)

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "not found", "conflict", "unavailable", "banned"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Code names one problem for programs and for translations. Codes are never renamed.
type Code string

// The codes that reach users. server/messages.go holds a sentence in each language for every one
// of them; a test keeps the two lists together.
const (
	CodeInternal            Code = "internal"
	CodeInvalidBody         Code = "invalid_body"
	CodeBodyTooLarge        Code = "body_too_large"
	CodeInvalidParameter    Code = "invalid_parameter"    // name, detail
	CodeInvalidTimeframe    Code = "invalid_timeframe"    // timeframe, allowed
	CodeInvalidSelector     Code = "invalid_selector"     // detail
	CodeInvalidPID          Code = "invalid_pid"          //
	CodeUnknownExchange     Code = "unknown_exchange"     // exchange, allowed
	CodeUnknownSymbol       Code = "unknown_symbol"       // symbol, exchange
	CodeNoSymbolMatches     Code = "no_symbol_matches"    // selector, exchange
	CodeAlreadyRunning      Code = "already_running"      // symbol, timeframe
	CodeCollectorNotFound   Code = "collector_not_found"  //
	CodeAmbiguousPID        Code = "ambiguous_pid"        // pid, ids
	CodeCollectorFailed     Code = "collector_failed"     // symbol, timeframe, detail
	CodeStopFailed          Code = "stop_failed"          // detail
	CodeRestartFailed       Code = "restart_failed"       // detail
	CodeExchangeUnavailable Code = "exchange_unavailable" // exchange
	CodeExchangeNonsense    Code = "exchange_nonsense"    // exchange
	CodeExchangeBanned      Code = "exchange_banned"      // exchange, until
	CodeDatabaseUnavailable Code = "database_unavailable" //
	CodeBusUnavailable      Code = "bus_unavailable"      //
	CodeRouteNotFound       Code = "route_not_found"      // path
	CodeMethodNotAllowed    Code = "method_not_allowed"   // method, path, allowed
	CodeShuttingDown        Code = "shutting_down"        //
	CodeSeriesNotFound      Code = "series_not_found"     // symbol, timeframe, exchange
	CodeFormatNotAvailable  Code = "format_not_available" // format, allowed
)

// Error is a problem with all that is known of it.
type Error struct {
	Kind   Kind
	Code   Code
	Text   string            // an English sentence: what is wrong and what to do
	Params map[string]string // what a translation fills in
	Err    error             // the cause; may be nil
}

// New makes a problem. The text is an English sentence in which {name} stands for a parameter;
// params are pairs of name and value.
func New(kind Kind, code Code, cause error, text string, params ...string) *Error {
	e := &Error{Kind: kind, Code: code, Text: text, Err: cause}
	if len(params)%2 != 0 {
		panic("problem.New: a parameter without a value")
	}
	if len(params) > 0 {
		e.Params = make(map[string]string, len(params)/2)
		for pair := range slices.Chunk(params, 2) {
			e.Params[pair[0]] = pair[1]
		}
	}
	e.Text = Fill(text, e.Params)
	return e
}

// Fill puts params into a sentence in place of {name}.
func Fill(text string, params map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		text = strings.ReplaceAll(text, "{"+name+"}", params[name])
	}
	return text
}

// Error gives the sentence, and the cause behind it where there is one.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of the outermost problem in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	var p *Error
	if errors.As(err, &p) {
		return p.Kind
	}
	return Internal
}

// CodeOf gives the code of the outermost problem in err's chain, CodeInternal when there is none.
func CodeOf(err error) Code {
	var p *Error
	if errors.As(err, &p) {
		return p.Code
	}
	return CodeInternal
}
