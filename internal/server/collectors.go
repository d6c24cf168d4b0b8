package server

import (
	"context"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/problem"
)

// noInput is the input of calls that take none.
type noInput struct{}

// jsonBody is the input of calls with a JSON body. It comes as bytes: every mistake in it is
// answered in the contract's shape and words, so huma does not judge it.
type jsonBody struct {
	RawBody []byte `contentType:"application/json"`
}

// answer is an output with a JSON body.
type answer[T any] struct{ Body T }

// IDInput names a collector in the path. Its name is exported because huma fills in no embedded
// struct otherwise.
type IDInput struct {
	ID string `path:"id" minimum:"1" maximum:"9007199254740991" doc:"The collector's id in the registry." example:"7"`
}

func (in IDInput) collector() (int64, error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil || id < 1 || id > maxID {
		return 0, invalid(api.CodeInvalidID, err)
	}
	return id, nil
}

// status answers GET /api/collectors/status.
func (s *Server) status(ctx context.Context, _ *noInput) (*stream, error) {
	alive, err := s.cfg.Fleet.Status(ctx)
	if err != nil {
		return nil, err
	}
	return s.list(&s.alive, alive), nil
}

// collectors answers GET /api/collectors.
func (s *Server) collectors(ctx context.Context, _ *noInput) (*stream, error) {
	all, err := s.cfg.Fleet.All(ctx)
	if err != nil {
		return nil, err
	}
	return s.list(&s.all, all), nil
}

// list answers with collectors, in one piece of known length.
func (s *Server) list(known *fragments, list []collector.Live) *stream {
	return &stream{func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		body := s.bodies.get()
		defer s.bodies.put(body)
		*body = known.appendList((*body)[:0], list, languageIn(r.Context()))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(*body)))
		_, _ = w.Write(*body) // the client may have gone
	}}
}

// start answers POST /api/collectors/start.
func (s *Server) start(ctx context.Context, in *jsonBody) (*answer[api.StartAnswer], error) {
	spec, err := s.parseStart(in.RawBody)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Fleet.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	message := started.in(languageIn(ctx), map[string]string{"symbol": spec.Selector, "timeframe": spec.Timeframe.String()})
	return &answer[api.StartAnswer]{api.StartAnswer{Message: message, PID: record.PID, ID: record.ID}}, nil
}

// stop answers POST /api/collectors/stop.
func (s *Server) stop(ctx context.Context, in *jsonBody) (*answer[api.StopAnswer], error) {
	ref, err := parseStop(in.RawBody)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Fleet.Stop(ctx, ref)
	if err != nil {
		return nil, about(err, ref)
	}
	return &answer[api.StopAnswer]{api.StopAnswer{Message: stopped.in(languageIn(ctx), nil), PID: record.PID}}, nil
}

// collector answers GET /api/collectors/{id}.
func (s *Server) collector(ctx context.Context, in *IDInput) (*answer[api.CollectorStatus], error) {
	id, err := in.collector()
	if err != nil {
		return nil, err
	}
	live, err := s.cfg.Fleet.Look(ctx, id)
	if err != nil {
		return nil, about(err, collector.Ref{ID: id})
	}
	out := new(answer[api.CollectorStatus])
	describe(&out.Body, &live, languageIn(ctx))
	return out, nil
}

// parseStart reads the body of a start. Members that it does not know are passed over: existing
// clients may send some. A symbol's case is never changed: venues may have both.
func (s *Server) parseStart(body []byte) (collector.Spec, error) {
	m, err := parseMembers(body)
	if err != nil {
		return collector.Spec{}, err
	}
	var timeframe, symbol, exchange string
	for _, member := range []struct {
		name string
		at   *string
	}{{"timeframe", &timeframe}, {"symbol", &symbol}, {"exchange", &exchange}} {
		if *member.at, err = m.text(member.name); err != nil {
			return collector.Spec{}, err
		}
	}
	spec := collector.Spec{}
	if spec.Timeframe, err = parseTimeframe(timeframe); err != nil {
		return collector.Spec{}, err
	}
	if symbol == "" {
		return collector.Spec{}, invalid(api.CodeMissingParameter, nil, "name", "symbol")
	}
	selector, err := candle.ParseSelector(symbol)
	if err != nil {
		return collector.Spec{}, invalid(problem.CodeInvalidSelector, err, "detail", err.Error())
	}
	spec.Selector = selector.String()
	if spec.Exchange, err = s.parseExchange(exchange); err != nil {
		return collector.Spec{}, err
	}
	spec.Since, err = parseSince(m["since"], s.cfg.Clock())
	return spec, err
}

// parseStop reads the body of a stop.
func parseStop(body []byte) (collector.Ref, error) {
	m, err := parseMembers(body)
	if err != nil {
		return collector.Ref{}, err
	}
	pid, ok := m.number("pid", maxPID)
	if !ok {
		return collector.Ref{}, invalid(problem.CodeInvalidPID, nil)
	}
	id, ok := m.number("id", maxID)
	if !ok {
		return collector.Ref{}, invalid(api.CodeInvalidID, nil)
	}
	if pid == 0 && id == 0 {
		return collector.Ref{}, invalid(problem.CodeInvalidPID, nil)
	}
	return collector.Ref{PID: int(pid), ID: id}, nil
}

// about adds to a problem which collector was asked for, where the problem does not say.
func about(err error, ref collector.Ref) error {
	p := *problemOf(err)
	params := map[string]string{}
	if ref.ID != 0 {
		params["id"] = itoa(ref.ID)
	} else {
		params["pid"] = itoa(ref.PID)
	}
	for name, value := range p.Params {
		params[name] = value
	}
	p.Params = params
	return &p
}
