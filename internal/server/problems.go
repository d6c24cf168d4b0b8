package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"velador/api"
	"velador/internal/problem"
	"velador/internal/store"
)

// byKind gives the HTTP status of each kind of problem. Banned is 503, not 429: it is the exchange
// that is asked too often, not we.
var byKind = map[problem.Kind]int{
	problem.Internal:    http.StatusInternalServerError,
	problem.Invalid:     http.StatusBadRequest,
	problem.NotFound:    http.StatusNotFound,
	problem.Conflict:    http.StatusConflict,
	problem.Unavailable: http.StatusServiceUnavailable,
	problem.Banned:      http.StatusServiceUnavailable,
}

// byCode gives the status of the codes that say more than their kind, and of those that are the
// caller's mistake whatever kind an adapter found fit: a symbol that does not exist is 400, for
// nothing is missing at the path that was asked.
var byCode = map[problem.Code]int{
	problem.CodeBodyTooLarge:     http.StatusRequestEntityTooLarge,
	problem.CodeMethodNotAllowed: http.StatusMethodNotAllowed,
	problem.CodeRouteNotFound:    http.StatusNotFound,
	problem.CodeUnknownExchange:  http.StatusBadRequest,
	problem.CodeUnknownSymbol:    http.StatusBadRequest,
	problem.CodeNoSymbolMatches:  http.StatusBadRequest,
	api.CodeCrossOrigin:          http.StatusForbidden,
	api.CodeUnauthorized:         http.StatusUnauthorized,
	api.CodeReadOnly:             http.StatusForbidden,
	api.CodeTooManyRequests:      http.StatusTooManyRequests,
	api.CodeHostNotAllowed:       http.StatusMisdirectedRequest,
}

// failure is a problem put into HTTP: what huma asks of an error that is an answer.
type failure struct {
	status int
	header http.Header
	answer api.ErrorAnswer
}

func (f *failure) Error() string                { return f.answer.Error }
func (f *failure) GetStatus() int               { return f.status }
func (f *failure) GetHeaders() http.Header      { return f.header }
func (f *failure) MarshalJSON() ([]byte, error) { return f.answer.MarshalJSON() }

// invalid makes a problem out of a code that is the caller's mistake.
func invalid(code problem.Code, cause error, params ...string) error {
	return problem.New(problem.Invalid, code, cause, sentences[code].en, params...)
}

// problemOf finds the problem in an error. What the store says without a problem around it is
// given its meaning here; anything else is a defect of ours.
func problemOf(err error) *problem.Error {
	var p *problem.Error
	if errors.As(err, &p) {
		return p
	}
	var exists *store.ExistsError
	switch {
	case errors.As(err, &exists):
		r := exists.Record
		return problem.New(problem.Conflict, problem.CodeAlreadyRunning, err, sentences[problem.CodeAlreadyRunning].en,
			"symbol", r.Spec.Selector, "timeframe", r.Spec.Timeframe.String(), "pid", strconv.Itoa(r.PID), "id", strconv.FormatInt(r.ID, 10))
	case errors.Is(err, store.ErrNotFound):
		return problem.New(problem.NotFound, problem.CodeCollectorNotFound, err, sentences[problem.CodeCollectorNotFound].en)
	}
	return problem.New(problem.Internal, problem.CodeInternal, err, sentences[problem.CodeInternal].en)
}

// problemOf is problemOf that knows of calls that were cut off because the server ends: no defect.
func (s *Server) problemOf(err error) *problem.Error {
	p := problemOf(err)
	if p.Code == problem.CodeInternal && errors.Is(err, context.Canceled) && s.closing.Err() != nil {
		return problem.New(problem.Unavailable, problem.CodeShuttingDown, err, sentences[problem.CodeShuttingDown].en)
	}
	return p
}

// wordsOf gives the sentence of a problem.
func wordsOf(p *problem.Error) sentence {
	if words, known := sentences[p.Code]; known {
		return words
	}
	return sentence{es: p.Text, en: p.Text} // a code of a later build than this table
}

// fail turns an error into an answer and, where it is not the caller's mistake, logs it: the
// caller learns the sentence, the operator the cause.
func (s *Server) fail(ctx context.Context, err error) *failure {
	f := s.answerTo(languageIn(ctx), err)
	if f.status >= http.StatusInternalServerError && ctx.Err() == nil {
		s.cfg.Logger.Error("a call failed", "status", f.status, "code", string(s.problemOf(err).Code), "error", err)
	}
	return f
}

// answerTo puts an error into words.
func (s *Server) answerTo(lang language, err error) *failure {
	p := s.problemOf(err)
	f := &failure{status: statusOf(p), header: http.Header{}}
	f.header.Set("Content-Language", string(lang))
	f.answer = api.ErrorAnswer{Error: wordsOf(p).in(lang, p.Params), Code: string(p.Code)}
	for name, value := range p.Params {
		f.param(name, value)
	}
	if symbol := p.Params["symbol"]; p.Code == problem.CodeUnknownSymbol && strings.ToUpper(symbol) != symbol {
		f.answer.Error += otherCase.in(lang, map[string]string{"upper": strings.ToUpper(symbol)})
	}
	if p.Code == problem.CodeCollectorNotFound && f.answer.PID != 0 && f.answer.ID == 0 {
		f.answer.Code = "" // the contract writes this answer out whole
	}
	if until, err := time.Parse(time.RFC3339, p.Params["until"]); err == nil {
		seconds := max(1, int64(until.Sub(s.cfg.Clock()).Seconds())+1)
		f.header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if seconds := p.Params["seconds"]; p.Code == api.CodeTooManyRequests {
		f.header.Set("Retry-After", seconds)
	}
	if p.Code == problem.CodeMethodNotAllowed {
		f.header.Set("Allow", p.Params["allowed"])
	}
	return f
}

// param adds a further member to the answer.
func (f *failure) param(name, value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case name == "pid" && err == nil:
		f.answer.PID = int(n)
	case name == "id" && err == nil:
		f.answer.ID = n
	default:
		if f.answer.Params == nil {
			f.answer.Params = map[string]string{}
		}
		f.answer.Params[name] = clip(value)
	}
}

func statusOf(p *problem.Error) int {
	if status, ok := byCode[p.Code]; ok {
		return status
	}
	if status, ok := byKind[p.Kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// maxParam bounds what an answer repeats of a request, in bytes.
const maxParam = 400

// clip makes a text safe to repeat: valid UTF-8, and not longer than maxParam.
func clip(text string) string {
	if len(text) > maxParam {
		cut := maxParam
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return string([]rune(text))
}

// write sends the failure outside of huma's reach.
func (f *failure) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), f.header)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	body, err := f.answer.MarshalJSON()
	if err == nil {
		_, _ = w.Write(append(body, '\n')) //nolint:gosec // it is JSON, and named so; the client may have gone
	}
}
