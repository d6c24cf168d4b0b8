package metrics

import (
	"math"
	"strconv"
	"strings"
)

// contentType is that of Prometheus' text format, which every Prometheus reads.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// In a HELP a backslash and the end of a line are escaped, in a label's value a quote, too.
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// appendHead writes what comes before a family's samples.
func appendHead(to []byte, f *Family) []byte {
	to = append(append(append(to, "# HELP "...), f.name...), ' ')
	to = append(to, helpEscapes.Replace(strings.ToValidUTF8(f.help, "\uFFFD"))...)
	to = append(append(append(to, "\n# TYPE "...), f.name...), ' ')
	return append(append(to, f.kind...), '\n')
}

// appendLabels writes names and values, as many as there are of both.
func appendLabels(to []byte, names, values []string) []byte {
	between := byte('{')
	for i := range min(len(names), len(values)) {
		to = append(append(append(to, between), names[i]...), `="`...)
		to = append(append(to, labelEscapes.Replace(bounded(values[i]))...), '"')
		between = ','
	}
	if between == '{' {
		return to
	}
	return append(to, '}')
}

// appendValue writes what ends the line of a sample.
func appendValue(to []byte, value float64) []byte {
	return append(appendFloat(append(to, ' '), value), '\n')
}

// appendFloat writes a number as short as it can be read back.
func appendFloat(to []byte, value float64) []byte {
	switch {
	case math.IsInf(value, 1):
		return append(to, "+Inf"...)
	case math.IsInf(value, -1):
		return append(to, "-Inf"...)
	case math.IsNaN(value):
		return append(to, "NaN"...)
	}
	return strconv.AppendFloat(to, value, 'g', -1, 64)
}

// isName tells whether a text may name a family or a label. Colons, which are for the rules of
// whoever runs Prometheus, may not.
func isName(text string) bool {
	for i, c := range []byte(text) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}
