package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"velador/api"
	"velador/internal/problem"
)

// guard wraps the routes in what holds for every request, whatever its path: a language, a bounded
// body, no request from a foreign web page, panics that end one call only, and a line in the log.
func (s *Server) guard(routes *http.ServeMux, fixed map[string]string) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		begun := s.cfg.Clock()
		r = r.WithContext(withLanguage(r.Context(), languageOf(r.Header.Get("Accept-Language"))))
		w := &recorder{ResponseWriter: out}
		for name, value := range everyAnswer {
			w.Header().Set(name, value)
		}
		var body []byte
		defer func() {
			defer func() { s.audit(r, body, w.status) }() // also when the connection is cut off
			s.recover(w, r, recover())
			if s.cfg.Logger.Enabled(r.Context(), slog.LevelDebug) {
				s.cfg.Logger.Debug("http", "method", r.Method, "path", r.URL.Path, "status", w.status, "bytes", w.bytes, "took", s.cfg.Clock().Sub(begun))
			}
		}()
		var err error
		if r, err = s.admit(w, r, foreign); err != nil {
			if problem.CodeOf(err) == api.CodeUnauthorized && wantsPage(r) {
				w.Header().Del("WWW-Authenticate")
				http.Redirect(w, r, door(r), http.StatusSeeOther)
				return
			}
			s.fail(r.Context(), err).write(w)
			return
		}
		body = bodyOf(r)
		if err := routed(routes, fixed, r); err != nil {
			s.fail(r.Context(), err).write(w)
			return
		}
		if r.Method == http.MethodPost && r.ContentLength == 0 {
			// Every POST has a body; without one, huma would answer in its own words.
			if r.URL.Path != stopAllPath && r.URL.Path != logoutPath {
				s.fail(r.Context(), invalid(problem.CodeInvalidBody, nil)).write(w)
				return
			}
			const empty = "{}"
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(empty)), int64(len(empty))
		}
		routes.ServeHTTP(w, r)
	})
}

// admit refuses what no route should see, and reads the request's body.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, foreign *http.CrossOriginProtection) (*http.Request, error) {
	if s.closing.Err() != nil {
		w.Header().Set("Connection", "close")
		return r, problem.New(problem.Unavailable, problem.CodeShuttingDown, nil, sentences[problem.CodeShuttingDown].en)
	}
	if err := s.checkHost(r); err != nil {
		return r, err
	}
	if err := foreign.Check(r); err != nil {
		return r, invalid(api.CodeCrossOrigin, err)
	}
	r, err := s.authorize(w, r)
	if err != nil {
		return r, err
	}
	if r.URL.RawQuery != "" {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return r, invalid(problem.CodeInvalidParameter, err, "name", "query", "detail", err.Error())
		}
		// Written anew: huma's own reader takes "a&b=1" for one name.
		r.URL.RawQuery = query.Encode()
	}
	return r, s.readBody(w, r)
}

// everyAnswer are headers of every answer, a page's or not: what is sent is what it says it is, no other
// site frames it, and no other site hears where its reader came from. The policy is that of what is no
// page; pages have their own.
var everyAnswer = map[string]string{
	"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Vary": "Accept-Language",
}

// recover turns a panic into an answer, or cuts the connection where an answer has begun already:
// half of one must not look like a whole.
func (s *Server) recover(w *recorder, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.cfg.Logger.Error("a handler panicked", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	f := s.fail(r.Context(), problem.New(problem.Internal, problem.CodeInternal, nil, sentences[problem.CodeInternal].en))
	f.write(w)
}

// routed tells why there is no route for a request; nil when there is one. The mux says it in plain
// text; only the status and the Allow header of its answer are taken.
func routed(routes *http.ServeMux, fixed map[string]string, r *http.Request) error {
	allowed := fixed[r.URL.Path]
	if allowed == http.MethodGet {
		allowed = "GET, HEAD"
	}
	if allowed == "" || slices.Contains(strings.Split(allowed, ", "), r.Method) {
		handler, pattern := routes.Handler(r)
		if pattern != "" {
			return nil
		}
		answer := &silent{header: http.Header{}}
		handler.ServeHTTP(answer, r)
		if answer.status != http.StatusMethodNotAllowed {
			return problem.New(problem.NotFound, problem.CodeRouteNotFound, nil, sentences[problem.CodeRouteNotFound].en, "path", r.URL.Path)
		}
		allowed = answer.header.Get("Allow")
	}
	return invalid(problem.CodeMethodNotAllowed, nil, "method", r.Method, "path", r.URL.Path, "allowed", allowed)
}

// recorder notes what was answered. Unwrap lets http.ResponseController reach the connection.
type recorder struct {
	http.ResponseWriter
	status int // 0: nothing was answered yet
	bytes  int64
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// silent takes a handler's status and headers and drops its body.
type silent struct {
	header http.Header
	status int
}

func (w *silent) Header() http.Header         { return w.header }
func (w *silent) Write(p []byte) (int, error) { return len(p), nil }
func (w *silent) WriteHeader(status int)      { w.status = status }

// itoa is for parameters of sentences.
func itoa[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
