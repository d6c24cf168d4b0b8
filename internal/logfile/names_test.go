package logfile

import (
	"testing"
	"time"
)

func TestNamesOfSetAsideFilesAreKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, log, stamp string
		is               form
	}{
		{"x.log.20261124T033523.123456789Z", "x.log", "20261124T033523.123456789Z", plain},
		{"x.log.20261124T033523.123456789Z.gz", "x.log", "20261124T033523.123456789Z", packed},
		{"x.log.20261124T033523.123456789Z.gz.part", "x.log", "20261124T033523.123456789Z", part},
		{name: "x.log"},
		{name: "x.log.1"},
		{name: "x.log.gz"},
		{name: ".20261124T033523.123456789Z"},
		{name: "x.log.20261124T033523,123456789Z"},
		{name: "x.log.20261324T033523.123456789Z"},
		{name: "x.log.20261124T033523.12345678Z"},
		{name: "x.log.20261124T033523.123456789Z.gz.gz"},
		{name: "x.log-20261124T033523.123456789Z"},
	} {
		log, stamp, is, ok := parseName(c.name)
		if log != c.log || stamp != c.stamp || is != c.is || ok != (c.log != "") {
			t.Errorf("%s: %q, %q, %v, %v", c.name, log, stamp, is, ok)
		}
	}
}

func TestStampsGoForwardWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 3, 35, 23, 5, time.FixedZone("", 3600))
	for _, c := range []struct{ newest, want string }{
		{"", "20261124T023523.000000005Z"},
		{"20261124T023523.000000004Z", "20261124T023523.000000005Z"},
		{"20261124T023523.000000005Z", "20261124T023523.000000006Z"},
		{"20261124T043523.999999999Z", "20261124T043524.000000000Z"},
		{"99991231T235959.999999999Z", "20261124T023523.000000005Z"},
	} {
		if got := stampAfter(c.newest, now); got != c.want {
			t.Errorf("after %s: %s, want %s", c.newest, got, c.want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, name := range []string{
		"x.log", "x.log.20261124T033523.123456789Z", "x.log.20261124T033523.123456789Z.gz",
		"x.log.20261124T033523.123456789Z.gz.part", "x.log.20261124T033523,123456789Z", ".log.00000101T000000.000000000Z",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		log, stamp, is, ok := parseName(name)
		if !ok {
			return
		}
		if back := (aside{log: log, stamp: stamp, form: is}).name(); back != name || log == "" {
			t.Fatalf("%q became %q", name, back)
		}
		if next := stampAfter(stamp, time.Unix(0, 0)); len(next) != len(stampForm) || next <= stamp && next != stampAfter("", time.Unix(0, 0)) {
			t.Fatalf("%s comes after %s", next, stamp)
		}
	})
}
