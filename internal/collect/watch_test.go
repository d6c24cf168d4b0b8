package collect

import (
	"testing"
	"time"
)

func TestClockBelievesTheExchangeMoreThanItsEvents(t *testing.T) {
	t.Parallel()
	var c clock
	ours := time.Unix(1, 0)
	for _, step := range []struct {
		what, at, now string
		doubt         bool
		means         string
	}{
		{"told", "10:00", "10:00", false, "the exchange's word begins it"},
		{"hears", "10:00:02", "10:00:02", false, "events move it on"},
		{"hears", "09:00", "10:00:02", false, "and never back"},
		{"hears", "10:59", "10:59", false, "a simulator leaps"},
		{"hears", "12:00", "12:00", true, "but not so far without a question"},
		{"told", "12:00:01", "12:00:01", false, "which may confirm it"},
		{"hears", "20:00", "20:00", true, "or not:"},
		{"told", "12:00:02", "12:00:02", false, "then it is set back"},
		{"hears", "2099-01-01", "12:00:02", true, "what is absurd does not move it at all"},
		{"told", "12:00:01", "12:00:02", false, "an answer that was long on its way does not set it back"},
		{"reads", "18:00", "18:00", false, "history's word is believed"},
		{"reads", "17:00", "18:00", false, "though it may be old"},
	} {
		switch at := instant(step.at); step.what {
		case "told":
			c.told(at, ours)
		case "hears":
			c.hear(at, ours)
		case "reads":
			c.reached(at, ours)
		}
		if c.now != instant(step.now) || c.doubt != step.doubt {
			t.Fatalf("%s: after it %s %s it is %s, doubt %t", step.means, step.what, step.at, c.now, c.doubt)
		}
	}
}
