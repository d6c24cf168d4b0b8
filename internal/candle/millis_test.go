package candle

import (
	"strings"
	"testing"
)

func FuzzParseMillis(f *testing.F) {
	for _, text := range []string{"1795428905123", "-62135596800000", "253402300800000", "2026-11-23T10:00:00.123456789+14:00", "2026-11-23 10:00", "0000-01-01", "9999-12-31T23:59:59.999-12:00", "1e9", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMillis(text)
		if err != nil {
			if len(err.Error()) > 400 {
				t.Errorf("the reason is %d bytes long", len(err.Error()))
			}
			return
		}
		if m < MinMillis || m > MaxMillis {
			t.Errorf("%q is read as %d", text, m)
		}
		if back, err := ParseMillis(m.String()); err != nil || back != m || !strings.HasSuffix(m.String(), "Z") {
			t.Errorf("%q is read as %s, which is read as %s: %v", text, m, back, err)
		}
	})
}
