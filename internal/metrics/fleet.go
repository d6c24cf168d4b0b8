package metrics

import (
	"strconv"
	"time"

	"velador/internal/collector"
)

// labels tell one collector from all others.
var (
	labels      = []string{"exchange", "id", "selector", "timeframe"}
	phaseLabels = []string{"exchange", "id", "phase", "selector", "timeframe"}
)

// figure is one of those that each collector has. What is not known of one is left out: 0 would be a
// claim.
type figure struct {
	name, help string
	kind       kind
	known      func(*collector.Live) bool
	value      func(live *collector.Live, now time.Time) float64
}

// figures are those of each collector. Counters begin with its process, as those of any process do.
var figures = []figure{
	{"up", "1 while the collector has a process.", gauge, always,
		func(l *collector.Live, _ time.Time) float64 { return number(l.Alive()) }},
	{"adopted", "1 while its process is one that was found running, not started.", gauge, always,
		func(l *collector.Live, _ time.Time) float64 { return number(l.Vitals.Adopted) }},
	{"restarts_total", "Lives of its process before this one.", counter, always,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Restarts) }},
	{"backoff_seconds", "How long until the next attempt to start its process; 0 while it has one.", gauge, always, untilNextAttempt},
	{"start_time_seconds", "When its process was started, since the epoch.", gauge, (*collector.Live).Alive,
		func(l *collector.Live, _ time.Time) float64 { return seconds(l.StartedAt.UnixMilli()) }},
	{"rss_bytes", "Resident memory of its process.", gauge, measured,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.RSS) }},
	{"uss_bytes", "Memory of its process that is its own alone; missing where the system does not tell.", gauge,
		func(l *collector.Live) bool { return l.Alive() && l.Vitals.USS > 0 },
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.USS) }},
	{"cpu_seconds_total", "User and system time of its process.", counter, measured,
		func(l *collector.Live, _ time.Time) float64 { return l.Vitals.CPU.Seconds() }},
	{"candles_total", "Closed candles that its process has brought.", counter, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Candles) }},
	{"messages_total", "Messages of candles that its process has received from the exchange's streams.", counter, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Messages) }},
	{"requests_total", "Questions of history that its process has asked the exchange.", counter, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Requests) }},
	{"request_failures_total", "Of them, those without a usable answer.", counter, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Failures) }},
	{"reconnects_total", "Connections of streams that its process had to make anew.", counter, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Reconnects) }},
	{"series", "Series that it follows.", gauge, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.Series) }},
	{"series_live", "Of them, those at the live edge.", gauge, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.LiveNow) }},
	{"open_gaps", "Gaps that it still asks for.", gauge, said,
		func(l *collector.Live, _ time.Time) float64 { return float64(l.Vitals.Beat.OpenGaps) }},
	{"silence_seconds", "How long, by the exchange's clock, it has brought no candle without a reason for that.", gauge, said,
		func(l *collector.Live, _ time.Time) float64 { return l.Vitals.Beat.Silent().Seconds() }},
	{"last_candle_timestamp_seconds", "Open time of the newest candle that it brought or found stored, since the epoch; missing before the first.", gauge, brought,
		func(l *collector.Live, _ time.Time) float64 { return seconds(int64(l.Vitals.Beat.LastOpen)) }},
	{"last_candle_age_seconds", "From that candle's close to the collector's newest sign of life, by the exchange's clock.", gauge, brought,
		func(l *collector.Live, _ time.Time) float64 { return l.Vitals.Beat.Age().Seconds() }},
}

func always(*collector.Live) bool { return true }

// measured: the machine was asked what its process takes.
func measured(l *collector.Live) bool { return l.Alive() && l.Vitals.RSS > 0 }

// said: its process has said how it is.
func said(l *collector.Live) bool { return l.Alive() && l.Vitals.Beat != (collector.Beat{}) }

// brought: there is a newest candle.
func brought(l *collector.Live) bool { return said(l) && l.Vitals.Beat.LastOpen != 0 }

func untilNextAttempt(l *collector.Live, now time.Time) float64 {
	if l.NextAttempt.IsZero() {
		return 0
	}
	return max(0, l.NextAttempt.Sub(now)).Seconds()
}

// showFleet writes what was known of the fleet when it was asked.
func showFleet(page *Page, list []collector.Live, now time.Time) {
	families := make([]*Family, len(figures))
	for i, f := range figures {
		if f.kind == counter {
			families[i] = page.Counter("collector_"+f.name, f.help, labels...)
		} else {
			families[i] = page.Gauge("collector_"+f.name, f.help, labels...)
		}
	}
	phase := page.Gauge("collector_phase", "1 for the phase that the collector is in, 0 for all others.", phaseLabels...)
	counts := map[collector.Status]int{}
	for i := range list {
		live := &list[i]
		counts[live.Status]++
		exchange, id, selector, timeframe := live.Spec.Exchange, strconv.FormatInt(live.ID, 10), live.Spec.Selector, live.Spec.Timeframe.String()
		for i, f := range figures {
			if f.known(live) {
				families[i].Sample(f.value(live, now), exchange, id, selector, timeframe)
			}
		}
		current := live.Phase()
		for _, p := range collector.Phases() {
			phase.Sample(number(p == current), exchange, id, string(p), selector, timeframe)
		}
	}
	byStatus := page.Gauge("collectors", "Collectors that are not over, by status.", "status")
	for _, status := range []collector.Status{collector.Running, collector.Failed, collector.Stopped} {
		byStatus.Sample(float64(counts[status]), string(status))
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds are what Prometheus counts in.
func seconds(millis int64) float64 { return float64(millis) / 1000 }
