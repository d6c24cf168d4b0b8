package server

import (
	"context"

	"velador/api"
)

// system answers GET /api/system.
func (s *Server) system(ctx context.Context, _ *noInput) (*answer[api.SystemAnswer], error) {
	found, err := s.cfg.System(ctx)
	if err != nil {
		return nil, err
	}
	return &answer[api.SystemAnswer]{found}, nil
}
