package cli

import (
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// supervisionFlags say how collectors are looked after.
type supervisionFlags struct {
	detach        bool
	orphans       string
	orphanAfter   time.Duration
	grace         time.Duration
	maxCollectors int
	logSize       byteSize
	logTotal      byteSize
}

// What --orphans may be.
const (
	orphansAdopt = "adopt"
	orphansStop  = "stop"
)

// defaultCare is how collectors are looked after when nobody says otherwise.
func defaultCare() supervisionFlags {
	return supervisionFlags{orphans: orphansAdopt, orphanAfter: 15 * time.Minute, grace: 10 * time.Second, logSize: 4 << 20, logTotal: 1 << 30}
}

func (f *supervisionFlags) register(flags *pflag.FlagSet) {
	*f = defaultCare()
	flags.BoolVar(&f.detach, "detach", false, "leave the collectors running at the end, for an upgrade in place")
	flags.StringVar(&f.orphans, "orphans", f.orphans, "what to do with collectors that outlived a server: adopt them, or stop them and start what is wanted anew")
	fromEnv(flags, "orphans", "VELADOR_ORPHANS")
	flags.DurationVar(&f.orphanAfter, "orphan-after", f.orphanAfter, "how long a collector works on without a server before it ends itself, 0 for ever")
	fromEnv(flags, "orphan-after", "VELADOR_ORPHAN_AFTER")
	flags.DurationVar(&f.grace, "grace", f.grace, "how long a collector may take to bring home what it holds before it is killed, at most a minute")
	fromEnv(flags, "grace", "VELADOR_GRACE")
	flags.IntVar(&f.maxCollectors, "max-collectors", 0, "how many collectors may run at once, 0 for as many as the limit of open files allows")
	fromEnv(flags, "max-collectors", "VELADOR_MAX_COLLECTORS")
	flags.Var(&f.logSize, "log-size", "size at which a collector's log is set aside and compressed, such as 4MiB")
	fromEnv(flags, "log-size", "VELADOR_LOG_SIZE")
	flags.Var(&f.logTotal, "log-total", "size that the logs of all collectors may take together; the oldest go first")
	fromEnv(flags, "log-total", "VELADOR_LOG_TOTAL")
}

// Bounds of the settings.
const (
	minLogSize     = 64 << 10 // bytes: a log that is set aside every few lines serves nobody
	minOrphanAfter = 10 * time.Second
	// maxGrace lets the answer to a stop come before the server gives up its request.
	maxGrace = time.Minute
)

func (f *supervisionFlags) check() error {
	switch {
	case f.orphans != orphansAdopt && f.orphans != orphansStop:
		return usagef("--orphans=%s is unknown: use adopt or stop", f.orphans)
	case f.orphanAfter != 0 && f.orphanAfter < minOrphanAfter:
		return usagef("--orphan-after=%s is too short: the server gives a sign of life every few seconds; use at least %s, or 0 for ever", f.orphanAfter, minOrphanAfter)
	case f.grace <= 0:
		return usagef("--grace=%s leaves no time to bring anything home: use a duration such as 10s", f.grace)
	case f.grace > maxGrace:
		return usagef("--grace=%s is too long: whoever asks for a stop waits for its end; use at most %s", f.grace, maxGrace)
	case f.maxCollectors < 0:
		return usagef("--max-collectors=%d is no number of collectors", f.maxCollectors)
	case f.logSize < minLogSize:
		return usagef("--log-size=%s is too small: use at least %s", &f.logSize, humanize.IBytes(minLogSize))
	case f.logTotal < 2*f.logSize:
		return usagef("--log-total=%s does not hold two logs of --log-size=%s", &f.logTotal, &f.logSize)
	}
	return nil
}

// byteSize is a flag for a number of bytes, with or without a unit.
type byteSize int64

// String writes it with a unit.
func (b *byteSize) String() string { return humanize.IBytes(uint64(*b)) }

// Set reads a number with a unit such as 4MiB, 10MB or 4096.
func (b *byteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<50 {
		return usagef("%q is no size: use a number with a unit, such as 4MiB", text)
	}
	*b = byteSize(n)
	return nil
}

// Type names the value in the help.
func (b *byteSize) Type() string { return "size" }
