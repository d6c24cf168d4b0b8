package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// readTable reads the whole process table. Who vanishes meanwhile is left out.
func readTable() ([]stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	table := make([]stat, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		st, err := readStat(pid)
		switch {
		case err == nil:
			table = append(table, st)
		case !errors.Is(err, errNoProcess) && !errors.Is(err, os.ErrPermission):
			return nil, fmt.Errorf("read the process table: %w", err)
		}
	}
	return table, nil
}
