package dashboard

import (
	"strings"
	"testing"
)

func FuzzHeaders(f *testing.F) {
	f.Add("gzip;q=0.5, br", `W/"abc", "def"`)
	f.Add("GZIP;q=0", "*")
	f.Add(";=,gzip;q=NaN", `,,"`)
	f.Fuzz(func(t *testing.T, accepted, match string) {
		if acceptsGzip(accepted) && !strings.Contains(strings.ToLower(accepted), "gzip") {
			t.Errorf("%q asks for gzip", accepted)
		}
		if holds(match, `"abc"`) && !strings.Contains(match, `"abc"`) && !strings.Contains(match, "*") {
			t.Errorf("%q names the tag", match)
		}
	})
}
