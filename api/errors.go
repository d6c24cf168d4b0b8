package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Codes of errors: what a program looks at, while the sentence is for people. A code keeps its
// name for ever. Behind each stand the further members that its ErrorAnswer may carry.
const (
	CodeInternal             = "internal"
	CodeInvalidBody          = "invalid_body"
	CodeBodyTooLarge         = "body_too_large"         // max
	CodeInvalidParameter     = "invalid_parameter"      // name, detail
	CodeMissingParameter     = "missing_parameter"      // name
	CodeNotText              = "not_text"               // name
	CodeInvalidChoice        = "invalid_choice"         // name, value, allowed
	CodeInvalidTime          = "invalid_time"           // name, value
	CodeInvalidRange         = "invalid_range"          // from, to
	CodeInvalidNumber        = "invalid_number"         // name, min, max
	CodeTooManyDays          = "too_many_days"          // days, max
	CodeInvalidSince         = "invalid_since"          //
	CodeInvalidTimeframe     = "invalid_timeframe"      // timeframe, allowed
	CodeInvalidSelector      = "invalid_selector"       // detail
	CodeInvalidPID           = "invalid_pid"            //
	CodeInvalidID            = "invalid_id"             //
	CodeUnknownExchange      = "unknown_exchange"       // exchange, allowed
	CodeUnknownSymbol        = "unknown_symbol"         // symbol, exchange
	CodeNoSymbolMatches      = "no_symbol_matches"      // selector, exchange
	CodeAlreadyRunning       = "already_running"        // pid, id, symbol, timeframe
	CodeCollectorNotFound    = "collector_not_found"    // pid or id
	CodeAmbiguousPID         = "ambiguous_pid"          // pid, ids
	CodeCollectorFailed      = "collector_failed"       // symbol, timeframe, detail
	CodeStopFailed           = "stop_failed"            // pid, detail
	CodeRestartFailed        = "restart_failed"         // pid or id, detail
	CodeExchangeUnavailable  = "exchange_unavailable"   // exchange
	CodeExchangeNonsense     = "exchange_nonsense"      // exchange
	CodeExchangeBanned       = "exchange_banned"        // exchange, until
	CodeDatabaseUnavailable  = "database_unavailable"   //
	CodeBusUnavailable       = "bus_unavailable"        //
	CodeRouteNotFound        = "route_not_found"        // path
	CodeMethodNotAllowed     = "method_not_allowed"     // method, path, allowed
	CodeCrossOrigin          = "cross_origin"           //
	CodeUnauthorized         = "unauthorized"           //
	CodeShuttingDown         = "shutting_down"          //
	CodeNotReady             = "not_ready"              // checks
	CodeStopAllFailed        = "stop_all_failed"        // stopped, failed: see StopAllAnswer
	CodeReadOnly             = "read_only"              // token
	CodeTooManyRequests      = "too_many_requests"      // seconds
	CodeHostNotAllowed       = "host_not_allowed"       // host
	CodeVerifying            = "verifying"              // symbol, timeframe, exchange
	CodeTooManyVerifications = "too_many_verifications" // max
	CodeSeriesNotFound       = "series_not_found"       // symbol, timeframe, exchange
	CodeFormatNotAvailable   = "format_not_available"   // format, allowed
)

// ErrorAnswer is the body of every error. Only Error is always there. The contract writes one
// answer out whole, {"error":"Collector no encontrado o ya detenido","pid":12345}: that one has no code.
type ErrorAnswer struct {
	Error string // a sentence for a person
	PID   int    // the process that it is about; 0 when there is none
	ID    int64  // the collector that it is about; 0 when there is none
	Code  string // one of the codes above
	// Params are further members of the object, such as symbol or allowed.
	Params map[string]string
}

// MarshalJSON writes error first, then pid, id and code where they are known, then the
// parameters by name.
func (e ErrorAnswer) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	member := func(name string, value any) error {
		if err := enc.Encode(name); err != nil {
			return err
		}
		buf.Truncate(buf.Len() - 1) // Encode ends each value with a line end
		buf.WriteByte(':')
		if err := enc.Encode(value); err != nil {
			return err
		}
		buf.Truncate(buf.Len() - 1)
		buf.WriteByte(',')
		return nil
	}
	buf.WriteByte('{')
	err := member("error", e.Error)
	if err == nil && e.PID != 0 {
		err = member("pid", e.PID)
	}
	if err == nil && e.ID != 0 {
		err = member("id", e.ID)
	}
	if err == nil && e.Code != "" {
		err = member("code", e.Code)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		if err == nil && !reserved(name) {
			err = member(name, e.Params[name])
		}
	}
	buf.Truncate(buf.Len() - 1)
	buf.WriteByte('}')
	return buf.Bytes(), err
}

// UnmarshalJSON reads an error body; members of another type than expected are passed over, so
// that a foreign answer still yields its sentence.
func (e *ErrorAnswer) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*e = ErrorAnswer{}
	for name, raw := range members {
		switch name {
		case "error":
			_ = json.Unmarshal(raw, &e.Error)
		case "pid":
			_ = json.Unmarshal(raw, &e.PID)
		case "id":
			_ = json.Unmarshal(raw, &e.ID)
		case "code":
			_ = json.Unmarshal(raw, &e.Code)
		default:
			var text string
			if json.Unmarshal(raw, &text) != nil {
				continue
			}
			if e.Params == nil {
				e.Params = map[string]string{}
			}
			e.Params[name] = text
		}
	}
	return nil
}

// reserved tells that a member has a field of its own.
func reserved(name string) bool {
	return name == "error" || name == "pid" || name == "id" || name == "code"
}
