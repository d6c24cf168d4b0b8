package cli

import (
	"log/slog"

	"velador/internal/proc"
)

// What the descriptors of a server go to.
const (
	// filesPerCollector: the pidfd, and the collector's connection to the embedded bus.
	filesPerCollector = 2
	// spareFiles are for requests, the database, the bus's own files and a start at work.
	spareFiles = 96
)

// capacity tells how many collectors may run at once: as many as asked for, and no more than this
// process may open files for. 0 when that is not known.
func capacity(host *proc.Host, asked int, logger *slog.Logger) int {
	limit, used, err := host.OpenFiles()
	if err != nil {
		logger.Warn("how many files may be open is not known: too many collectors will fail one by one", "error", err)
		return asked
	}
	free := int(min(limit, 1<<30)) - used - spareFiles
	most := max(1, free/filesPerCollector)
	if asked == 0 || asked > most {
		if asked > most {
			logger.Warn("--max-collectors asks for more than the limit of open files allows: raise it with \"ulimit -n\" or LimitNOFILE=",
				"asked", asked, "collectors", most, "files", limit)
		}
		asked = most
	}
	logger.Info("this server can look after so many collectors", "collectors", asked, "files", limit)
	return asked
}
