package collector

import "time"

// Live is a collector that somebody looks after, as it was when somebody looked.
type Live struct {
	Record
	// Uptime is how long this life has lasted, by the clock of the machine it runs on.
	Uptime time.Duration
	Vitals Vitals
}

// Ref names one collector: by ID, or by PID where ID is 0. An ID is unique for ever; a PID is
// unique on one host, and only among the living.
type Ref struct {
	PID int
	ID  int64
}
