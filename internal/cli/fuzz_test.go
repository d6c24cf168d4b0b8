package cli

import (
	"strings"
	"testing"
)

// A file of settings holds passwords: what is wrong with one is told without its text.
func FuzzEnvFile(f *testing.F) {
	for _, text := range []string{"PORT=3000\nexport DATABASE_URL='postgres://a:b@c/d' # note\n", "A=\"x\ny\"\nB=${A}-$A\n", "= x", "A='", "\xef\xbb\xbfPORT=1", "A: b", "A=\\", "export", "$", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, err := parseEnvFile(".env", text)
		if err == nil {
			for name := range settings {
				if strings.ContainsAny(name, "=\n") {
					t.Errorf("%q is a setting's name", name)
				}
			}
			return
		}
		if _, said, _ := strings.Cut(err.Error(), ".env"); len(text) > 8 && strings.Contains(said, string(text)) {
			t.Errorf("the reason repeats the file: %v", err)
		}
	})
}
