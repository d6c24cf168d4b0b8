package metrics

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const (
	maxLabel  = 80 // bytes of a label's value
	labelHash = 6  // bytes of the digest that stands for what was cut off
)

// bounded makes a text fit to be a label's value: valid UTF-8, and not longer than maxLabel. A list of
// hundreds of symbols is cut; a digest of the whole, behind a dash, keeps two of them apart.
func bounded(text string) string {
	clean := strings.ToValidUTF8(text, "\uFFFD")
	if len(clean) <= maxLabel {
		return clean
	}
	digest := sha256.Sum256([]byte(text))
	cut := maxLabel - 1 - 2*labelHash
	for !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return clean[:cut] + "-" + hex.EncodeToString(digest[:labelHash])
}
