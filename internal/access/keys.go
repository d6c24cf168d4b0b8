// Package access decides who may do what: tokens and what each allows, the sessions of browsers, how
// often a client may try, and under which names a server may be called. It knows no HTTP.
package access

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"unicode"
)

// Right is what a visitor may do.
type Right uint8

const (
	// Read may look at everything and change nothing.
	Read Right = iota + 1
	// Full may do everything.
	Full
)

// String is the right's name, as files of tokens and the API have it.
func (r Right) String() string {
	if r == Full {
		return "full"
	}
	return "read"
}

// Visitor is who makes a request.
type Visitor struct {
	Name  string // of the token, for the log; never the token itself
	Right Right
}

// MinToken is how many characters a token has at least, so that nobody guesses it.
const MinToken = 16

// Bounds of a file of tokens.
const (
	maxToken = 512 // characters
	maxName  = 64  // characters
	maxKeys  = 1000
)

// Keys are the tokens that open a server. The zero value has none. It is not changed after it was made.
type Keys struct{ list []key }

type key struct {
	visitor Visitor
	digest  [sha256.Size]byte // digests have one length: how long a comparison takes says nothing
}

// Any tells whether there is a token at all: without one everybody may do everything.
func (k *Keys) Any() bool { return k != nil && len(k.list) > 0 }

// Add takes a token. The error says what is wrong with it, without the token.
func (k *Keys) Add(v Visitor, token string) error {
	switch n := len([]rune(token)); {
	case n < MinToken:
		return fmt.Errorf("the token %s has %d characters: use at least %d, for example from \"openssl rand -hex 24\"", v.Name, n, MinToken)
	case n > maxToken:
		return fmt.Errorf("the token %s has %d characters: at most %d are allowed", v.Name, n, maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("the token %s holds a blank", v.Name)
	case v.Name == "" || len(v.Name) > maxName:
		return fmt.Errorf("a token's name has 1 to %d characters", maxName)
	case len(k.list) == maxKeys:
		return fmt.Errorf("more than %d tokens", maxKeys)
	}
	added := key{visitor: v, digest: sha256.Sum256([]byte(token))}
	for _, other := range k.list {
		if other.digest == added.digest {
			return fmt.Errorf("the tokens %s and %s are the same", other.visitor.Name, v.Name)
		}
	}
	k.list = append(k.list, added)
	return nil
}

// AddFile takes the tokens of a file: a line "NAME TOKEN", or "NAME TOKEN read" for one that changes
// nothing; or a token alone, which is named token. Empty lines and those that begin with # are passed
// over.
func (k *Keys) AddFile(content string) error {
	before := len(k.list)
	lines := bufio.NewScanner(strings.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		v := Visitor{Name: "token", Right: Full}
		token := words[0]
		if len(words) > 1 {
			v.Name, token = words[0], words[1]
		}
		switch {
		case len(words) > 3 || len(words) == 3 && words[2] != Read.String() && words[2] != Full.String():
			return fmt.Errorf("line %d: write NAME TOKEN, and read behind it where the token is to change nothing", n)
		case len(words) == 3 && words[2] == Read.String():
			v.Right = Read
		}
		if err := k.Add(v, token); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(k.list) == before {
		return fmt.Errorf("it holds no token")
	}
	return nil
}

// Who tells whose token that is. All are compared, whichever it is.
func (k *Keys) Who(token string) (v Visitor, known bool) {
	digest := sha256.Sum256([]byte(token))
	for i := range k.list {
		if subtle.ConstantTimeCompare(digest[:], k.list[i].digest[:]) == 1 {
			v, known = k.list[i].visitor, true
		}
	}
	return v, known
}
