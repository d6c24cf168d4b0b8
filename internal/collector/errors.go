package collector

import "fmt"

// StopError tells which of several collectors could not be stopped, and why.
type StopError struct {
	ID  int64
	Err error
}

// Error names the collector.
func (e *StopError) Error() string { return fmt.Sprintf("collector %d: %v", e.ID, e.Err) }

// Unwrap gives the reason.
func (e *StopError) Unwrap() error { return e.Err }
