package cli

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// key is one key that was pressed: a character, or one of the names below.
type key string

const (
	keyUp        key = "up"
	keyDown      key = "down"
	keyPageUp    key = "page up"
	keyPageDown  key = "page down"
	keyHome      key = "home"
	keyEnd       key = "end"
	keyEnter     key = "enter"
	keyEscape    key = "escape"
	keyBackspace key = "backspace"
	keyInterrupt key = "ctrl-c"
	keyRepaint   key = "ctrl-l"
)

// controls are keys that a terminal sends as one byte.
var controls = map[byte]key{
	0x03: keyInterrupt, 0x04: keyInterrupt, 0x08: keyBackspace, 0x0a: keyEnter, 0x0c: keyRepaint, 0x0d: keyEnter, 0x7f: keyBackspace,
	0x0e: keyDown, 0x10: keyUp, // as in Emacs
}

// sequences are keys that a terminal sends behind ESC [ or ESC O (ECMA-48; the numbers are the VT220's).
var sequences = map[string]key{
	"A": keyUp, "B": keyDown, "H": keyHome, "F": keyEnd, "1~": keyHome, "4~": keyEnd, "7~": keyHome, "8~": keyEnd, "5~": keyPageUp, "6~": keyPageDown,
}

// maxSequence is how long a sequence may be, in bytes; what is longer is noise.
const maxSequence = 32

// decodeKeys reads what a terminal sent. rest is the beginning of a key whose end has not come; with
// whole nothing more comes, and an ESC alone is the key of that name. What is not known is passed over.
func decodeKeys(text []byte, whole bool) (keys []key, rest []byte) {
	for len(text) > 0 {
		b := text[0]
		switch {
		case b == 0x1b:
			k, n := decodeEscape(text)
			switch {
			case n == 0 && !whole:
				return keys, text
			case n == 0 && len(text) == 1:
				return append(keys, keyEscape), nil
			case n == 0:
				return keys, nil
			case k != "":
				keys = append(keys, k)
			}
			text = text[n:]
		case b < 0x20 || b == 0x7f:
			if k, ok := controls[b]; ok {
				keys = append(keys, k)
			}
			text = text[1:]
		default:
			if !utf8.FullRune(text) && !whole {
				return keys, text
			}
			r, n := utf8.DecodeRune(text)
			if unicode.IsPrint(r) && r != utf8.RuneError {
				keys = append(keys, key(r))
			}
			text = text[n:]
		}
	}
	return keys, nil
}

// decodeEscape reads a key that begins with ESC and gives its length, 0 when its end has not come.
func decodeEscape(text []byte) (k key, n int) {
	if len(text) == 1 {
		return "", 0
	}
	switch text[1] {
	case 'O':
		switch {
		case len(text) < 3:
			return "", 0
		case text[2] < 0x20:
			return "", 2 // Alt-O, and a key of its own
		}
		return sequences[string(text[2:3])], 3
	case '[':
		// Parameters, then one final byte (ECMA-48 5.4).
		end := bytes.IndexFunc(text[2:], func(r rune) bool { return r < 0x20 || r >= 0x40 })
		switch {
		case end < 0 && len(text) < maxSequence:
			return "", 0
		case end < 0:
			return "", len(text)
		case text[2+end] < 0x20:
			return "", 2 + end // the next key begins within this one, and may be Ctrl-C
		}
		return sequences[string(text[2:3+end])], 3 + end
	}
	if text[1] < 0x20 {
		return keyEscape, 1 // and a key of its own
	}
	return "", 2 // Alt and a key
}
