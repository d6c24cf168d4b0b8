package supervise

// mayStop decides whether a collector that an agent looks after is the one to stop, or to restart. By PID, only a
// process that runs can be meant: the number of a dead one may be a stranger's by now.
func mayStop(asked, pid int, alive bool) bool {
	return asked == 0 || alive && asked == pid
}
