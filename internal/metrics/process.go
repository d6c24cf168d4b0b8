package metrics

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// ticksPerSecond is the unit of times in /proc, whatever the kernel's own tick (USER_HZ, proc(5)).
const ticksPerSecond = 100

// self shows what this process takes of the machine, under the names that Prometheus' clients use.
// What the system does not tell is left out.
type self struct {
	root    string  // where proc(5) is
	started float64 // since the epoch, in seconds; 0: not known
}

// observeSelf finds out when the process was started.
func observeSelf(root string) self {
	s := self{root: root}
	stat, _ := os.ReadFile(filepath.Join(root, "self", "stat"))
	machine, _ := os.ReadFile(filepath.Join(root, "stat"))
	ticks, known := parseStartTicks(stat)
	if boot, ok := parseBootTime(machine); ok && known {
		s.started = float64(boot) + float64(ticks)/ticksPerSecond
	}
	return s
}

func (s self) show(page *Page) {
	show := func(kind kind, name, help string, value float64) {
		page.declare(Family{name: "process_" + name, help: help, kind: kind}).Sample(value)
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		show(counter, "cpu_seconds_total", "Total user and system CPU time spent in seconds.", float64(usage.Utime.Nano()+usage.Stime.Nano())/1e9)
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		show(gauge, "max_fds", "Maximum number of open file descriptors.", float64(limit.Cur))
	}
	if open, ok := s.openFiles(); ok {
		show(gauge, "open_fds", "Number of open file descriptors.", float64(open))
	}
	memory, _ := os.ReadFile(filepath.Join(s.root, "self", "statm"))
	if virtual, resident, ok := parseMemory(memory); ok {
		page := float64(os.Getpagesize())
		show(gauge, "virtual_memory_bytes", "Virtual memory size in bytes.", float64(virtual)*page)
		show(gauge, "resident_memory_bytes", "Resident memory size in bytes.", float64(resident)*page)
	}
	if s.started > 0 {
		show(gauge, "start_time_seconds", "Start time of the process since unix epoch in seconds.", s.started)
	}
}

// openFiles counts the descriptors of this process, without the one that counting needs.
func (s self) openFiles() (int, bool) {
	dir, err := os.Open(filepath.Join(s.root, "self", "fd"))
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, err == nil && len(names) > 0
}

// parseStartTicks finds when a process was started, in ticks since the machine's boot, in its line of
// /proc/PID/stat: field 22. The second is the command's name in brackets, which may hold blanks and
// brackets: fields are counted from the last closing one.
func parseStartTicks(line []byte) (uint64, bool) {
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	const third = 3 // the first of these fields, in proc(5)
	if len(fields) <= 22-third {
		return 0, false
	}
	return number64(fields[22-third])
}

// parseBootTime finds when the machine was booted, in seconds since the epoch, in /proc/stat.
func parseBootTime(text []byte) (uint64, bool) {
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			return number64(bytes.TrimSpace(value))
		}
	}
	return 0, false
}

// parseMemory reads /proc/PID/statm, which counts in pages.
func parseMemory(line []byte) (virtual, resident uint64, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, 0, false
	}
	virtual, ok = number64(fields[0])
	resident, also := number64(fields[1])
	return virtual, resident, ok && also
}

func number64(text []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}

// showRuntime shows how the Go runtime is, under the names that Prometheus' client for Go uses. The
// package runtime/metrics would tell more, for 15 KB of memory in each collector process too.
func showRuntime(page *Page) {
	show := func(kind kind, name, help string, value float64) {
		page.declare(Family{name: "go_" + name, help: help, kind: kind}).Sample(value)
	}
	page.declare(Family{name: "go_info", help: "Information about the Go environment.", kind: gauge, labels: []string{"version"}}).Sample(1, runtime.Version())
	threads, _ := runtime.ThreadCreateProfile(nil)
	show(gauge, "threads", "Number of OS threads created.", float64(threads))
	show(gauge, "goroutines", "Number of goroutines that currently exist.", float64(runtime.NumGoroutine()))
	show(gauge, "sched_gomaxprocs_threads", "The current runtime.GOMAXPROCS setting: how many threads can run Go code at the same time.", float64(runtime.GOMAXPROCS(0)))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	show(counter, "gc_cycles_total", "Garbage collections that have ended.", float64(m.NumGC))
	show(counter, "gc_pause_seconds_total", "How long garbage collections have stopped the program.", float64(m.PauseTotalNs)/1e9)
	show(gauge, "memstats_last_gc_time_seconds", "Number of seconds since 1970 of last garbage collection.", float64(m.LastGC)/1e9)
	show(gauge, "memstats_next_gc_bytes", "Number of heap bytes when next garbage collection will take place.", float64(m.NextGC))
	show(gauge, "memstats_alloc_bytes", "Number of bytes allocated in heap and currently in use.", float64(m.Alloc))
	show(counter, "memstats_alloc_bytes_total", "Total number of bytes allocated in heap until now, even if released already.", float64(m.TotalAlloc))
	show(counter, "memstats_mallocs_total", "Total number of heap objects allocated, both live and gc-ed.", float64(m.Mallocs))
	show(counter, "memstats_frees_total", "Total number of heap objects frees.", float64(m.Frees))
	show(gauge, "memstats_heap_alloc_bytes", "Number of heap bytes allocated and currently in use.", float64(m.HeapAlloc))
	show(gauge, "memstats_heap_inuse_bytes", "Number of heap bytes that are in use.", float64(m.HeapInuse))
	show(gauge, "memstats_heap_idle_bytes", "Number of heap bytes waiting to be used.", float64(m.HeapIdle))
	show(gauge, "memstats_heap_released_bytes", "Number of heap bytes released to OS.", float64(m.HeapReleased))
	show(gauge, "memstats_heap_objects", "Number of currently allocated objects.", float64(m.HeapObjects))
	show(gauge, "memstats_stack_inuse_bytes", "Number of bytes obtained from system for stack allocator in non-CGO environments.", float64(m.StackInuse))
	show(gauge, "memstats_sys_bytes", "Number of bytes obtained from system.", float64(m.Sys))
}
