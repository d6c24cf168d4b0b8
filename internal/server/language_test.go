package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"velador/internal/problem"
)

func TestTheLanguageIsSpanishUnlessEnglishIsPreferred(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]language{
		"": spanish, "es": spanish, "es-MX": spanish, "ES-mx,en;q=0.9": spanish, "fr": spanish, "fr-FR,fr;q=0.9,en;q=0.5": english,
		"en": english, "en-US": english, "EN-gb": english, "en-US,en;q=0.9,es;q=0.8": english,
		"es;q=0.5,en;q=0.8": english, "en;q=0.5,es;q=0.8": spanish, "en;q=0.5, es-AR;q=0.9": spanish,
		"es,en": spanish, "en,es": english, "en;q=0.7,es;q=0.7": english,
		"*": spanish, "*,en": spanish, "en,*;q=0.5": english, "en;q=0.5,*;q=0.8": spanish, "en;q=0": spanish, "es;q=0,en;q=0.1": english, "en;q=0,es;q=0": spanish,
		"en;q=2": spanish, "en;q=x": spanish, "en;level=1": spanish, "en ; q = 1": english, "en;q=NaN": spanish, "ençé": spanish, ";;,,": spanish, "english": spanish,
		strings.Repeat("fr,", 100) + "en": spanish,
	} {
		if got := languageOf(header); got != want {
			t.Errorf("%.60q gives %s, not %s", header, got, want)
		}
	}
}

func TestAnErrorNamesItsLanguage(t *testing.T) {
	t.Parallel()
	h := build(t)
	for header, want := range map[string]string{"": "es", "en-US": "en"} {
		r := h.post("/api/collectors/stop", `{"pid":5}`, "Accept-Language", header)
		if r.header.Get("Content-Language") != want || !strings.Contains(r.header.Get("Vary"), "Accept-Language") {
			t.Errorf("the headers for %q are %v", header, r.header)
		}
	}
}

// codesIn reads the values of the string constants of a Go file whose names begin with Code.
func codesIn(t *testing.T, file string) map[problem.Code]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[problem.Code]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok {
				code, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				codes[problem.Code(code)] = true
			}
		}
		return true
	})
	if len(codes) < 20 {
		t.Fatalf("%s holds %d codes: is this still the way to find them?", file, len(codes))
	}
	return codes
}

func TestEveryCodeHasAnExportedNameAndASentenceInBothLanguages(t *testing.T) {
	t.Parallel()
	inside, public := codesIn(t, "../problem/problem.go"), codesIn(t, "../../api/errors.go")
	for code := range inside {
		if !public[code] {
			t.Errorf("api/errors.go lacks the code %s of package problem", code)
		}
	}
	for code := range public {
		words, ok := sentences[code]
		if !ok || words.es == "" || words.en == "" || words.es == words.en {
			t.Errorf("messages.go lacks the sentences of %s: %q, %q", code, words.es, words.en)
		}
		if a, b := placeholder.FindAllString(words.es, -1), placeholder.FindAllString(words.en, -1); len(a) != len(b) {
			t.Errorf("the sentences of %s take other parameters: %v, %v", code, a, b)
		}
	}
	for code := range sentences {
		if !public[code] {
			t.Errorf("messages.go has sentences for %s, which api/errors.go does not name", code)
		}
	}
}

func TestASentenceWithoutItsParametersIsStillASentence(t *testing.T) {
	t.Parallel()
	if got := sentences[problem.CodeUnknownSymbol].in(english, map[string]string{"exchange": "binance"}); got != "The symbol … does not exist on binance" {
		t.Errorf("the sentence is %q", got)
	}
}
