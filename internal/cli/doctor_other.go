//go:build !linux

package cli

// lockHolder tells nothing where there is no /proc/locks.
func lockHolder(string) (holder int, held, known bool) { return 0, false, false }

func availableMemory() (bytes uint64, known bool) { return 0, false }

// kernelFindings are of Linux.
func kernelFindings() []finding { return nil }
