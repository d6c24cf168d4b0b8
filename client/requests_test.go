package client

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoPathIsWrittenByHand: paths and names of parameters are in the generated file alone.
func TestNoPathIsWrittenByHand(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	generated := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(file, "_test.go"):
		case regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.`).Match(text):
			generated++
		default:
			for _, found := range regexp.MustCompile("\"/[a-z][^\"]*\"|http\\.Method|(?:Set|text|number|flag|head)\\(\"[a-z]+\"").FindAllString(string(text), -1) {
				t.Errorf("%s writes %s by hand", file, found)
			}
		}
	}
	if generated != 1 {
		t.Errorf("%d files are generated", generated)
	}
}

func TestWhatGoesIntoAPathIsEscaped(t *testing.T) {
	t.Parallel()
	if got := dataRequest("a/b?c", dataParams{}).path; got != "/api/data/a%2Fb%3Fc" {
		t.Errorf("the path is %s", got)
	}
	r := candleStreamRequest(candleStreamParams{Symbol: "ETH&x", Timeframe: "1m", LastEventID: "5"})
	if r.query.Encode() != "symbol=ETH%26x&timeframe=1m" || r.header.Get("Last-Event-ID") != "5" {
		t.Errorf("it asks %s with %v", r.query.Encode(), r.header)
	}
}
