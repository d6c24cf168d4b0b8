package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"

	"velador/internal/problem"
	"velador/internal/store"
)

// Primary result codes (sqlite.org/rescode.html).
const (
	codeError            = 1
	codePerm             = 3
	codeBusy             = 5
	codeLocked           = 6
	codeReadOnly         = 8
	codeIO               = 10
	codeCorrupt          = 11
	codeFull             = 13
	codeCantOpen         = 14
	codeNotADatabase     = 26
	codeConstraintUnique = 2067 // extended
)

// primary gives the primary result code in err's chain, or 0.
func primary(err error) int { return extended(err) & 0xff }

// extended gives the extended result code in err's chain, or 0.
func extended(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// failure makes of a driver's error what the contract asks for. A cancelled context stays what it
// is; a deadline that passed means that the database did not answer in time.
func (s *Store) failure(ctx context.Context, action string, err error) error {
	switch {
	case err == nil, store.IsAnswer(err):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("cannot %s: %w", action, ctx.Err())
	}
	err = fmt.Errorf("cannot %s: %w", action, err)
	if text := advice(ctx, err); text != "" {
		return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, err, text, "path", s.path)
	}
	return err
}

// advice gives the sentence for an error that means that the database cannot serve us now, or "".
func advice(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "The database does not answer in time: another process may hold {path}, or its disk is slow."
	}
	switch primary(err) {
	case codeBusy, codeLocked:
		return "Another process holds the database {path}: end it, or wait until it is done."
	case codeReadOnly, codePerm:
		return "The database {path} accepts no writes: see the rights of the file and of its directory."
	case codeFull:
		return "The disk of the database {path} is full: make room on it; candles wait until then."
	case codeIO, codeCantOpen:
		return "The database {path} cannot be read or written: see whether its disk is sound and still there."
	case codeCorrupt, codeNotADatabase:
		return "The database {path} is damaged: move it away, restore a copy, or let the collectors fill a new one."
	case codeError:
		if strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "no such column") {
			return "The database {path} lacks velador's tables: run \"velador db migrate\"."
		}
	}
	return ""
}
