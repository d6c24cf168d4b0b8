package binance

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// elements reads a long JSON text piece by piece: an answer of megabytes needs no more memory than
// its longest element. jsontext finds the pieces in the stream and checks the grammar; scanner takes
// each apart.
type elements struct {
	dec  *jsontext.Decoder
	from *allowance
}

// allowance bounds what may be read for one element, whatever the whole may weigh.
type allowance struct {
	from io.Reader
	left int
}

var errElementTooLong = errors.New("an element of the answer is longer than any should be")

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errElementTooLong
	}
	n, err := a.from.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

func newElements(from io.Reader) *elements {
	a := &allowance{from: from, left: maxElement}
	return &elements{dec: jsontext.NewDecoder(a), from: a}
}

// open takes the sign that begins an array or an object.
func (e *elements) open(kind jsontext.Kind) error {
	token, err := e.dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return fmt.Errorf("%s was expected, %s came", kind, token.Kind())
	}
	return nil
}

// more tells whether another element follows, and takes the sign that ends the array or object
// where none does.
func (e *elements) more(end jsontext.Kind) (bool, error) {
	e.from.left = maxElement
	switch e.dec.PeekKind() {
	case end:
		_, err := e.dec.ReadToken()
		return false, err
	case jsontext.KindInvalid:
		_, err := e.dec.ReadToken() // tells why
		return false, err
	}
	return true, nil
}

// name takes the name of a member.
func (e *elements) name() (string, error) {
	token, err := e.dec.ReadToken()
	return token.String(), err
}

// value takes one whole element; the text is valid until the next call.
func (e *elements) value() ([]byte, error) { return e.dec.ReadValue() }

// skip passes over one element of any length.
func (e *elements) skip() error { return e.dec.SkipValue() }

// end asks that nothing follows, which also lets the connection be used again.
func (e *elements) end() error {
	switch _, err := e.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("something follows after the end of the answer")
}
