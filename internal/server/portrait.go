package server

import (
	"time"

	"golang.org/x/sys/unix"

	"velador/api"
	"velador/internal/collector"
)

// describe puts a collector into the contract's members and ours.
func describe(c *api.CollectorStatus, live *collector.Live, lang language) {
	beat := &live.Vitals.Beat
	*c = api.CollectorStatus{
		PID:       live.PID,
		Timeframe: live.Spec.Timeframe.String(),
		Symbol:    live.Spec.Selector,
		Status:    string(live.Status),
		StartedAt: sound(live.StartedAt),
		Uptime:    int64(uptimeOf(live) / time.Second),

		ID:          live.ID,
		Exchange:    live.Spec.Exchange,
		Host:        live.Host,
		Phase:       string(live.Phase()),
		NextAttempt: sound(live.NextAttempt),
		Adopted:     live.Vitals.Adopted,

		CPU:      measured(live.Vitals.CPUPercent),
		Memory:   api.Memory{RSS: live.Vitals.RSS, USS: live.Vitals.USS},
		Restarts: live.Restarts,
		LastExit: lastExit(live.LastExit, lang),

		Candles:           beat.Candles,
		OpenGaps:          beat.OpenGaps,
		MessagesPerSecond: measured(live.Vitals.MessagesPerSecond),
		Series:            beat.Series,
		SeriesLive:        beat.LiveNow,

		LastError: live.LastError,
		StoppedAt: sound(live.StoppedAt),
	}
	if beat.LastOpen != 0 {
		c.LastCandle = api.LastCandle{OpenTime: int64(beat.LastOpen), AgeSeconds: int64(beat.Age() / time.Second)}
	}
}

// uptimeOf is how long a life has lasted; of one that has ended, how long it did.
func uptimeOf(live *collector.Live) time.Duration {
	if live.Uptime == 0 && live.Status == collector.Stopped && !live.StoppedAt.IsZero() {
		return max(0, live.StoppedAt.Sub(live.StartedAt))
	}
	return max(0, live.Uptime)
}

// lastExit puts an end into words; the zero value where there was none.
func lastExit(e collector.Exit, lang language) api.LastExit {
	if e.At.IsZero() {
		return api.LastExit{}
	}
	return api.LastExit{At: sound(e.At), Code: exitCode(e), Signal: exitSignal(e), Reason: e.Reason, Text: exitText(e, lang)}
}

// exitCode is nil where a signal ended it or where nobody saw the end.
func exitCode(e collector.Exit) *int {
	if !e.Known || e.Signal != 0 {
		return nil
	}
	code := e.Code
	return &code
}

func exitSignal(e collector.Exit) int {
	if !e.Known {
		return 0
	}
	return e.Signal
}

// exitText says how a process ended.
func exitText(e collector.Exit, lang language) string {
	switch {
	case !e.Known:
		return endedUnseen.in(lang, nil)
	case e.Signal != 0:
		name := unix.SignalName(unix.Signal(e.Signal))
		if name == "" {
			name = "?"
		}
		return endedBySignal.in(lang, map[string]string{"signal": itoa(e.Signal), "name": name})
	}
	return endedWithCode.in(lang, map[string]string{"code": itoa(e.Code)})
}
