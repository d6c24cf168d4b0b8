package server

import (
	"context"
	"strconv"
	"strings"
)

// language is one in which the server speaks.
type language string

const (
	spanish language = "es" // the contract's own
	english language = "en"
)

// maxLanguages bounds how many preferences of a header are weighed.
const maxLanguages = 32

// languageOf chooses by an Accept-Language header (RFC 9110 section 12.5.4): English only where the
// client prefers it to Spanish, Spanish in every other case. A region does not matter: en-US is
// English. Of two equal weights the first wins; a weight that cannot be read counts as nothing.
func languageOf(header string) language { return choose(header, spanish, english) }

// pageLanguageOf chooses that of a page, as the dashboard's own script does: Spanish only where the
// reader prefers it to English. Who reads neither is likelier to understand English.
func pageLanguageOf(header string) language { return choose(header, english, spanish) }

// choose gives the other language only where a header prefers it to the usual one.
func choose(header string, usual, other language) language {
	type wish struct {
		weight float64
		place  int // 0: it is not named
	}
	var mine, its, whichever wish
	place := 0
	for part := range strings.SplitSeq(header, ",") {
		if place++; place > maxLanguages {
			break
		}
		tag, rest, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		var known *wish
		switch primary {
		case string(usual):
			known = &mine
		case string(other):
			known = &its
		case "*":
			known = &whichever
		default:
			continue
		}
		if weight := weightOf(rest); known.place == 0 || weight > known.weight {
			*known = wish{weight, place}
		}
	}
	if mine.place == 0 {
		mine = whichever // any language means the usual one
	}
	if its.place > 0 && (its.weight > mine.weight || (its.weight == mine.weight && its.weight > 0 && its.place < mine.place)) {
		return other
	}
	return usual
}

// weightOf reads the parameters of a preference: q=0.8, and 1 when there is none.
func weightOf(params string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(params), "=")
	if !found {
		return 1
	}
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || strings.TrimSpace(strings.ToLower(name)) != "q" || !(weight >= 0 && weight <= 1) {
		return 0
	}
	return weight
}

type languageKey struct{}

func withLanguage(ctx context.Context, lang language) context.Context {
	return context.WithValue(ctx, languageKey{}, lang)
}

// languageIn gives the language of the request that ctx belongs to.
func languageIn(ctx context.Context) language {
	if lang, ok := ctx.Value(languageKey{}).(language); ok {
		return lang
	}
	return spanish
}
