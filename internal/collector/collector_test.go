package collector

import "testing"

func TestStoppedRecordIsResumedOnlyWhileItIsWanted(t *testing.T) {
	t.Parallel()
	for _, next := range []Status{Running, Failed} {
		if (Record{Status: Stopped}).MayBecome(next) {
			t.Errorf("history became %s", next)
		}
		if !(Record{Status: Stopped, Wanted: true}).MayBecome(next) {
			t.Errorf("a wanted record did not become %s", next)
		}
	}
	for _, from := range []Status{Running, Failed, Stopped} {
		if !(Record{Status: from}).MayBecome(Stopped) || !(Record{Status: from}).MayBecome(from) {
			t.Errorf("%s may neither stay nor stop", from)
		}
	}
}

func TestStatusIsReadByItsNameOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"running", "error", "stopped"} {
		if status, err := ParseStatus(name); err != nil || string(status) != name {
			t.Errorf("%q: %v, %v", name, status, err)
		}
	}
	for _, name := range []string{"", "Running", "failed"} {
		if _, err := ParseStatus(name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}
