package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"velador/internal/dashboard"
)

// directives reads a Content-Security-Policy.
func directives(policy string) map[string]string {
	found := make(map[string]string)
	for one := range strings.SplitSeq(policy, ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(one), " ")
		found[name] = sources
	}
	return found
}

// TestEveryAnswerHasAPolicyThatRunsNoForeignScript asks for each page, and for what is none, over HTTP.
func TestEveryAnswerHasAPolicyThatRunsNoForeignScript(t *testing.T) {
	t.Parallel()
	db := newShelf(t)
	h := build(t, db.on, func(c *Config) { c.Dashboard = dashboard.Handler() })
	studio := httptest.NewServer(NewStudio(Config{Browser: db, Candles: db, Dashboard: dashboard.Studio()}).Handler())
	t.Cleanup(studio.Close)
	pages := map[string][]string{
		h.http.URL: {"/", "/collectors", "/collectors/7", "/market", "/market/binance/ETHUSDT/1m", "/completeness", "/system", "/data", "/login", "/docs"},
		studio.URL: {"/", "/data"},
	}
	others := map[string][]string{
		h.http.URL: {"/api/collectors", "/api/nothing", "/nothing", "/market/a/b/c/d", "/assets/js/app.js", "/assets/icon.svg", "/docs/start.js", "/openapi.json", "/healthz", "/readyz"},
		studio.URL: {"/system", "/api/data", "/healthz"},
	}
	policyOf := func(address string) (*http.Response, map[string]string) {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		policy := directives(answer.Header.Get("Content-Security-Policy"))
		if len(answer.Header.Values("Content-Security-Policy")) != 1 || policy["default-src"] != "'none'" || policy["frame-ancestors"] != "'none'" || policy["base-uri"] != "'none'" {
			t.Errorf("%s: the policy is %v", address, policy)
		}
		for name, sources := range policy {
			styles := name == "style-src" && strings.HasSuffix(address, "/docs") // Swagger UI writes some of its own
			if strings.Contains(sources, "unsafe") && !styles || strings.ContainsAny(sources, "*") || strings.Contains(sources, "http") {
				t.Errorf("%s: %s allows %s", address, name, sources)
			}
		}
		return answer, policy
	}
	for base, paths := range pages {
		for _, path := range paths {
			answer, policy := policyOf(base + path)
			if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || policy["script-src"] != "'self'" {
				t.Errorf("%s is answered with %s %v", path, answer.Status, policy)
			}
		}
	}
	for base, paths := range others {
		for _, path := range paths {
			policyOf(base + path)
		}
	}
}
