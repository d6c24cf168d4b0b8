package collector

// PhaseStopped is the phase of a record without a process that is not due one either: it ended, and
// is over or waits for velador to resume it.
const PhaseStopped Phase = "stopped"

// Phases lists them all, in the order of a life.
func Phases() []Phase {
	return []Phase{PhaseStarting, PhaseBackfilling, PhaseLive, PhaseStale, PhaseBackoff, PhaseStopping, PhaseStopped}
}

// Phase says what the collector is doing: what is known of it, and where nothing is, what its record
// tells.
func (l Live) Phase() Phase {
	switch {
	case l.Status == Stopped:
		return PhaseStopped
	case l.Vitals.Phase != "":
		return l.Vitals.Phase
	case l.Status == Failed || !l.NextAttempt.IsZero():
		return PhaseBackoff
	}
	return PhaseStarting
}

// Alive tells that it has a process, as far as is known.
func (l Live) Alive() bool {
	phase := l.Phase()
	return l.PID > 0 && phase != PhaseBackoff && phase != PhaseStopped
}
