package cli

import (
	"strings"
	"testing"
	"time"
)

func TestSettingsOfSupervisionThatCannotBeUsedAreNamed(t *testing.T) {
	t.Parallel()
	good := defaultCare()
	if err := good.check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, change := range map[string]func(*supervisionFlags){
		"--orphans=perhaps":   func(f *supervisionFlags) { f.orphans = "perhaps" },
		"--orphan-after=1s":   func(f *supervisionFlags) { f.orphanAfter = time.Second },
		"--grace=0s":          func(f *supervisionFlags) { f.grace = 0 },
		"--grace=1m0.001s":    func(f *supervisionFlags) { f.grace = maxGrace + time.Millisecond },
		"--max-collectors=-1": func(f *supervisionFlags) { f.maxCollectors = -1 },
		"--log-size":          func(f *supervisionFlags) { f.logSize = minLogSize - 1 },
		"--log-total":         func(f *supervisionFlags) { f.logTotal = 2*f.logSize - 1 },
	} {
		flags := defaultCare()
		change(&flags)
		if err := flags.check(); err == nil || !strings.Contains(err.Error(), name) || exitCode(err) != ExitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
