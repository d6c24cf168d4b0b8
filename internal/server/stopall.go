package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/collector"
)

// stopAllPath is the one POST that may come without a body.
const stopAllPath = "/api/collectors/stop-all"

// stopAll answers POST /api/collectors/stop-all.
func (s *Server) stopAll(ctx context.Context, in *jsonBody) (*stream, error) {
	if _, err := parseMembers(in.RawBody); err != nil {
		return nil, err
	}
	ended, err := s.cfg.Fleet.StopAll(ctx)
	failures, each := eachFailure(err)
	if err != nil && !each {
		return nil, err
	}
	lang, status := languageIn(ctx), http.StatusOK
	body := api.StopAllAnswer{Stopped: make([]api.StoppedCollector, len(ended))}
	for i, r := range ended {
		body.Stopped[i] = api.StoppedCollector{ID: r.ID, PID: r.PID}
	}
	counts := map[string]string{"stopped": itoa(len(ended)), "failed": itoa(len(failures))}
	if len(failures) == 0 {
		body.Message = stoppedAll.in(lang, counts)
	} else {
		body.Error, body.Code = sentences[api.CodeStopAllFailed].in(lang, counts), api.CodeStopAllFailed
		body.Failed, status = s.notStopped(lang, failures)
		s.cfg.Logger.Error("collectors could not be stopped", "stopped", len(ended), "failed", len(failures), "error", err)
	}
	return &stream{func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		// Many that ignore SIGTERM take longer, together, than any other answer may.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.patience.stall))
		w.Header().Set("Content-Language", string(lang))
		writeJSON(w, status, body)
	}}, nil
}

// eachFailure takes apart what Fleet.StopAll says of each collector that it could not stop; false
// when err is about the call as a whole.
func eachFailure(err error) ([]error, bool) {
	joined, ok := err.(interface{ Unwrap() []error }) // no errors.As: what stands deeper is about one collector
	if !ok {
		return nil, false
	}
	return joined.Unwrap(), true
}

// notStopped puts the reasons into words. The status is 503 where all of them may pass by themselves.
func (s *Server) notStopped(lang language, failures []error) (failed []api.FailedStop, status int) {
	status = http.StatusServiceUnavailable
	for _, err := range failures {
		p := s.problemOf(err)
		if statusOf(p) != http.StatusServiceUnavailable {
			status = http.StatusInternalServerError
		}
		one := api.FailedStop{Error: wordsOf(p).in(lang, p.Params), Code: string(p.Code)}
		var which *collector.StopError
		if errors.As(err, &which) {
			one.ID = which.ID
		}
		failed = append(failed, one)
	}
	slices.SortFunc(failed, func(a, b api.FailedStop) int { return cmp.Compare(a.ID, b.ID) })
	return failed, status
}
