package metrics

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestTheProcessItselfIsMeasured(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc")
	}
	before := time.Now()
	page := newPage()
	observeSelf("/proc").show(page)
	showRuntime(page)
	families := parsed(t, written(t, page))
	value := func(name string) float64 {
		f := families[name]
		if f == nil || len(f.GetMetric()) != 1 {
			t.Errorf("%s is %v", name, f)
			return 0
		}
		return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	for name, least := range map[string]float64{
		"process_open_fds": 3, "process_max_fds": 16, "process_resident_memory_bytes": 1 << 20, "process_virtual_memory_bytes": 1 << 20,
		"go_goroutines": 2, "go_threads": 2, "go_memstats_heap_alloc_bytes": 1 << 10, "go_memstats_sys_bytes": 1 << 20, "go_memstats_mallocs_total": 1, "go_info": 1,
	} {
		if got := value(name); got < least {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got := value("process_cpu_seconds_total"); got <= 0 {
		t.Errorf("this test has taken %v seconds", got)
	}
	// The kernel tells the boot in whole seconds.
	if began := time.UnixMilli(int64(1000 * value("process_start_time_seconds"))); began.After(before.Add(2*time.Second)) || began.Before(before.Add(-24*time.Hour)) {
		t.Errorf("this test began at %v, and it is %v", began, before)
	}
	if value("process_open_fds") > value("process_max_fds") || value("process_resident_memory_bytes") > value("process_virtual_memory_bytes") {
		t.Error("more is used than there is")
	}
}

func TestWhatTheSystemDoesNotTellIsLeftOut(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	page := newPage()
	observeSelf(root).show(page)
	families := parsed(t, written(t, page))
	if len(families) != 2 || families["process_cpu_seconds_total"] == nil || families["process_max_fds"] == nil {
		t.Errorf("without /proc there are %v", families)
	}
	// Half of it.
	if err := os.MkdirAll(filepath.Join(root, "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"self/stat": "1 (a) b) R 1 2", "stat": "btime 12\n", "self/statm": "10 x 3"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page.clear()
	observeSelf(root).show(page)
	if families = parsed(t, written(t, page)); len(families) != 2 {
		t.Errorf("with a broken /proc there are %v", families)
	}
}

func TestFilesOfTheKernelAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	line := "4711 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20 21"
	if got, ok := parseStartTicks([]byte(line)); !ok || got != 98765 {
		t.Errorf("the start is %v %v", got, ok)
	}
	if got, ok := parseBootTime([]byte("cpu  1 2 3\nintr 5\nbtime 1795500000\nprocesses 7\n")); !ok || got != 1795500000 {
		t.Errorf("the boot is %v %v", got, ok)
	}
	if virtual, resident, ok := parseMemory([]byte("400 100 50 1 0 30 0\n")); !ok || virtual != 400 || resident != 100 {
		t.Errorf("the memory is %v %v %v", virtual, resident, ok)
	}
}

func FuzzFilesOfTheKernel(f *testing.F) {
	f.Add([]byte("4711 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20 21"))
	f.Add([]byte("btime 1795500000\n"))
	f.Add([]byte("400 100 50 1 0 30 0\n"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, ok := parseStartTicks(text); !ok && got != 0 {
			t.Errorf("the start is %v", got)
		}
		if got, ok := parseBootTime(text); !ok && got != 0 {
			t.Errorf("the boot is %v", got)
		}
		parseMemory(text)
	})
}
