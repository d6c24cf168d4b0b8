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
func languageOf(header string) language {
	if header == "" {
		return spanish
	}
	type wish struct {
		weight float64
		place  int // 0: it is not named
	}
	var en, es, other wish
	place := 0
	for part := range strings.SplitSeq(header, ",") {
		if place++; place > maxLanguages {
			break
		}
		tag, rest, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		var known *wish
		switch primary {
		case string(english):
			known = &en
		case string(spanish):
			known = &es
		case "*":
			known = &other
		default:
			continue
		}
		if weight := weightOf(rest); known.place == 0 || weight > known.weight {
			*known = wish{weight, place}
		}
	}
	if es.place == 0 {
		es = other // any language means ours
	}
	if en.place > 0 && (en.weight > es.weight || (en.weight == es.weight && en.weight > 0 && en.place < es.place)) {
		return english
	}
	return spanish
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
