package server

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"velador/api"
	"velador/internal/access"
)

const (
	loginPath  = "/login"
	logoutPath = "/logout"
)

//go:embed login
var loginFiles embed.FS

// loginPage is the door: it works without a script.
var loginPage = template.Must(template.ParseFS(loginFiles, "login/index.html"))

// loginPolicy is that of the dashboard's pages, whose styles it uses.
const loginPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// loginWords are the sentences of the door.
var loginWords = map[language]map[string]string{
	spanish: {
		"title": "Entrar en velador", "lead": "Este servidor pide un token. Está en VELADOR_TOKEN, o en el archivo de tokens, de quien lo ejecuta.",
		"token": "Token", "submit": "Entrar", "wrong": "Ese token no es válido.", "often": "Demasiados intentos: espere un poco y vuelva a probar.",
	},
	english: {
		"title": "Sign in to velador", "lead": "This server wants a token. It stands in VELADOR_TOKEN, or in the file of tokens, of whoever runs it.",
		"token": "Token", "submit": "Sign in", "wrong": "That token is not valid.", "often": "Too many attempts: wait a little and try again.",
	},
}

// showLogin answers GET /login.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if _, known, err := s.identify(r); known && err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath leaves paths of this server only
		return
	}
	s.writeLogin(w, r, http.StatusOK, next, "")
}

// login answers POST /login: with a session for a token.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(r.Context(), invalid(api.CodeInvalidBody, err)).write(w)
		return
	}
	next := localPath(r.PostForm.Get("next"))
	if !s.cfg.Keys.Any() {
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath leaves paths of this server only
		return
	}
	v, known, err := s.guess(r, strings.TrimSpace(r.PostForm.Get("token")))
	switch {
	case err != nil:
		s.writeLogin(w, r, http.StatusTooManyRequests, next, "often")
		return
	case !known:
		s.writeLogin(w, r, http.StatusUnauthorized, next, "wrong")
		return
	}
	*r = *r.WithContext(withVisitor(r.Context(), v)) // for the audit
	http.SetCookie(w, s.cookie(r, s.sessions.Begin(v, s.cfg.Clock()), int(access.SessionAge.Seconds())))
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath leaves paths of this server only
}

// logout answers POST /logout.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if secret, ok := sessionIn(r); ok {
		s.sessions.End(secret)
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// cookie makes a session's cookie: no script reads it, and no other site sends it.
func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure where there is TLS: without it, on loopback, the browser would keep none
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteStrictMode,
	}
}

// isSecure tells whether the browser speaks TLS, with this server or with a proxy before it. Whoever makes
// that header up only gets a cookie that is kept more strictly.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func (s *Server) writeLogin(w http.ResponseWriter, r *http.Request, status int, next, failure string) {
	lang := pageLanguageOf(r.Header.Get("Accept-Language"))
	words := loginWords[lang]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", loginPolicy)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, map[string]any{"Lang": string(lang), "T": words, "Next": next, "Failure": words[failure]}) // the client may have gone
}

// localPath gives a path of this server to go to, and the root in place of anything else.
func localPath(next string) string {
	target, err := url.Parse(next)
	if err != nil || target.Scheme != "" || target.Host != "" || target.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || target.Path == loginPath || target.Path == logoutPath {
		return "/"
	}
	return next
}
