package server

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"velador/api"
	"velador/internal/access"
	"velador/internal/problem"
)

// Paces of a client, told apart by its address.
const (
	// changeEvery and changeBurst bound changes: five hundred collectors may be started at once, and a
	// script that has run wild is slowed down.
	changeEvery = 20 * time.Millisecond
	changeBurst = 1000
	// guessEvery and guessBurst bound wrong tokens.
	guessEvery = 2 * time.Second
	guessBurst = 10
)

// sessionCookie is the name of a session's cookie.
const sessionCookie = "velador_session"

// nobody is the visitor of a server without tokens, which listens on its own machine only.
var nobody = access.Visitor{Name: "local", Right: access.Full}

type visitorKey struct{}

// visitorIn gives who makes the call of a context.
func visitorIn(ctx context.Context) access.Visitor {
	v, _ := ctx.Value(visitorKey{}).(access.Visitor)
	return v
}

// identify finds out who makes a request: by a bearer token, or by a session. known is false when it
// says neither, or a wrong one. A client that has guessed too often is refused whatever it says.
func (s *Server) identify(r *http.Request) (v access.Visitor, known bool, err error) {
	if !s.cfg.Keys.Any() {
		return nobody, true, nil
	}
	if token, ok := bearerIn(r); ok {
		return s.guess(r, token)
	}
	if secret, ok := sessionIn(r); ok {
		v, known = s.sessions.Find(secret, s.cfg.Clock())
	}
	return v, known, nil
}

// sessionIn gives the secret of the session that a request names.
func sessionIn(r *http.Request) (secret string, ok bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	return cookie.Value, true
}

// bearerIn gives the token that a request carries.
func bearerIn(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

// untilSignedOut gives a channel that is closed when the session that let a request in has ended, and
// look, which notices that its time has come. For a request that a token let in, or that needs none, it
// is never closed: tokens last as long as the server.
func (s *Server) untilSignedOut(r *http.Request) (over <-chan struct{}, look func()) {
	secret, ok := sessionIn(r)
	if _, bearer := bearerIn(r); !ok || bearer || !s.cfg.Keys.Any() {
		return nil, func() {}
	}
	return s.sessions.Over(secret), func() { s.sessions.Find(secret, s.cfg.Clock()) }
}

// guess tells whose token that is, and slows down who tries one after the other.
func (s *Server) guess(r *http.Request, token string) (access.Visitor, bool, error) {
	now, client := s.cfg.Clock(), clientOf(r)
	if wait := s.guesses.Wait(client, now); wait > 0 {
		return access.Visitor{}, false, tooOften(wait)
	}
	v, known := s.cfg.Keys.Who(token)
	if !known {
		s.guesses.Take(client, now)
	}
	return v, known, nil
}

// authorize lets pass who may do what a request asks. Probes of health need no token: they say nothing
// that a stranger may not know, and whoever runs containers cannot sign in. Nor do the pages' own files
// and the door itself.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	v, known, err := s.identify(r)
	if err != nil {
		return r, err
	}
	if known {
		r = r.WithContext(context.WithValue(r.Context(), visitorKey{}, v))
	}
	if isOpen(r) {
		return r, nil
	}
	if !known {
		w.Header().Set("WWW-Authenticate", `Bearer realm="velador"`)
		return r, invalid(api.CodeUnauthorized, nil)
	}
	if !changes(r) {
		return r, nil
	}
	if v.Right != access.Full {
		return r, invalid(api.CodeReadOnly, nil, "token", v.Name)
	}
	if wait := s.changes.Take(clientOf(r), s.cfg.Clock()); wait > 0 {
		return r, tooOften(wait)
	}
	return r, nil
}

// isOpen tells whether a request needs no token.
func isOpen(r *http.Request) bool {
	if path := r.URL.Path; isProbe(path) || path == loginPath || path == logoutPath {
		return true
	}
	return !changes(r) && strings.HasPrefix(r.URL.Path, "/assets/")
}

// isProbe tells whether a path is asked by whoever runs containers, without a token and by any name.
func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// changes tells whether a request is one that may change something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// tooOften refuses a client for a while.
func tooOften(wait time.Duration) error {
	return invalid(api.CodeTooManyRequests, nil, "seconds", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
}

// clientOf is the address that a request comes from, without its port. What a proxy says of whom it
// forwards for is not believed: anybody may say it.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// checkHost refuses a request by a name that is not ours: a page of another site can have its own name
// resolve to this machine, and would then be taken for one of ours.
func (s *Server) checkHost(r *http.Request) error {
	if s.cfg.Hosts.Allows(r.Host) || isProbe(r.URL.Path) {
		return nil
	}
	return problem.New(problem.Invalid, api.CodeHostNotAllowed, nil, sentences[api.CodeHostNotAllowed].en, "host", r.Host)
}

// wantsPage tells whether a request is a browser's for a page, which is led to the door instead of
// being refused.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/")
}

// door gives the address of the door for who wanted a page.
func door(r *http.Request) string {
	return loginPath + "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
}

// sessionOf tells a client what it may do.
func (s *Server) sessionOf(r *http.Request) api.Session {
	v := visitorIn(r.Context())
	_, signedIn := sessionIn(r)
	return api.Session{Name: v.Name, Access: v.Right.String(), SignedIn: s.cfg.Keys.Any() && signedIn}
}
