package cli

import "strings"

// sparks are the heights of a sparkline, from the lowest.
var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the newest values in at most width cells, one cell a value, from the lowest of them to
// the highest. Values that do not differ lie in the middle.
func sparkline(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	if len(values) == 0 {
		return ""
	}
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	var line strings.Builder
	for _, v := range values {
		at := len(sparks) / 2
		if high > low {
			// Both are scaled before they are taken apart: a difference of two finite numbers may not be one.
			scale := float64(len(sparks) - 1)
			at = int((v/2-low/2)/(high/2-low/2)*scale + 0.5)
		}
		line.WriteRune(sparks[min(max(at, 0), len(sparks)-1)])
	}
	return line.String()
}
