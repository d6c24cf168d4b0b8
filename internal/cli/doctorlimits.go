package cli

import (
	"context"
	"log/slog"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"velador/internal/proc"
)

// What a server and its collectors need at least.
const (
	collectorsPoor = 100       // that may run at once
	fileSizePoor   = 64 << 30  // the database is one file
	fileSizeBroken = 1 << 30   // a stream of the bus is
	memoryPoor     = 512 << 20 // a server, and a dozen collectors
	memoryBroken   = 96 << 20  // a server alone
	collectorTakes = 20 << 20  // memory of a collector
	endless        = 1<<63 - 1 // some systems have no other word for no limit
)

// lookAtLimits looks at what the system allows a process of ours.
func (d *doctor) lookAtLimits(context.Context) []finding {
	return append([]finding{filesFinding(proc.NewHost(slog.New(slog.DiscardHandler)).OpenFiles()), fileSizeFinding(), memoryFinding(availableMemory())}, kernelFindings()...)
}

func filesFinding(limit uint64, used int, err error) finding {
	const (
		what = "open files"
		do   = "raise the limit: ulimit -n 65536, LimitNOFILE=65536 in systemd, ulimits: nofile in Docker"
	)
	if err != nil {
		return poor(what, do, "%v", err)
	}
	most := (int(min(limit, 1<<30)) - used - spareFiles) / filesPerCollector
	switch f := well(what, "%d may be open, enough for %d collectors", limit, max(0, most)); {
	case most < 1:
		return finding{isBroken, what, f.Says, do}
	case most < collectorsPoor:
		return finding{isPoor, what, f.Says, do}
	default:
		return f
	}
}

func fileSizeFinding() finding {
	const (
		what = "file size"
		do   = "take the limit away: ulimit -f unlimited, LimitFSIZE=infinity in systemd"
	)
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &now); err != nil {
		return poor(what, do, "the limit is not known: %v", err)
	}
	most := uint64(now.Cur) //nolint:unconvert // FreeBSD's is signed
	switch {
	case most >= endless:
		return well(what, "no limit")
	case most < fileSizeBroken:
		return broken(what, do, "a file may grow to %s: the bus needs more", humanize.IBytes(most))
	case most < fileSizePoor:
		return poor(what, do, "a file may grow to %s: the database may need more", humanize.IBytes(most))
	}
	return well(what, "a file may grow to %s", humanize.IBytes(most))
}

func memoryFinding(available uint64, known bool) finding {
	const (
		what = "memory"
		do   = "end what else runs here, or give the machine or the container more"
	)
	if !known {
		return well(what, "this system does not tell how much is free")
	}
	switch f := well(what, "%s are free, enough for some %d collectors", humanize.IBytes(available), available/collectorTakes); {
	case available < memoryBroken:
		return broken(what, do, "%s are free", humanize.IBytes(available))
	case available < memoryPoor:
		return finding{isPoor, what, f.Says, do}
	default:
		return f
	}
}
