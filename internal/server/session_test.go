package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"velador/internal/access"
)

// signIn changes a token for a session, and gives the header that names it.
func (h *house) signIn(token string) (cookie []string) {
	h.t.Helper()
	in := h.call("POST", "/login", url.Values{"token": {token}, "next": {"/"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	name, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	if in.status != http.StatusSeeOther || name == "" {
		h.t.Fatalf("signing in: %d %s", in.status, in.body)
	}
	return []string{"Cookie", name}
}

func TestTheCookieIsForOurPagesAloneAndForTLSWhereThereIsTLS(t *testing.T) {
	t.Parallel()
	h := build(t, withKeys(t))
	secure := httptest.NewTLSServer(h.server.Handler())
	t.Cleanup(secure.Close)
	proxied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "https") // as a proxy says that speaks TLS with the browser
		h.server.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(proxied.Close)
	for _, c := range []struct {
		address string
		client  *http.Client
		secure  bool
	}{{h.http.URL, h.http.Client(), false}, {secure.URL, secure.Client(), true}, {proxied.URL, proxied.Client(), true}} {
		c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		answer, err := c.client.PostForm(c.address+"/login", url.Values{"token": {fullToken}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		cookies := answer.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: cookies are %v", c.address, cookies)
		}
		got := cookies[0]
		if got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode || got.Path != "/" || got.Domain != "" ||
			got.MaxAge != int(access.SessionAge.Seconds()) || len(got.Value) < 40 {
			t.Errorf("%s: the cookie is %s", c.address, answer.Header.Get("Set-Cookie"))
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.address+"/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(got)
		if answer, err = c.client.Do(request); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if gone := answer.Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Value != "" || gone[0].Secure != c.secure || gone[0].Path != "/" {
			t.Errorf("%s: signing out answers %s", c.address, answer.Header.Get("Set-Cookie"))
		}
	}
}

// TestAStreamEndsWithItsSession: a page that was left open shows nothing more to whoever finds it.
func TestAStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64 // on the server's clock, beyond noon
	h := quick(build(t, withKeys(t), func(c *Config) {
		c.Clock = func() time.Time { return noon.Add(time.Duration(passed.Load())) }
	}))
	h.server.patience.heartbeat = time.Millisecond
	bearer := []string{"Authorization", "Bearer " + fullToken}
	if answer := h.call("POST", "/api/collectors/start", ethMinute, bearer...); answer.status != 200 {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	refused := func(s *sse, when string) {
		t.Helper()
		for {
			switch e := s.next(); {
			case e.name == "error":
				if !strings.Contains(e.data, `"code":"unauthorized"`) {
					t.Errorf("%s a stream ends with %s", when, e.data)
				}
				if e := s.next(); e != (sseEvent{}) {
					t.Errorf("%s a stream goes on with %+v", when, e)
				}
				return
			case e == sseEvent{}:
				t.Errorf("%s a stream ends without a word", when)
				return
			}
		}
	}
	one, other := h.signIn(readToken), h.signIn(readToken)
	events, logs := h.stream("/api/events", one...), h.stream("/api/collectors/1/logs?follow=true", one...)
	lasting, program := h.stream("/api/events", other...), h.stream("/api/events", append(bearer, other...)...)
	for _, s := range []*sse{events, lasting, program} {
		s.want("session")
		s.want("collectors")
	}
	if answer := h.call("POST", "/logout", "", one...); answer.status != http.StatusSeeOther {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	refused(events, "signed out,")
	refused(logs, "signed out,")
	h.call("POST", "/api/collectors/start", `{"timeframe":"5m","symbol":"BTCUSDT"}`, bearer...)
	lasting.want("changes")
	program.want("changes")

	passed.Store(int64(access.SessionAge))
	refused(lasting, "a week later")
	h.call("POST", "/api/collectors/stop", `{"id":1}`, bearer...)
	program.want("changes") // a token lets in whatever becomes of the cookie beside it
	if answer := h.get("/api/collectors", other...); answer.status != http.StatusUnauthorized {
		t.Errorf("a week later: %d", answer.status)
	}
}
