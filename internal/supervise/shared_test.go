package supervise

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoComesDuringAQuestionSharesTheNextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int]()
		var put int
		question := func(context.Context) (int, error) {
			put++
			answer := put
			time.Sleep(time.Second)
			return answer, nil
		}
		var asking sync.WaitGroup
		ask := func(want int) {
			asking.Go(func() {
				if got, err := s.ask(t.Context(), question); got != want || err != nil {
					t.Errorf("the answer is %d, %v instead of %d", got, err, want)
				}
			})
		}
		ask(1)
		synctest.Wait()
		for range 100 {
			ask(2) // what they did before may be missing in the first answer
		}
		asking.Wait()
		ask(3) // and what it did before, in the second one
		asking.Wait()
	})
}

func TestErrorOfAnImpatientCallerIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int]()
		question := func(ctx context.Context) (int, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(10 * time.Second):
				return 7, nil
			}
		}
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var asking sync.WaitGroup
		for range 2 { // one has the turn, the other one waits for it
			asking.Go(func() {
				if _, err := s.ask(hurried, question); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the impatient hear %v", err)
				}
			})
		}
		synctest.Wait()
		asking.Go(func() {
			if got, err := s.ask(t.Context(), question); got != 7 || err != nil {
				t.Errorf("the patient one hears %d, %v", got, err)
			}
		})
		asking.Wait()
	})
}

func TestErrorIsSharedLikeAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, failure := newShared[int](), errors.New("no")
		var put int
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				_, err := s.ask(t.Context(), func(context.Context) (int, error) {
					put++
					time.Sleep(time.Second)
					return 0, failure
				})
				if !errors.Is(err, failure) {
					t.Errorf("the error is %v", err)
				}
			})
		}
		asking.Wait()
		if put > 2 {
			t.Errorf("%d questions were put", put)
		}
	})
}
