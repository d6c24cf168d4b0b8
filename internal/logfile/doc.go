// Package logfile keeps a log within its size while a process writes it, and reads its end.
//
// # One log, several files
//
// A log is the file at its path, the live one, and what was set aside before it:
//
//	x.log                                     the live file
//	x.log.20261124T033523.123456789Z          set aside at that time (UTC)
//	x.log.20261124T021107.000000001Z.gz       set aside earlier, compressed since
//	x.log.20261124T021107.000000001Z.gz.part  being compressed; not part of the log
//
// The time in a name is later than that in every older name of the same log, even when the clock
// was set back: the order of the names is the order of the lines.
//
// Nobody copies and truncates, which loses lines and fills disks (SUPERVISION.md rule 21). The process
// that writes sets its own log aside between two lines (Rotating), or the agent does it while no
// process has the log (SetAside). The agent alone compresses and removes (Tidy).
//
// # Reading
//
// Tail and Follow read the live file and go over to what was set aside. What they read is bounded: a
// line that never ends is cut, and a log of gigabytes costs its last megabyte.
package logfile
