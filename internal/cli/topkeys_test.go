package cli

import (
	"slices"
	"testing"
	"unicode/utf8"
)

func TestKeysAreReadAsTerminalsSendThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		whole      bool
		keys       []key
		rest       string
	}{
		{"letters", "jk/", false, []key{"j", "k", "/"}, ""},
		{"arrows of a VT100 and of its application mode", "\x1b[A\x1b[B\x1bOA\x1bOB", false, []key{keyUp, keyDown, keyUp, keyDown}, ""},
		{"pages and ends, by their numbers and by their letters", "\x1b[5~\x1b[6~\x1b[1~\x1b[4~\x1b[H\x1b[F\x1bOH\x1b[7~\x1b[8~", false,
			[]key{keyPageUp, keyPageDown, keyHome, keyEnd, keyHome, keyEnd, keyHome, keyHome, keyEnd}, ""},
		{"Enter, both of Backspace, Ctrl-C, Ctrl-D, Ctrl-L", "\r\n\x7f\x08\x03\x04\x0c", false,
			[]key{keyEnter, keyEnter, keyBackspace, keyBackspace, keyInterrupt, keyInterrupt, keyRepaint}, ""},
		{"as in Emacs", "\x0e\x10", false, []key{keyDown, keyUp}, ""},
		{"more than one byte", "ñ币", false, []key{"ñ", "币"}, ""},
		{"half of a character waits for the other", "a\xe5\xb8", false, []key{"a"}, "\xe5\xb8"},
		{"and is nothing where no more comes", "a\xe5\xb8", true, []key{"a"}, ""},
		{"an ESC waits: it may begin a key", "\x1b", false, nil, "\x1b"},
		{"and is one itself where no more comes", "\x1b", true, []key{keyEscape}, ""},
		{"half of a sequence waits", "j\x1b[5", false, []key{"j"}, "\x1b[5"},
		{"and is nothing where no more comes", "j\x1b[5", true, []key{"j"}, ""},
		{"two ESC are one, and the beginning of another", "\x1b\x1b", false, []key{keyEscape}, "\x1b"},
		{"Escape, and an arrow", "\x1b\x1b[A", false, []key{keyEscape, keyUp}, ""},
		{"Alt and a key is neither", "\x1bsy\x1bOs", false, []key{"y"}, ""},
		{"keys that nobody knows", "\x1b[1;5A\x1b[200~\x1b[<0;3;4M\x00\x1a", false, nil, ""},
		{"Ctrl-C is heard within a sequence", "\x1b[1\x03", false, []key{keyInterrupt}, ""},
		{"and behind an ESC", "\x1b\x03\x1bO\x03", false, []key{keyEscape, keyInterrupt, keyInterrupt}, ""},
		{"noise has an end", "\x1b[" + string(slices.Repeat([]byte("1"), 40)), false, nil, ""},
		{"what is no text", "\xff\xfea", false, []key{"a"}, ""},
		{"what cannot be seen", "\u200b\u0085a", false, []key{"a"}, ""},
	} {
		keys, rest := decodeKeys([]byte(test.text), test.whole)
		if !slices.Equal(keys, test.keys) || string(rest) != test.rest {
			t.Errorf("%s: %q is %q and the rest %q, not %q and %q", test.name, test.text, keys, rest, test.keys, test.rest)
		}
	}
}

// FuzzKeys: whatever comes, and however it is cut into pieces, the same keys are read, and reading ends.
func FuzzKeys(f *testing.F) {
	for _, text := range []string{"jk\x1b[A\x1bOB\x1b[5~ñ币", "\x1b", "\x1b\x1b[", "\xff\x1b[\xe5\xb8\x81", "\x1b[1;5A\x03"} {
		f.Add([]byte(text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		at = min(max(at, 0), len(text))
		keys, rest := decodeKeys(text, true)
		if len(rest) > 0 {
			t.Fatalf("%q leaves %q where no more comes", text, rest)
		}
		for _, k := range keys {
			if !utf8.ValidString(string(k)) || k == "" {
				t.Fatalf("%q is %q", text, keys)
			}
		}
		first, pending := decodeKeys(text[:at], false)
		if len(pending) > 0 && !slices.Equal(pending, text[at-len(pending):at]) {
			t.Fatalf("of %q the rest is %q", text[:at], pending)
		}
		// A sequence that never ends is given up at a length, which depends on where it was cut.
		if len(text) >= maxSequence {
			return
		}
		second, _ := decodeKeys(append(slices.Clone(pending), text[at:]...), true)
		if got := slices.Concat(first, second); !slices.Equal(got, keys) {
			t.Fatalf("%q is %q, and cut at %d it is %q", text, keys, at, got)
		}
	})
}
