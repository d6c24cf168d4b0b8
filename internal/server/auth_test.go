package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"velador/internal/access"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

func TestATokenIsAskedOfEverybodyButTheProbes(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	keys := new(access.Keys)
	if err := keys.Add(access.Visitor{Name: "ops", Right: access.Full}, token); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(server.New(server.Config{
		Fleet: servertest.NewFleet(time.Now), Candles: &servertest.Candles{}, Logs: servertest.NewLogs(), Keys: keys,
	}).Handler())
	t.Cleanup(s.Close)
	for _, c := range []struct {
		name, method, path, authorization string
		want                              int
	}{
		{"no token", "GET", "/api/collectors/status", "", http.StatusUnauthorized},
		{"a wrong token", "GET", "/api/collectors/status", "Bearer " + token + "x", http.StatusUnauthorized},
		{"the token without its scheme", "GET", "/api/collectors/status", token, http.StatusUnauthorized},
		{"another scheme", "GET", "/api/collectors/status", "Basic " + token, http.StatusUnauthorized},
		{"the token", "GET", "/api/collectors/status", "Bearer " + token, http.StatusOK},
		{"the scheme in lower case", "GET", "/api/collectors/status", "bearer " + token, http.StatusOK},
		{"a change without a token", "POST", "/api/collectors/stop", "", http.StatusUnauthorized},
		{"a stop of all without a token", "POST", "/api/collectors/stop-all", "", http.StatusUnauthorized},
		{"a stop of all", "POST", "/api/collectors/stop-all", "Bearer " + token, http.StatusOK},
		{"documentation", "GET", "/openapi.json", "", http.StatusUnauthorized},
		{"a path that does not exist", "GET", "/x", "", http.StatusUnauthorized},
		{"life", "GET", "/healthz", "", http.StatusOK},
		{"readiness", "GET", "/readyz", "", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(`{"pid":1}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", c.authorization)
			answer, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != c.want {
				t.Errorf("status %d, want %d", answer.StatusCode, c.want)
			}
			if challenge := answer.Header.Get("WWW-Authenticate"); (challenge != "") != (c.want == http.StatusUnauthorized) {
				t.Errorf("the challenge is %q", challenge)
			}
		})
	}
}
