package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"velador/internal/access"
)

// told are the members of a request's body that say what it is about. A token is none of them.
var told = []string{"id", "pid", "exchange", "symbol", "timeframe", "since", "from", "to"}

// maxTold bounds what a line of the log takes over of each.
const maxTold = 200

// withVisitor notes who makes a call.
func withVisitor(ctx context.Context, v access.Visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// audit writes a line for every request that may change something, done or refused: who, from where,
// what. It is called when the request has been answered.
func (s *Server) audit(r *http.Request, body []byte, status int) {
	if !changes(r) || !s.cfg.Audit.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	who := visitorIn(r.Context()).Name
	if who == "" {
		who = "unknown"
	}
	what := []any{slog.String("who", who), slog.String("from", clientOf(r)), slog.String("method", r.Method), slog.String("path", clip(r.URL.Path)), slog.Int("status", status)}
	if r.URL.Path != loginPath {
		var members map[string]json.RawMessage
		if json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &members) == nil {
			var asked []any // apart, so that nobody writes where it came from into a body
			for _, name := range told {
				if value, given := members[name]; given && len(value) <= maxTold {
					asked = append(asked, slog.String(name, string(bytes.Trim(value, `"`))))
				}
			}
			what = append(what, slog.Group("asked", asked...))
		}
	}
	s.cfg.Audit.Info("a change was asked for", slog.Group("audit", what...))
}

// bodyOf gives a body that readBody has read, and leaves it to be read again.
func bodyOf(r *http.Request) []byte {
	if r.Body == nil || r.ContentLength <= 0 {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil { // of a reader in memory there is none
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}
