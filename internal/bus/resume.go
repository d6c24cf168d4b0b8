package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"velador/internal/candle"
	"velador/internal/problem"
)

// Bounds of the look-up of stored candles.
const (
	maxResumeSeries  = 200                       // series in one request
	maxResumeMissing = 2000                      // missing ranges told of one series; the oldest come first, the rest with a later request
	maxResumeLedger  = 200                       // gaps of the ledger, likewise
	maxResumeAnswer  = 512 << 10                 // bytes of one answer; the series that do not fit are asked for again
	resumeDrain      = 5 * time.Second           // how long an answer waits for the writer
	resumePoll       = 20 * time.Millisecond     // how often it looks
	resumeTimeout    = resumeDrain + time.Minute // of one request
)

// resumeRequest and resumeAnswer are what the look-up says on the wire.
type resumeRequest struct {
	Series []candle.Series `json:"series"`
}

type resumeAnswer struct {
	Resumes []resumeLine `json:"resumes,omitempty"` // of the first series asked for, as many as fit
	Error   *resumeError `json:"error,omitempty"`
}

type resumeLine struct {
	Last    *candle.Millis     `json:"last,omitempty"`
	Missing [][2]candle.Millis `json:"missing,omitempty"`

	ConfirmedTo candle.Millis `json:"confirmed_to,omitempty"`
	Ledger      []gapMessage  `json:"ledger,omitempty"`
}

type resumeError struct {
	Kind problem.Kind `json:"kind"`
	Code problem.Code `json:"code"`
	Text string       `json:"text"`
}

// ServeResume answers Resume with what lookUp finds in the store, until ctx ends.
//
// Candles that wait in the stream are not in the store yet. So an answer first waits until the writer
// has committed all that was in the stream when the question came, 5 s at most. When the writer is
// further behind (the database was away for an hour), the answer is the store's as it is: the
// collector fetches some candles a second time, which costs weight and changes nothing.
func (c *Conn) ServeResume(ctx context.Context, lookUp func(context.Context, []candle.Series) ([]candle.Resume, error)) error {
	return c.serve(ctx, subjectResume, subjectResume, func(ctx context.Context, msg *nats.Msg) {
		answer := c.answerResume(ctx, msg.Data, lookUp)
		if err := msg.Respond(answer); err != nil {
			c.log.Warn("the answer to a look-up was not sent", "error", err)
		}
	})
}

// answerResume gives the encoded answer to one request.
func (c *Conn) answerResume(ctx context.Context, payload []byte, lookUp func(context.Context, []candle.Series) ([]candle.Resume, error)) []byte {
	series, err := decodeResumeRequest(payload)
	var found []candle.Resume
	if err == nil {
		c.awaitDrained(ctx)
		found, err = lookUp(ctx, series)
	}
	if err == nil && len(found) != len(series) {
		err = fmt.Errorf("the look-up of %d series gave %d answers", len(series), len(found))
	}
	if ctx.Err() != nil { // another server, or this one started again, will know
		err = unavailable(context.Cause(ctx))
	}
	if err != nil {
		return encodeResumeError(err)
	}
	return encodeResumes(found)
}

// awaitDrained waits until everything that is in CANDLES now is committed, 5 s at most.
func (c *Conn) awaitDrained(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resumeDrain)
	defer cancel()
	asked, err := c.candlesState(ctx)
	for state := asked; err == nil && state.Msgs > 0 && state.FirstSeq <= asked.LastSeq; state, err = c.candlesState(ctx) {
		if err = pause(ctx, resumePoll); err != nil {
			break
		}
	}
	if err != nil {
		c.log.Info("a collector is told what is stored before everything is written: it may fetch candles twice")
	}
}

// Resume asks the writer's side what is stored of each series, in the order of series. It asks until
// it is answered: without an answer it goes on until ctx ends, and also while the database is away.
func (c *Conn) Resume(ctx context.Context, series []candle.Series) ([]candle.Resume, error) {
	found := make([]candle.Resume, 0, len(series))
	told := false
	for attempt := 0; len(found) < len(series); {
		rest := series[len(found):]
		part, err := c.resume(ctx, rest[:min(len(rest), maxResumeSeries)])
		if err == nil {
			found, attempt = append(found, part...), 0
			continue
		}
		away := isAway(err) || problem.KindOf(err) == problem.Unavailable
		switch {
		case errors.Is(err, nats.ErrConnectionClosed):
			return nil, ErrClosed
		case ctx.Err() != nil && away:
			return nil, unavailable(errors.Join(context.Cause(ctx), err))
		case !away:
			return nil, err
		case !told:
			told = true
			c.log.Warn("it is not known yet what is stored; asking again until the answer comes", "error", err)
		}
		// The next attempt fails at once when ctx has ended.
		_ = pause(ctx, again.Draw(attempt))
		attempt++
	}
	return found, nil
}

// resume makes one request. The answer may be about fewer series than asked for, but not none.
func (c *Conn) resume(ctx context.Context, series []candle.Series) ([]candle.Resume, error) {
	for _, s := range series {
		if err := checkSeries(s); err != nil {
			return nil, refused(err)
		}
	}
	request, err := json.Marshal(resumeRequest{Series: series})
	if err != nil {
		return nil, fmt.Errorf("ask what is stored: %w", err)
	}
	ctx, stop := c.whileConnected(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, resumeTimeout)
	defer cancel()
	msg, err := c.nats.RequestWithContext(ctx, subjectResume, request)
	if err != nil {
		return nil, fmt.Errorf("ask what is stored: %w", err)
	}
	return decodeResumes(msg.Data, series)
}

func decodeResumeRequest(payload []byte) ([]candle.Series, error) {
	var request resumeRequest
	if err := json.Unmarshal(payload, &request); err != nil {
		return nil, refused(fmt.Errorf("a look-up that cannot be read: %w", err))
	}
	if n := len(request.Series); n == 0 || n > maxResumeSeries {
		return nil, refused(fmt.Errorf("a look-up of %d series: 1 to %d are allowed", n, maxResumeSeries))
	}
	for _, s := range request.Series {
		if err := checkSeries(s); err != nil {
			return nil, refused(err)
		}
	}
	return request.Series, nil
}

func encodeResumeError(err error) []byte {
	payload, fault := json.Marshal(resumeAnswer{Error: &resumeError{Kind: problem.KindOf(err), Code: problem.CodeOf(err), Text: err.Error()}})
	if fault != nil { // strings and numbers always have a form
		panic(fault)
	}
	return payload
}

// encodeResumes writes as many of the first answers as fit, and at least one.
func encodeResumes(found []candle.Resume) []byte {
	lines := make([]json.RawMessage, 0, len(found))
	size := 0
	for _, r := range found {
		var line resumeLine
		if r.HasLast {
			line.Last = &r.Last
		}
		for _, m := range r.Missing[:min(len(r.Missing), maxResumeMissing)] {
			line.Missing = append(line.Missing, [2]candle.Millis{m.From, m.To})
		}
		line.ConfirmedTo = r.ConfirmedTo
		for _, g := range r.Ledger[:min(len(r.Ledger), maxResumeLedger)] {
			line.Ledger = append(line.Ledger, messageOf(g))
		}
		encoded, err := json.Marshal(line)
		if err != nil { // numbers always have a form
			panic(err)
		}
		if size += len(encoded) + 1; size > maxResumeAnswer && len(lines) > 0 {
			break
		}
		lines = append(lines, encoded)
	}
	payload, err := json.Marshal(struct {
		Resumes []json.RawMessage `json:"resumes"`
	}{lines})
	if err != nil {
		panic(err)
	}
	return payload
}

// decodeResumes reads an answer to a request for series.
func decodeResumes(payload []byte, series []candle.Series) ([]candle.Resume, error) {
	var answer resumeAnswer
	if err := json.Unmarshal(payload, &answer); err != nil {
		return nil, fmt.Errorf("what is stored cannot be read: %w", err)
	}
	if e := answer.Error; e != nil {
		return nil, problem.New(e.Kind, e.Code, nil, e.Text)
	}
	if n := len(answer.Resumes); n == 0 || n > len(series) {
		return nil, fmt.Errorf("asked for %d series, told of %d", len(series), n)
	}
	found := make([]candle.Resume, len(answer.Resumes))
	for i, line := range answer.Resumes {
		found[i].Series = series[i]
		if line.Last != nil {
			found[i].Last, found[i].HasLast = *line.Last, true
		}
		for _, m := range line.Missing {
			found[i].Missing = append(found[i].Missing, candle.Range{From: m[0], To: m[1]})
		}
		found[i].ConfirmedTo = line.ConfirmedTo
		for _, m := range line.Ledger {
			gap := m.gap(series[i])
			if err := checkGap(gap); err != nil {
				return nil, fmt.Errorf("what is stored cannot be read: %w", err)
			}
			found[i].Ledger = append(found[i].Ledger, gap)
		}
	}
	return found, nil
}
