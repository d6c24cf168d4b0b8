package bus

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
)

func FuzzAddress(f *testing.F) {
	for _, text := range []string{`{"url":"nats://127.0.0.1:4222","user":"velador","password":"x"}`, `{"url":"nats://[::1]:0","user":"u","password":"p"}`,
		`{"url":"%zz"}`, `{"url":"127.0.0.1:99999","user":"u","password":"p"}`, `null`, `[`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := parseAddress(content)
		if err != nil {
			return
		}
		if port := a.port(); port < 1 || port > 65535 || a.User == "" || a.Password == "" {
			t.Fatalf("%q is read as %+v", content, a)
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseAddress(again); err != nil || back.port() != a.port() {
			t.Errorf("%+v came back as %+v: %v", a, back, err)
		}
	})
}

// An answer to a message says that the stream has it, or why not; nothing else counts as taken.
func FuzzPublishAnswer(f *testing.F) {
	for _, text := range []string{`{"stream":"CANDLES","seq":1}`, `{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`,
		`{"error":{}}`, `{"stream":5}`, `null`, `{}`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var answer map[string]any
		err := refusal(&nats.Msg{Data: payload})
		if err == nil && json.Unmarshal(payload, &answer) != nil {
			t.Errorf("%q was taken for an acknowledgement", payload)
		}
		if err := refusal(&nats.Msg{Data: payload, Header: nats.Header{"Status": {"503"}}}); err == nil {
			t.Error("nobody listens, and it counts as taken")
		}
	})
}

// Whatever another agent claims, an assignment is lost to a later delivery of itself alone.
func FuzzClaim(f *testing.F) {
	for _, text := range []string{`{"id":"a","sequence":5,"delivered":3,"agent":"x"}`, `{"id":"a","sequence":5,"delivered":1,"agent":"x"}`,
		`{"id":"a","sequence":6,"delivered":9}`, `{"id":"a","sequence":5,"delivered":9,"agent":"me"}`, `{"sequence":-1}`, `[]`} {
		f.Add([]byte(text))
	}
	silent := slog.New(slog.DiscardHandler) // a fuzz target must not say anything through f
	s, err := StartServer(ServerConfig{Dir: f.TempDir(), Logger: silent})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Shutdown)
	c := connectTest(f, ClientConfig{File: s.File(), Logger: silent})
	f.Fuzz(func(t *testing.T, payload []byte) {
		a := &agent{conn: c, token: "me", holding: make(map[string]*Held)}
		h := &Held{agent: a, assignment: Assignment{ID: "a"}, sequence: 5, delivered: 2, settled: make(chan struct{}), finished: make(chan struct{})}
		a.holding["a"] = h
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		h.start(cancel)
		a.hear(&nats.Msg{Data: payload})
		var theirs claim
		err := json.Unmarshal(payload, &theirs)
		later := err == nil && len(payload) <= maxMessage && theirs.ID == "a" && theirs.Sequence == 5 && theirs.Delivered > 2 && theirs.Agent != "me"
		if lost := h.ended() != nil; lost != later || lost != (ctx.Err() != nil) {
			t.Errorf("%q: lost is %v", payload, lost)
		}
	})
}
