package server

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/verify"
)

// Verifier holds stored series against their exchange's history; see verify.Verifier.
type Verifier interface {
	Plan(ctx context.Context, t verify.Task) (verify.Plan, error)
	Run(ctx context.Context, p verify.Plan, w verify.Watcher) (verify.Report, error)
}

const (
	// maxVerifications is how many may be under way: they share what the exchange allows.
	maxVerifications = 4
	// toldDifferences is how many of them are told one by one; the report counts all.
	toldDifferences = 1000
	// progressEvery is the least time between two events of progress.
	progressEvery = 250 * time.Millisecond
)

// verify answers POST /api/verify.
func (s *Server) verify(ctx context.Context, in *jsonBody) (*stream, error) {
	task, err := s.parseVerify(in.RawBody)
	if err != nil {
		return nil, err
	}
	leave, err := s.enterVerification(task.Series)
	if err != nil {
		return nil, err
	}
	// Asked first, because a stream has said 200 before its first event.
	plan, err := s.cfg.Verifier.Plan(ctx, task)
	if err != nil {
		leave()
		return nil, err
	}
	return &stream{func(hc huma.Context) {
		defer leave()
		r, w := humago.Unwrap(hc)
		s.sendEvents(w, r, func(ctx context.Context, events *eventWriter) error {
			return s.sendVerification(ctx, plan, events, leave)
		})
	}}, nil
}

// sendVerification runs one, and tells of it. A client that goes ends it. leave is called before the last
// word is said: who hears it may ask for the next one at once.
func (s *Server) sendVerification(ctx context.Context, plan verify.Plan, events *eventWriter, leave func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tell := func(name string, value any) {
		if err := events.say(name, value); err != nil {
			cancel(err)
		}
	}
	var last time.Time
	told := 0
	tell("progress", progressOf(plan, verify.Counts{UpTo: plan.Range.From - 1}))
	report, err := s.cfg.Verifier.Run(ctx, plan, verify.Watcher{
		Progress: func(c verify.Counts) {
			if now := time.Now(); now.Sub(last) >= progressEvery || !c.Waiting.IsZero() {
				last = now
				tell("progress", progressOf(plan, c))
			}
		},
		Difference: func(d verify.Difference) {
			if told++; told <= toldDifferences {
				tell("difference", differenceOf(d))
			}
		},
	})
	leave()
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("a series was verified", "series", plan.Series.String(), "checked", report.Checked, "differing", report.Differing,
		"missing", report.Missing, "vanished", report.Vanished, "corrected", report.Corrected, "took", report.Took.Round(time.Millisecond))
	tell("report", reportOf(plan, report))
	return nil
}

// enterVerification counts one in, at most one of a series. leave counts it out, however often it is called.
func (s *Server) enterVerification(series candle.Series) (leave func(), err error) {
	s.verifying.Lock()
	defer s.verifying.Unlock()
	switch _, underWay := s.verifying.series[series]; {
	case underWay:
		return nil, problem.New(problem.Conflict, api.CodeVerifying, nil, sentences[api.CodeVerifying].en,
			"symbol", series.Symbol, "timeframe", series.Timeframe.String(), "exchange", series.Exchange)
	case len(s.verifying.series) >= maxVerifications:
		return nil, problem.New(problem.Unavailable, api.CodeTooManyVerifications, nil, sentences[api.CodeTooManyVerifications].en, "max", itoa(maxVerifications))
	}
	if s.verifying.series == nil {
		s.verifying.series = make(map[candle.Series]struct{})
	}
	s.verifying.series[series] = struct{}{}
	return sync.OnceFunc(func() {
		s.verifying.Lock()
		defer s.verifying.Unlock()
		delete(s.verifying.series, series)
	}), nil
}

// parseVerify reads the body of a verification.
func (s *Server) parseVerify(body []byte) (task verify.Task, err error) {
	m, err := parseMembers(body)
	if err != nil {
		return task, err
	}
	var symbol, timeframe, exchange, from, to string
	for _, member := range []struct {
		name string
		at   *string
	}{{"symbol", &symbol}, {"timeframe", &timeframe}, {"exchange", &exchange}, {"from", &from}, {"to", &to}} {
		if *member.at, err = m.text(member.name); err != nil {
			return task, err
		}
	}
	if raw, given := m["dryRun"]; given && json.Unmarshal(raw, &task.DryRun) != nil {
		return task, invalid(api.CodeInvalidChoice, nil, "name", "dryRun", "value", string(raw), "allowed", "true false")
	}
	if task.Series, err = s.parseSeries(symbol, timeframe, exchange); err != nil {
		return task, err
	}
	task.Range, err = parseRange(from, to)
	return task, err
}

func progressOf(p verify.Plan, c verify.Counts) api.VerifyProgress {
	wire := api.VerifyProgress{
		Expected: p.Expected, Done: p.Series.Timeframe.Count(p.Range.From, c.UpTo), Checked: c.Checked, UpTo: int64(c.UpTo),
		Requests: c.Requests, Failures: c.Failures, Differing: c.Differing, Missing: c.Missing, Vanished: c.Vanished, Absent: c.Absent,
	}
	if !c.Waiting.IsZero() {
		wire.Waiting = api.Time{Time: c.Waiting}
	}
	return wire
}

func differenceOf(d verify.Difference) api.VerifyDifference {
	wire := api.VerifyDifference{Kind: string(d.Kind)}
	if d.Kind != verify.Missing {
		stored := wireCandle(d.Stored)
		wire.Stored = &stored
	}
	if d.Kind != verify.Vanished {
		served := wireCandle(d.Served)
		wire.Served = &served
	}
	return wire
}

func reportOf(p verify.Plan, r verify.Report) api.VerifyReport {
	wire := api.VerifyReport{
		Symbol: p.Series.Symbol, Timeframe: p.Series.Timeframe.String(), Exchange: p.Series.Exchange,
		VerifyProgress: progressOf(p, r.Counts), Corrected: r.Corrected, DryRun: p.DryRun, Seconds: r.Took.Seconds(),
	}
	if !r.Range.Empty() {
		from, to := int64(r.Range.From), int64(r.Range.To)
		wire.From, wire.To = &from, &to
	}
	if r.Confirmed != nil {
		from, to := int64(r.Confirmed.From), int64(r.Confirmed.To)
		wire.ConfirmedFrom, wire.ConfirmedTo = &from, &to
	}
	return wire
}
