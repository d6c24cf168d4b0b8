package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"velador/internal/access"
)

const (
	fullToken = "full-0123456789abcdef"
	readToken = "read-0123456789abcdef"
)

// withKeys has a server want a token.
func withKeys(t *testing.T) func(*Config) {
	t.Helper()
	keys := new(access.Keys)
	if err := keys.AddFile("ops " + fullToken + "\ngrafana " + readToken + " read\n"); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Keys = keys }
}

func TestAReadOnlyTokenLooksAtEverythingAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := build(t, withKeys(t))
	reader := []string{"Authorization", "Bearer " + readToken}
	if answer := h.get("/api/collectors", reader...); answer.status != 200 {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	for _, path := range []string{"/api/collectors/start", "/api/collectors/stop", "/api/collectors/stop-all", "/api/collectors/restart"} {
		h.call("POST", path, `{"pid":1}`, reader...).want(t, 403, `{"error":"El token grafana es de solo lectura: no puede cambiar nada","code":"read_only","token":"grafana"}`)
	}
	if answer := h.call("POST", "/api/collectors/start", ethMinute, "Authorization", "Bearer "+fullToken); answer.status != 200 {
		t.Errorf("the other token: %d %s", answer.status, answer.body)
	}
}

func TestABrowserIsLedToTheDoorAndBack(t *testing.T) {
	t.Parallel()
	h := build(t, withKeys(t))
	page := []string{"Accept", "text/html,application/xhtml+xml"}
	answer := h.get("/market/binance/ETHUSDT/1m?at=2026-11-24", page...)
	if at := answer.header.Get("Location"); answer.status != 303 || at != "/login?next=%2Fmarket%2Fbinance%2FETHUSDT%2F1m%3Fat%3D2026-11-24" {
		t.Fatalf("%d to %s", answer.status, at)
	}
	door := h.get(answer.header.Get("Location"), append(page, "Accept-Language", "en")...)
	if door.status != 200 || !strings.Contains(door.body, "Sign in to velador") || !strings.Contains(door.body, `value="/market/binance/ETHUSDT/1m?at=2026-11-24"`) {
		t.Errorf("the door is %d %s", door.status, door.body)
	}
	for header, want := range map[string]string{"es-MX,es;q=0.9,en;q=0.8": "es", "fr-FR,fr;q=0.9": "en", "fr,es;q=0.5": "es", "": "en"} { // as the pages choose
		if door := h.get("/login", append(page, "Accept-Language", header)...); !strings.Contains(door.body, `<html lang="`+want+`">`) || strings.Contains(door.body, "Entrar") != (want == "es") {
			t.Errorf("for %q the door is %s", header, door.body)
		}
	}
	if policy := door.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("its policy is %s", policy)
	}
	form := func(token, next string) reply {
		return h.call("POST", "/login", url.Values{"token": {token}, "next": {next}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	if wrong := form("wrong", "/"); wrong.status != 401 || !strings.Contains(wrong.body, "That token is not valid.") || wrong.header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token: %d %s", wrong.status, wrong.body)
	}
	in := form(" "+readToken+" ", "/system")
	set := in.header.Get("Set-Cookie")
	if in.status != 303 || in.header.Get("Location") != "/system" || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") || strings.Contains(set, readToken) {
		t.Fatalf("%d to %s with %s", in.status, in.header.Get("Location"), set)
	}
	cookie := []string{"Cookie", strings.Split(set, ";")[0]}
	if answer := h.get("/api/collectors", cookie...); answer.status != 200 {
		t.Errorf("signed in: %d %s", answer.status, answer.body)
	}
	if answer := h.call("POST", "/api/collectors/stop-all", "{}", cookie...); answer.status != 403 {
		t.Errorf("a session of a read-only token: %d %s", answer.status, answer.body)
	}
	if answer := h.get("/login?next=/data", cookie...); answer.status != 303 || answer.header.Get("Location") != "/data" {
		t.Errorf("the door, once inside: %d to %s", answer.status, answer.header.Get("Location"))
	}
	out := h.call("POST", "/logout", "", cookie...)
	if out.status != 303 || !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d %v", out.status, out.header)
	}
	if answer := h.get("/api/collectors", cookie...); answer.status != 401 {
		t.Errorf("signed out: %d %s", answer.status, answer.body)
	}
}

func TestTheDoorLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"": "/", "/": "/", "/data?table=gaps": "/data?table=gaps", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/",
		"javascript:alert(1)": "/", "evil": "/", "/login": "/", "/logout?x": "/", "/a\r\nSet-Cookie: x": "/", "/%zz": "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestWhoGuessesTokensIsSlowedDown(t *testing.T) {
	t.Parallel()
	h := build(t, withKeys(t))
	for range guessBurst {
		if answer := h.get("/api/collectors", "Authorization", "Bearer nonsense"); answer.status != 401 {
			t.Fatalf("%d %s", answer.status, answer.body)
		}
	}
	answer := h.get("/api/collectors", "Authorization", "Bearer nonsense")
	if answer.status != 429 || answer.header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %s: %s", answer.status, answer.header.Get("Retry-After"), answer.body)
	}
	// Otherwise a guess that is right would be known by its answer.
	if answer := h.get("/api/collectors", "Authorization", "Bearer "+fullToken); answer.status != 429 {
		t.Errorf("the right one meanwhile: %d", answer.status)
	}
	if answer := h.call("POST", "/login", "token="+fullToken, "Content-Type", "application/x-www-form-urlencoded"); answer.status != 429 {
		t.Errorf("at the door meanwhile: %d", answer.status)
	}
	if answer := h.get("/healthz"); answer.status != 200 {
		t.Errorf("a probe: %d", answer.status)
	}
	if answer, ok := h.from("127.0.0.2", "/api/collectors", fullToken); ok && answer != 200 {
		t.Errorf("the right one from another address meanwhile: %d", answer)
	}
}

// from asks from another address of this machine, where it has one.
func (h *house) from(address, path, token string) (status int, ok bool) {
	h.t.Helper()
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.http.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := transport.RoundTrip(req)
	if err != nil {
		h.t.Logf("nothing is asked from %s: %v", address, err)
		return 0, false
	}
	answer.Body.Close()
	return answer.StatusCode, true
}

func TestFiguresAreShownToWhoHasAToken(t *testing.T) {
	t.Parallel()
	h := build(t, withKeys(t), func(c *Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	})
	if answer := h.get("/metrics"); answer.status != 401 || strings.Contains(answer.body, "up 1") {
		t.Errorf("without one: %d %s", answer.status, answer.body)
	}
	if answer := h.get("/metrics", "Authorization", "Bearer "+readToken); answer.status != 200 || answer.body != "up 1\n" {
		t.Errorf("with one that may only read: %d %s", answer.status, answer.body)
	}
}

func TestChangesAreBoundedForAClient(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.server.changes = access.NewPace(time.Minute, 3)
	for range 3 {
		if answer := h.post("/api/collectors/stop", `{"pid":7}`); answer.status != 404 {
			t.Fatalf("%d %s", answer.status, answer.body)
		}
	}
	if answer := h.post("/api/collectors/stop", `{"pid":7}`); answer.status != 429 || answer.header.Get("Retry-After") != "60" {
		t.Errorf("%d %v %s", answer.status, answer.header, answer.body)
	}
	if answer := h.get("/api/collectors"); answer.status != 200 {
		t.Errorf("a look: %d", answer.status)
	}
}

func TestARequestByAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) { c.Hosts = access.NewHosts("velador.example") })
	byName := func(method, path, name string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, h.http.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = name
		resp, err := h.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, path := range []string{"/api/collectors", "/", "/login", "/metrics"} {
		if status := byName("GET", path, "evil.example"); status != http.StatusMisdirectedRequest {
			t.Errorf("%s by a foreign name: %d", path, status)
		}
	}
	if status := byName("POST", "/api/collectors/stop-all", "127.0.0.1.evil.example:3000"); status != http.StatusMisdirectedRequest {
		t.Errorf("a change by a foreign name: %d", status)
	}
	for _, name := range []string{"localhost:3000", "127.0.0.1", "velador.example:443", "[::1]:3000"} {
		if status := byName("GET", "/api/collectors", name); status != 200 {
			t.Errorf("by %s: %d", name, status)
		}
	}
	if status := byName("GET", "/healthz", "10.0.0.1.probe"); status != 200 {
		t.Errorf("a probe: %d", status)
	}
}

func TestEveryAnswerSaysHowItMayBeUsed(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, path := range []string{"/api/collectors", "/x", "/docs", "/login"} {
		answer := h.get(path)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"} {
			if got := answer.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

// records keeps the lines of a log.
type records struct {
	slog.Handler
	mu    sync.Mutex
	lines []map[string]any
}

func (k *records) Enabled(context.Context, slog.Level) bool { return true }

func (k *records) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	if err := slog.NewJSONHandler(&text, nil).Handle(context.Background(), r); err != nil {
		return err
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text.String()), &line); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, line)
	return nil
}

func TestEveryChangeLeavesALineAndNoTokenDoes(t *testing.T) {
	t.Parallel()
	kept := &records{}
	h := build(t, withKeys(t), func(c *Config) { c.Logger = slog.New(kept) })
	h.call("POST", "/api/collectors/start", ethMinute, "Authorization", "Bearer "+fullToken)
	h.call("POST", "/api/collectors/stop", `{"pid":77,"token":"`+fullToken+`"}`, "Authorization", "Bearer "+readToken)
	h.call("POST", "/api/collectors/stop-all", "")
	h.call("POST", "/login", "token="+fullToken+"&next=/", "Content-Type", "application/x-www-form-urlencoded")
	h.call("POST", "/login", "token=wrong-"+fullToken+"&next=/", "Content-Type", "application/x-www-form-urlencoded")
	cookie := h.signIn(readToken)
	_, secret, _ := strings.Cut(cookie[1], "=")
	h.call("POST", "/api/collectors/restart", `{"id":1}`, cookie...)
	h.call("POST", "/api/verify", `{"symbol":"ETHUSDT","timeframe":"1m","from":"192.0.2.1","who":"root"}`, "Authorization", "Bearer "+fullToken)
	h.call("POST", "/logout", "", cookie...)
	h.call("POST", "/logout?token="+fullToken, "")
	h.get("/api/collectors?token="+fullToken, "Authorization", "Bearer "+fullToken)
	h.get("/api/collectors", "Authorization", "Bearer wrong-"+fullToken)
	var told []string
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, line := range kept.lines {
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), fullToken) || strings.Contains(string(text), readToken) || strings.Contains(string(text), secret) {
			t.Errorf("a token stands in the log: %s", text)
		}
		if one, is := line["audit"].(map[string]any); is {
			if one["from"] != "127.0.0.1" {
				t.Errorf("from %v", one["from"])
			}
			delete(one, "from")
			text, _ := json.Marshal(one)
			told = append(told, string(text))
		}
	}
	want := []string{
		`{"asked":{"symbol":"ETHUSDT","timeframe":"1m"},"method":"POST","path":"/api/collectors/start","status":200,"who":"ops"}`,
		`{"method":"POST","path":"/api/collectors/stop","status":403,"who":"grafana"}`,
		`{"method":"POST","path":"/api/collectors/stop-all","status":401,"who":"unknown"}`,
		`{"method":"POST","path":"/login","status":303,"who":"ops"}`,
		`{"method":"POST","path":"/login","status":401,"who":"unknown"}`,
		`{"method":"POST","path":"/login","status":303,"who":"grafana"}`,
		`{"method":"POST","path":"/api/collectors/restart","status":403,"who":"grafana"}`,
		`{"asked":{"from":"192.0.2.1","symbol":"ETHUSDT","timeframe":"1m"},"method":"POST","path":"/api/verify","status":404,"who":"ops"}`,
		`{"method":"POST","path":"/logout","status":303,"who":"grafana"}`,
		`{"method":"POST","path":"/logout","status":303,"who":"unknown"}`,
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n%s\nnot\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
