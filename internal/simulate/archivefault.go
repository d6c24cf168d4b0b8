package simulate

import (
	"fmt"
	"path"
	"slices"
	"sync"
)

// ArchiveFaultKind names what is wrong with a file of the archive (SIM-A4).
type ArchiveFaultKind string

// The kinds of archive faults.
const (
	FaultChecksum  ArchiveFaultKind = "checksum"  // the sidecar tells another digest than the file has
	FaultReplaced  ArchiveFaultKind = "replaced"  // other bytes with the same rows, and a digest that fits them
	FaultTruncated ArchiveFaultKind = "truncated" // the zip ends early; the digest fits what there is
	FaultTwoCSV    ArchiveFaultKind = "two-csv"   // the zip holds two CSVs
	FaultNoRanges  ArchiveFaultKind = "no-ranges" // a Range request is answered with the whole file
)

// ArchiveFaultKinds lists all kinds.
func ArchiveFaultKinds() []ArchiveFaultKind {
	return []ArchiveFaultKind{FaultChecksum, FaultReplaced, FaultTruncated, FaultTwoCSV, FaultNoRanges}
}

// ArchiveFault is one switch. It holds until it is cleared.
type ArchiveFault struct {
	Kind ArchiveFaultKind `json:"kind"`
	// Key is the key of a zip, or a pattern of path.Match; empty: every file.
	Key string `json:"key,omitempty"`
}

const maxArchiveFaults = 1000

// archiveFaults are the switches set, safe for concurrent use.
type archiveFaults struct {
	mu   sync.Mutex
	list []ArchiveFault
}

func (f *archiveFaults) add(fault ArchiveFault) error {
	if !slices.Contains(ArchiveFaultKinds(), fault.Kind) {
		return fmt.Errorf("%q is no kind of archive fault: use one of %q", fault.Kind, ArchiveFaultKinds())
	}
	if _, err := path.Match(fault.Key, ""); err != nil {
		return fmt.Errorf("key %q is no pattern: %w", fault.Key, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxArchiveFaults {
		return fmt.Errorf("%d archive faults are set already: clear some", maxArchiveFaults)
	}
	f.list = append(f.list, fault)
	return nil
}

func (f *archiveFaults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

func (f *archiveFaults) all() []ArchiveFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]ArchiveFault{}, f.list...)
}

// of gives the fault of the zip at key: the switch set last, or none.
func (f *archiveFaults) of(key string) ArchiveFaultKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range slices.Backward(f.list) {
		if fault.Key == "" || fault.Key == key {
			return fault.Kind
		}
		if hit, err := path.Match(fault.Key, key); err == nil && hit {
			return fault.Kind
		}
	}
	return ""
}
