package cli

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"velador/internal/collector"
	"velador/internal/supervise"
)

// What tests and benchmarks change of a server, by its environment alone: no flag names it and no
// file .env is asked. docs/SUPERVISION.md says what for.
const (
	// envTestCollector is the program that runs in place of every collector, with its arguments,
	// separated by blanks. {symbol}, {timeframe}, {exchange} and {id} stand for the collector's own.
	envTestCollector = "VELADOR_TEST_COLLECTOR"
	// envTestKillAt names the supervise.Step at which the server kills itself with SIGKILL.
	envTestKillAt = "VELADOR_TEST_KILL_AT"
)

// overrides are the settings of tests. The zero value changes nothing.
type overrides struct {
	environ   []string // of the server: a test's collector inherits all of it
	collector []string
	killAt    supervise.Step
}

// readOverrides reads them, and says in the log that they are in force.
func readOverrides(env environment, logger *slog.Logger) (overrides, error) {
	o := overrides{environ: env.process}
	for _, entry := range env.process {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case envTestCollector:
			o.collector = strings.Fields(value)
		case envTestKillAt:
			o.killAt = supervise.Step(value)
		default:
			continue
		}
		logger.Warn("a setting for tests is in force", "name", name, "value", value)
	}
	if o.killAt != "" && !slices.Contains(supervise.Steps(), o.killAt) {
		return o, usagef("%s=%s is no step of a start or a stop: %v are", envTestKillAt, o.killAt, supervise.Steps())
	}
	return o, nil
}

// apply changes how an agent works.
func (o overrides) apply(cfg *supervise.AgentConfig) {
	if len(o.collector) > 0 {
		cfg.Silence = -1 // it sends no beats
		cfg.Command = func(r collector.Record, _ time.Time) (string, []string, []string) {
			words := strings.NewReplacer("{symbol}", r.Spec.Selector, "{timeframe}", r.Spec.Timeframe.String(),
				"{exchange}", r.Spec.Exchange, "{id}", strconv.FormatInt(r.ID, 10))
			args := make([]string, 0, len(o.collector))
			for _, word := range o.collector[1:] {
				args = append(args, words.Replace(word))
			}
			return o.collector[0], args, o.environ
		}
	}
	if o.killAt != "" {
		cfg.At = func(step supervise.Step) {
			if step == o.killAt {
				_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) // it returns to nobody
				select {}
			}
		}
	}
}
