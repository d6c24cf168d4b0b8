//go:build race

package collect

// schedules is how many schedules of faults are played with the race detector, which makes each of them ten
// times as long.
const schedules = 40
