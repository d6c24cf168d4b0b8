package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestStagesStopFromTheLastToTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended []string
		part := func(name string) stage {
			return stage{name, func(ctx context.Context) error {
				<-ctx.Done()
				ended = append(ended, name) // one at a time: the next is stopped when this one has ended
				return ctx.Err()
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- runStages(ctx, []stage{part("bus"), part("writer"), part("server")}) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := []string{"server", "writer", "bus"}; !slices.Equal(ended, want) {
			t.Errorf("ended %v, want %v", ended, want)
		}
	})
}

func TestOneStageThatFailsStopsAll(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"an error": errors.New("disk full"), "an early end": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
			err := runStages(t.Context(), []stage{{"bus", wait}, {"writer", func(context.Context) error { return failure }}, {"server", wait}})
			if err == nil || !strings.HasPrefix(err.Error(), "writer: ") {
				t.Errorf("%v", err)
			}
		})
	}
}
