package server

import (
	"context"

	"velador/api"
)

// restart answers POST /api/collectors/restart. Its body is that of a stop.
func (s *Server) restart(ctx context.Context, in *jsonBody) (*answer[api.RestartAnswer], error) {
	ref, err := parseStop(in.RawBody)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Fleet.Restart(ctx, ref)
	if err != nil {
		return nil, about(err, ref)
	}
	message := restarted.in(languageIn(ctx), map[string]string{"symbol": record.Spec.Selector, "timeframe": record.Spec.Timeframe.String()})
	return &answer[api.RestartAnswer]{api.RestartAnswer{Message: message, PID: record.PID, ID: record.ID}}, nil
}
