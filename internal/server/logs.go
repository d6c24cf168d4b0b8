package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/collector"
)

const (
	defaultTail = 200    // lines
	maxTail     = 10_000 // lines
)

// logsInput asks for a collector's log.
type logsInput struct {
	IDInput
	Tail   string `query:"tail" minimum:"1" maximum:"10000" unset:"200" doc:"How many of the newest lines." example:"200"`
	Follow string `query:"follow" enum:"false,true" unset:"false" doc:"With true the answer is a stream of Server-Sent Events, one for each line, that goes on as lines are written." example:"false"`
}

// logs answers GET /api/collectors/{id}/logs.
func (s *Server) logs(ctx context.Context, in *logsInput) (*stream, error) {
	id, err := in.collector()
	if err != nil {
		return nil, err
	}
	tail, err := parseNumber("tail", in.Tail, defaultTail, maxTail)
	if err != nil {
		return nil, err
	}
	follow, err := parseChoice("follow", in.Follow, "false", "true")
	if err != nil {
		return nil, err
	}
	if follow == "true" {
		// Asked first, because a stream has said 200 before its first line.
		if _, err := s.cfg.Fleet.Collector(ctx, id); err != nil {
			return nil, about(err, collector.Ref{ID: id})
		}
		return &stream{func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.follow(w, r, id, tail)
		}}, nil
	}
	lines, err := s.cfg.Logs.Tail(ctx, id, tail)
	if err != nil {
		return nil, about(err, collector.Ref{ID: id})
	}
	if lines == nil {
		lines = []string{}
	}
	return &stream{func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		writeJSON(w, http.StatusOK, api.LogsAnswer{ID: id, Lines: lines})
	}}, nil
}

// follow streams a log until the collector will say no more.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, id int64, tail int) {
	s.sendEvents(w, r, func(ctx context.Context, events *eventWriter) error {
		if err := s.cfg.Logs.Follow(ctx, id, tail, func(line string) error { return events.event("", line) }); err != nil {
			return about(err, collector.Ref{ID: id})
		}
		return nil
	})
}
