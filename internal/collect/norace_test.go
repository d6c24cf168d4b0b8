//go:build !race

package collect

// schedules is how many schedules of faults the ordinary run plays.
const schedules = 150
