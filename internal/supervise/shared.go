package supervise

import (
	"context"
	"sync/atomic"
)

// shared lets those who ask for the same thing at the same time share one answer. Each gets the
// answer to a question that was put after it came, so that whatever it did before shows in it.
type shared[T any] struct {
	turn  chan struct{} // one place: one question at a time
	begun atomic.Uint64 // how many questions were put

	// Of the last question that was answered; for whoever has the turn.
	number uint64
	answer T
	err    error
}

func newShared[T any]() *shared[T] { return &shared[T]{turn: make(chan struct{}, 1)} }

// ask gives the answer of put, called now or, by somebody else, since this call began. An error is
// shared as well, except that of a caller whose own ctx has ended.
func (s *shared[T]) ask(ctx context.Context, put func(context.Context) (T, error)) (T, error) {
	came := s.begun.Load()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if s.number > came {
		return s.answer, s.err
	}
	number := s.begun.Add(1)
	answer, err := put(ctx)
	if err == nil || ctx.Err() == nil {
		s.number, s.answer, s.err = number, answer, err
	}
	return answer, err
}
