package server

import (
	"context"

	"velador/api"
	"velador/internal/collector"
)

const (
	defaultLives = 20
	maxLives     = 1000
)

// historyInput asks for a collector's former lives.
type historyInput struct {
	IDInput
	Limit string `query:"limit" minimum:"1" maximum:"1000" unset:"20" doc:"How many of the newest lives." example:"20"`
}

// history answers GET /api/collectors/{id}/history.
func (s *Server) history(ctx context.Context, in *historyInput) (*answer[api.HistoryAnswer], error) {
	id, err := in.collector()
	if err != nil {
		return nil, err
	}
	limit, err := parseNumber("limit", in.Limit, defaultLives, maxLives)
	if err != nil {
		return nil, err
	}
	lives, err := s.cfg.Fleet.Lives(ctx, id, limit)
	if err != nil {
		return nil, about(err, collector.Ref{ID: id})
	}
	body := api.HistoryAnswer{ID: id, Lives: make([]api.Life, 0, len(lives))}
	lang := languageIn(ctx)
	for _, life := range lives {
		e := life.Exit
		body.Lives = append(body.Lives, api.Life{
			PID: life.PID, Host: life.Host, StartedAt: sound(life.StartedAt), EndedAt: sound(e.At),
			Code: exitCode(e), Signal: exitSignal(e), Reason: e.Reason, Text: exitText(e, lang),
		})
	}
	return &answer[api.HistoryAnswer]{body}, nil
}
