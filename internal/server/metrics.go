package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// metrics answers GET /metrics, in the words of Config.Metrics.
func (s *Server) metrics(context.Context, *noInput) (*stream, error) {
	return &stream{func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		s.cfg.Metrics.ServeHTTP(w, r)
	}}, nil
}
