package problem

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestProblemKeepsKindCodeSentenceAndCause(t *testing.T) {
	t.Parallel()
	p := New(Invalid, CodeUnknownSymbol, io.EOF, "{exchange} has no symbol {symbol}: see velador symbols", "symbol", "NOPE", "exchange", "binance")
	err := fmt.Errorf("start: %w", p)
	if KindOf(err) != Invalid || CodeOf(err) != CodeUnknownSymbol || !errors.Is(err, io.EOF) {
		t.Errorf("%v: %v, %v", err, KindOf(err), CodeOf(err))
	}
	if want := "binance has no symbol NOPE: see velador symbols"; p.Text != want {
		t.Errorf("%q, want %q", p.Text, want)
	}
	if KindOf(io.EOF) != Internal || CodeOf(nil) != CodeInternal {
		t.Error("an error without a problem is not internal")
	}
}
