package supervise
import ("testing";"os";"fmt")
func dumpfds(t *testing.T, tag string) {
	es, _ := os.ReadDir("/proc/self/fd")
	m := map[string]int{}
	for _, e := range es { l, _ := os.Readlink("/proc/self/fd/"+e.Name()); m[l]++ }
	fmt.Println(tag, len(es), m)
}
