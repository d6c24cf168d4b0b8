package server

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"velador/api"
)

// api.CollectorStatus written by hand, byte for byte as marshalJSON writes it: a list of hundreds is
// asked for every second by whoever watches, and reflection took most of the time of its answer. A
// test compares the two for every member that the type has, so that none is forgotten here.

// appendHead writes a collector's members up to the value of uptime, which alone changes all the time.
func appendHead(b []byte, c *api.CollectorStatus) []byte {
	b = append(b, `{"pid":`...)
	b = strconv.AppendInt(b, int64(c.PID), 10)
	b = appendText(b, `,"timeframe":`, c.Timeframe)
	b = appendText(b, `,"symbol":`, c.Symbol)
	b = appendText(b, `,"status":`, c.Status)
	b = appendTime(b, `,"startedAt":`, c.StartedAt)
	return append(b, `,"uptime":`...)
}

// appendTail writes all that follows the value of uptime.
func appendTail(b []byte, c *api.CollectorStatus) []byte {
	b = appendInt(b, `,"id":`, c.ID)
	b = appendText(b, `,"exchange":`, c.Exchange)
	b = appendText(b, `,"host":`, c.Host)
	b = appendText(b, `,"phase":`, c.Phase)
	if !c.NextAttempt.IsZero() {
		b = appendTime(b, `,"nextAttempt":`, c.NextAttempt)
	}
	b = append(b, `,"adopted":`...)
	b = strconv.AppendBool(b, c.Adopted)
	b = appendFloat(b, `,"cpu":`, c.CPU)
	b = appendInt(b, `,"memory":{"rss":`, c.Memory.RSS)
	if c.Memory.USS != 0 {
		b = appendInt(b, `,"uss":`, c.Memory.USS)
	}
	b = appendInt(b, `},"restarts":`, int64(c.Restarts))
	if c.LastExit != (api.LastExit{}) {
		b = appendLastExit(b, &c.LastExit)
	}
	if c.LastCandle != (api.LastCandle{}) {
		b = appendInt(b, `,"lastCandle":{"openTime":`, c.LastCandle.OpenTime)
		b = appendInt(b, `,"ageSeconds":`, c.LastCandle.AgeSeconds)
		b = append(b, '}')
	}
	b = append(b, `,"candles":`...)
	b = strconv.AppendUint(b, c.Candles, 10)
	b = appendInt(b, `,"openGaps":`, int64(c.OpenGaps))
	b = appendFloat(b, `,"messagesPerSecond":`, c.MessagesPerSecond)
	b = appendInt(b, `,"series":`, int64(c.Series))
	b = appendInt(b, `,"seriesLive":`, int64(c.SeriesLive))
	if c.LastError != "" {
		b = appendText(b, `,"lastError":`, c.LastError)
	}
	if !c.StoppedAt.IsZero() {
		b = appendTime(b, `,"stoppedAt":`, c.StoppedAt)
	}
	return append(b, '}')
}

func appendLastExit(b []byte, e *api.LastExit) []byte {
	b = appendTime(b, `,"lastExit":{"at":`, e.At)
	if e.Code != nil {
		b = appendInt(b, `,"code":`, int64(*e.Code))
	}
	if e.Signal != 0 {
		b = appendInt(b, `,"signal":`, int64(e.Signal))
	}
	b = appendText(b, `,"reason":`, e.Reason)
	b = appendText(b, `,"text":`, e.Text)
	return append(b, '}')
}

func appendInt(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendTime writes an instant that sound has let pass.
func appendTime(b []byte, name string, t api.Time) []byte {
	b = append(append(b, name...), '"')
	b, _ = t.AppendText(b)
	return append(b, '"')
}

// appendFloat writes hundredths, which is what describe leaves of a measurement, by whole numbers; any
// other number as encoding/json does.
func appendFloat(b []byte, name string, x float64) []byte {
	b = append(b, name...)
	n := math.Round(x * 100)
	if n < 0 || n > maxMeasure*100 || n/100 != x || math.Signbit(x) {
		return appendAny(b, x)
	}
	whole, part := int64(n)/100, int64(n)%100
	b = strconv.AppendInt(b, whole, 10)
	if part == 0 {
		return b
	}
	b = append(b, '.', byte('0'+part/10))
	if part%10 != 0 {
		b = append(b, byte('0'+part%10))
	}
	return b
}

// appendText writes a text; what needs an escape is left to encoding/json.
func appendText(b []byte, name, text string) []byte {
	b = append(b, name...)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c < ' ' || c == '"' || c == '\\':
			return appendAny(b, text)
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
				return appendAny(b, text)
			}
			i += size
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// appendAny writes a text or a finite number as marshalJSON does.
func appendAny(b []byte, v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return append(b, `null`...) // no text and no finite number fails
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// maxMeasure bounds what is shown of a measurement.
const maxMeasure = 1e9

// measured makes a measurement fit to be shown: finite, not negative, in hundredths.
func measured(x float64) float64 {
	if !(x > 0) { // NaN too
		return 0
	}
	return math.Round(min(x, maxMeasure)*100) / 100
}

// sound gives an instant that RFC 3339 can write; the zero instant stands for any other.
func sound(t time.Time) api.Time {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return api.Time{}
	}
	return api.Time{Time: t}
}
