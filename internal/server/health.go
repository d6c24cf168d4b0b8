package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"velador/api"
	"velador/internal/problem"
)

// checkTimeout bounds each check of /readyz.
const checkTimeout = 3 * time.Second

// health answers GET /healthz: who can answer lives.
func (s *Server) health(context.Context, *noInput) (*answer[api.HealthAnswer], error) {
	return &answer[api.HealthAnswer]{api.HealthAnswer{Status: "ok"}}, nil
}

// readiness is an answer with a status of its own.
type readiness struct {
	Status int
	Body   api.ReadyAnswer
}

// ready answers GET /readyz: all checks run at the same time, and each that fails is named with
// its reason. What is no *problem.Error is for the log only: it may name hosts and users.
func (s *Server) ready(ctx context.Context, _ *noInput) (*readiness, error) {
	lang := languageIn(ctx)
	reasons := make([]string, len(s.cfg.Ready))
	var running sync.WaitGroup
	for i, check := range s.cfg.Ready {
		running.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			err := runCheck(bounded, check)
			if err != nil {
				reasons[i] = s.reason(lang, err)
			}
			if ctx.Err() == nil {
				s.tellReadiness(check.Name, err)
			}
		})
	}
	running.Wait()

	out := &readiness{Status: http.StatusOK, Body: api.ReadyAnswer{Status: "ready", Checks: map[string]string{}}}
	var failed []string
	for i, check := range s.cfg.Ready {
		out.Body.Checks[check.Name] = "ok"
		if reasons[i] != "" {
			out.Body.Checks[check.Name] = reasons[i]
			failed = append(failed, check.Name)
		}
	}
	if len(failed) > 0 {
		slices.Sort(failed)
		out.Status = http.StatusServiceUnavailable
		out.Body.Status = "not ready"
		out.Body.Code = api.CodeNotReady
		out.Body.Error = sentences[api.CodeNotReady].in(lang, map[string]string{"checks": strings.Join(failed, ", ")})
	}
	return out, nil
}

// tellReadiness logs once that a check fails, and once that it is well again, however often it is asked.
func (s *Server) tellReadiness(check string, err error) {
	if err == nil {
		if _, failed := s.unready.LoadAndDelete(check); failed {
			s.cfg.Logger.Info("ready again", "check", check)
		}
		return
	}
	if _, told := s.unready.LoadOrStore(check, true); !told {
		s.cfg.Logger.Warn("not ready", "check", check, "error", err)
	}
}

// runCheck turns a panic of a check into its failure: here it would end the whole process.
func runCheck(ctx context.Context, check Check) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the check panicked: %v", cause)
		}
	}()
	return check.Run(ctx)
}

// reason says in words why a check failed.
func (s *Server) reason(lang language, err error) string {
	p := problemOf(err)
	if words, ok := sentences[p.Code]; ok && p.Code != problem.CodeInternal {
		return words.in(lang, p.Params)
	}
	return unavailable.in(lang, nil)
}
