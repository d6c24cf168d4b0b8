package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"velador/internal/collector"
)

// lookTimeout bounds how long the fleet may take; Prometheus waits 10 s unless it is told otherwise.
const lookTimeout = 5 * time.Second

// labels tell one collector from all others.
var labels = []string{"id", "exchange", "selector", "timeframe"}

func ofCollector(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("velador_collector_"+name, help, append(labels[:len(labels):len(labels)], more...), nil)
}

// The figures of each collector. Counters begin with its process, as those of any process do.
var (
	up         = ofCollector("up", "1 while the collector has a process.")
	phase      = ofCollector("phase", "1 for the phase that the collector is in, 0 for all others.", "phase")
	adopted    = ofCollector("adopted", "1 while its process is one that was found running, not started.")
	restarts   = ofCollector("restarts_total", "Lives of its process before this one.")
	waits      = ofCollector("backoff_seconds", "How long until the next attempt to start its process; 0 while it has one.")
	started    = ofCollector("start_time_seconds", "When its process was started, since the epoch.")
	rss        = ofCollector("rss_bytes", "Resident memory of its process.")
	uss        = ofCollector("uss_bytes", "Memory of its process that is its own alone; missing where the system does not tell.")
	cpu        = ofCollector("cpu_seconds_total", "User and system time of its process.")
	candles    = ofCollector("candles_total", "Closed candles that its process has brought.")
	messages   = ofCollector("messages_total", "Messages of candles that its process has received from the exchange's streams.")
	requests   = ofCollector("requests_total", "Questions of history that its process has asked the exchange.")
	failed     = ofCollector("request_failures_total", "Of them, those without a usable answer.")
	reconnects = ofCollector("reconnects_total", "Connections of streams that its process had to make anew.")
	series     = ofCollector("series", "Series that it follows.")
	seriesLive = ofCollector("series_live", "Of them, those at the live edge.")
	openGaps   = ofCollector("open_gaps", "Gaps that it still asks for.")
	lastCandle = ofCollector("last_candle_timestamp_seconds", "Open time of the newest candle that it brought or found stored, since the epoch; missing before the first.")
	silence    = ofCollector("silence_seconds", "How long, by the exchange's clock, it has brought no candle without a reason for that.")
	candleAge  = ofCollector("last_candle_age_seconds", "From that candle's close to the collector's newest sign of life, by the exchange's clock.")
)

// The figures of all of them.
var (
	fleetUp  = prometheus.NewDesc("velador_fleet_up", "1 when the collectors could be asked how they are.", nil, nil)
	byStatus = prometheus.NewDesc("velador_collectors", "Collectors that are not over, by status.", []string{"status"}, nil)
)

// fleetCollector gives what was known of the fleet when it was asked.
type fleetCollector struct {
	list  []collector.Live
	known bool // false: the fleet could not be asked
}

// Describe lists every figure.
func (c fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		up, phase, adopted, restarts, waits, started, rss, uss, cpu, candles, messages, requests, failed, reconnects,
		series, seriesLive, openGaps, silence, lastCandle, candleAge, fleetUp, byStatus,
	} {
		ch <- desc
	}
}

// Collect gives their values.
func (c fleetCollector) Collect(ch chan<- prometheus.Metric) {
	if !c.known {
		ch <- prometheus.MustNewConstMetric(fleetUp, prometheus.GaugeValue, 0)
		return
	}
	ch <- prometheus.MustNewConstMetric(fleetUp, prometheus.GaugeValue, 1)
	counts := map[collector.Status]int{}
	now := time.Now()
	for i := range c.list {
		counts[c.list[i].Status]++
		one(ch, &c.list[i], now)
	}
	for _, status := range []collector.Status{collector.Running, collector.Failed, collector.Stopped} {
		ch <- prometheus.MustNewConstMetric(byStatus, prometheus.GaugeValue, float64(counts[status]), string(status))
	}
}

// one gives the figures of one collector. What is not known is left out: 0 would be a claim.
func one(ch chan<- prometheus.Metric, live *collector.Live, now time.Time) {
	names := []string{strconv.FormatInt(live.ID, 10), bounded(live.Spec.Exchange), bounded(live.Spec.Selector), live.Spec.Timeframe.String()}
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
		ch <- prometheus.MustNewConstMetric(desc, kind, value, append(names[:len(names):len(names)], more...)...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	current := live.Phase()
	for _, p := range collector.Phases() {
		send(phase, gauge, number(p == current), string(p))
	}
	send(up, gauge, number(live.Alive()))
	send(adopted, gauge, number(live.Vitals.Adopted))
	send(restarts, counter, float64(live.Restarts))
	var left time.Duration
	if !live.NextAttempt.IsZero() {
		left = max(0, live.NextAttempt.Sub(now))
	}
	send(waits, gauge, left.Seconds())
	if !live.Alive() {
		return
	}
	send(started, gauge, seconds(live.StartedAt.UnixMilli()))
	if live.Vitals.RSS > 0 {
		send(rss, gauge, float64(live.Vitals.RSS))
		send(cpu, counter, live.Vitals.CPU.Seconds())
	}
	if live.Vitals.USS > 0 {
		send(uss, gauge, float64(live.Vitals.USS))
	}
	beat := &live.Vitals.Beat
	if *beat == (collector.Beat{}) {
		return // it has said nothing yet
	}
	send(candles, counter, float64(beat.Candles))
	send(messages, counter, float64(beat.Messages))
	send(requests, counter, float64(beat.Requests))
	send(failed, counter, float64(beat.Failures))
	send(reconnects, counter, float64(beat.Reconnects))
	send(series, gauge, float64(beat.Series))
	send(seriesLive, gauge, float64(beat.LiveNow))
	send(openGaps, gauge, float64(beat.OpenGaps))
	send(silence, gauge, beat.Silent().Seconds())
	if beat.LastOpen != 0 {
		send(lastCandle, gauge, seconds(int64(beat.LastOpen)))
		send(candleAge, gauge, beat.Age().Seconds())
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
