package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"velador/internal/exchange"
	"velador/internal/logfile"
	"velador/internal/problem"
	"velador/internal/proc"
)

// ExitLater is the exit code of a collector that an exchange has banned: its supervisor tries again at
// the time in its last words (EX_TEMPFAIL of sysexits.h).
const ExitLater = 75

var errNoRun = usagef("--agent is for processes that an agent has started: %s is missing", proc.EnvRunID)

// life is one run of a collector's process, as the agent that started it knows it: by a token, with a
// lock to hold and to leave last words in, and with a log. One that was started by hand has none of
// them.
type life struct {
	runID  string
	lock   int // descriptor of the lock that was claimed, or none
	log    *logfile.Rotating
	logger *slog.Logger
	stderr io.Writer
}

const noLock = -1

// beginLife takes over what the agent handed to this process, if an agent started it.
func (p *program) beginLife(f *collecting) (*life, error) {
	l := &life{lock: noLock, stderr: p.stderr}
	var err error
	if l.logger, err = f.logs.logger(p.stderr); err != nil {
		return nil, err
	}
	l.runID, _ = p.env.lookup(proc.EnvRunID)
	if err := l.claimLock(p); err != nil {
		return nil, err
	}
	path, ok := p.env.lookup(proc.EnvLogPath)
	if !ok {
		return l, nil
	}
	// What the runtime says of a panic goes to standard error, which is the log: more than the one
	// goroutine is worth its lines there. There are a dozen.
	debug.SetTraceback("all")
	if f.logSize <= 0 {
		return nil, l.end(exitError{usagef("--log-size %d is no size: give the bytes after which the log is set aside", f.logSize), ExitConfig})
	}
	if l.log, err = logfile.OpenRotating(path, f.logSize, 1, 2); err != nil {
		// Standard error is the log all the same, and to collect matters more.
		l.logger.Warn("the log will not be set aside when it is long", "error", err)
		return l, nil
	}
	if l.logger, err = f.logs.logger(l.log); err != nil {
		return nil, l.end(err)
	}
	return l, nil
}

// claimLock takes over the lock that the agent handed to this process, if it did.
func (l *life) claimLock(p *program) error {
	fd, ok := p.env.lookup(proc.EnvLockFD)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(fd)
	if err != nil || n < 0 {
		return usagef("%s=%q is no file descriptor", proc.EnvLockFD, fd)
	}
	if err := proc.ClaimLock(n, proc.NewHost(l.logger).Self(l.runID)); err != nil {
		return err
	}
	l.lock = n
	return nil
}

// untilFull runs a collector until it ends, or until a file of this process has reached the size that its
// agent allows: what writes past the log's own writer, and without end, would do nothing else any more.
func untilFull(ctx context.Context, run func(context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := proc.AwaitFileLimit(ctx); err != nil {
			end(err)
		}
	})
	err := run(ctx)
	end(nil)
	watching.Wait()
	if full := context.Cause(ctx); errors.Is(full, proc.ErrFileLimit) {
		return full
	}
	return err
}

// end gives the end of the process its exit code, and leaves last words for the agent unless the end
// was asked for.
func (l *life) end(err error) error {
	words, err := lastWords(err)
	if words.Reason != "" && l.lock != noLock && l.runID != "" {
		words.RunID = l.runID
		if err := proc.SayFarewell(l.lock, words); err != nil {
			l.logger.Warn("the agent will not know why this process ended", "error", err)
		}
	}
	if err == nil && words.Reason != "" {
		l.logger.Warn(words.Reason) // what is no error is said by nobody else
	}
	if l.log != nil {
		if err := l.log.Close(); err != nil {
			fmt.Fprintf(l.stderr, "velador: %v\n", err)
		}
	}
	return err
}

// lastWords judges why a collector has ended: without a reason the end was asked for. The error
// is what the command returns, with the exit code that its supervisor understands.
func lastWords(err error) (proc.Farewell, error) {
	var exit exitError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return proc.Farewell{}, nil // SIGTERM and Ctrl-C are how a collector is stopped
	case errors.Is(err, errOrphaned):
		return proc.Farewell{Reason: reason(err)}, nil
	case errors.As(err, &exit):
	case problem.KindOf(err) == problem.Invalid:
		err = exitError{err, ExitConfig}
	case problem.KindOf(err) == problem.Banned:
		return proc.Farewell{Reason: reason(err), RetryAt: banEnd(err)}, exitError{err, ExitLater}
	}
	return proc.Farewell{Reason: reason(err)}, err
}

// reason gives the sentence of an error that is for people.
func reason(err error) string {
	var p *problem.Error
	if errors.As(err, &p) {
		return p.Text
	}
	return sentence(err)
}

// banEnd is when an exchange that banned us hears us again; zero when it did not say.
func banEnd(err error) time.Time {
	var ban *exchange.BanError
	if errors.As(err, &ban) {
		return ban.Until
	}
	return time.Time{}
}
