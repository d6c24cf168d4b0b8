package supervise

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/backoff"
	"velador/internal/candle"
	"velador/internal/collector"
	"velador/internal/proc"
)

func TestRestartBacksOffToACapAndNeverGivesUp(t *testing.T) {
	t.Parallel()
	policy := backoff.Policy{First: 500 * time.Millisecond, Cap: time.Minute, Jitter: 0.2}
	crash := life{exit: proc.Exit{Known: true, Signal: syscall.SIGSEGV}, lasted: time.Second}
	failures := 0
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000} {
		next := nextRestart(failures, crash, 2*time.Minute, policy, 0.5)
		if next.never || next.after != want*time.Millisecond || next.failures != i+1 {
			t.Errorf("after %d failures: %+v", failures, next)
		}
		failures = next.failures
	}
	if next := nextRestart(1000, crash, 2*time.Minute, policy, 0.999); next.never || next.after < time.Minute || next.after > 72*time.Second {
		t.Errorf("after a thousand failures: %+v", next)
	}
	healthy := crash
	healthy.lasted = 2 * time.Minute
	if next := nextRestart(failures, healthy, 2*time.Minute, policy, 0.5); next.after != 500*time.Millisecond || next.failures != 1 {
		t.Errorf("after a healthy life: %+v", next)
	}
	for _, exit := range []proc.Exit{{}, {Known: true}, {Known: true, Code: 1}, {Known: true, Signal: syscall.Signal(exitConfig)}} {
		if nextRestart(0, life{exit: exit}, time.Minute, policy, 0.5).never {
			t.Errorf("%s: it is not started again", exit)
		}
	}
	healthy.fruitless = true
	if next := nextRestart(failures, healthy, 2*time.Minute, policy, 0.5); next.after != time.Minute || next.failures != failures+1 {
		t.Errorf("after a long life that brought nothing: %+v", next)
	}
	banned := life{exit: proc.Exit{Known: true, Code: exitTempFail}, wait: time.Hour}
	if next := nextRestart(3, banned, 2*time.Minute, policy, 0.5); next.never || next.after != time.Hour || next.failures != 4 {
		t.Errorf("after a ban: %+v", next)
	}
	banned.wait = 10000 * time.Hour
	if next := nextRestart(3, banned, 2*time.Minute, policy, 0.5); next.after != longestWait {
		t.Errorf("after a ban without end: %+v", next)
	}
	banned.wait = 0
	if next := nextRestart(3, banned, 2*time.Minute, policy, 0.5); next.after != 4*time.Second {
		t.Errorf("after a ban that is over: %+v", next)
	}
	if !nextRestart(0, life{exit: proc.Exit{Known: true, Code: exitConfig}, lasted: time.Hour}, time.Minute, policy, 0.5).never {
		t.Error("a wrong configuration is tried again")
	}
}

func TestLifeIsToldInWords(t *testing.T) {
	t.Parallel()
	ended := life{exit: proc.Exit{Known: true, Code: 3}, lasted: 4*time.Second + time.Millisecond, words: "no route to host"}
	if got := ended.String(); got != "it exited with code 3 after 4s: no route to host" {
		t.Errorf("%q", got)
	}
	long := shorten(strings.Repeat("ñ", maxWords))
	if len(long) > maxWords+len("…") || !strings.HasSuffix(long, "ñ…") {
		t.Errorf("%d bytes: …%q", len(long), long[len(long)-10:])
	}
}

func TestDefaultsTellAHealthyLifeFromAPause(t *testing.T) {
	t.Parallel()
	for _, cfg := range []AgentConfig{{}, {Backoff: backoff.Policy{First: time.Second, Cap: time.Hour, Jitter: 0.2}}, {Healthy: time.Second}} {
		got := NewAgent(cfg).cfg
		if longest := got.Backoff.Delay(100, 1); got.Healthy <= longest {
			t.Errorf("%s is healthy, after a pause of %s", got.Healthy, longest)
		}
	}
}

func TestWaitEndsWithTheLatestTimeThatWasNamed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, until := range map[time.Duration][]time.Time{
		0:           {{}, now.Add(-time.Hour)},
		time.Minute: {now.Add(time.Minute), {}, now.Add(time.Second)},
	} {
		if got := waitOf(now, until...); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
}

func TestListOfVeryManyFitsIntoAMessage(t *testing.T) {
	t.Parallel()
	many := reply{Runs: make([]running, 5000)}
	for i := range many.Runs {
		many.Runs[i] = running{ID: int64(i), PID: 30000 + i, Uptime: time.Duration(i) * time.Second, Vitals: collector.Vitals{
			Phase: collector.PhaseLive, Beat: collector.Beat{RunID: "RUN", Phase: collector.PhaseLive, Candles: uint64(i)}, RSS: int64(i) << 20,
		}}
	}
	payload := encode(many)
	if len(payload) > maxWire {
		t.Fatalf("it has %d bytes", len(payload))
	}
	if again, err := decode[reply](payload); err != nil || len(again.Runs) != 5000 || again.Runs[4999] != many.Runs[4999] {
		t.Errorf("%+v, %v", again.Runs[4999], err)
	}
	if _, err := decode[reply](payload[:len(payload)-9]); err == nil {
		t.Error("a part of it is read")
	}
}

func TestRowIsJudgedByWishAndProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row   collector.Record
		found finding
		want  fate // when the agent has begun long ago
	}{
		{collector.Record{Wanted: true, Status: collector.Running}, finding{alive: true, locked: true}, adoptIt},
		{collector.Record{Wanted: true, Status: collector.Stopped}, finding{alive: true, locked: true}, adoptIt},
		{collector.Record{Wanted: true, Status: collector.Running}, finding{}, leaveIt},
		{collector.Record{Wanted: true, Status: collector.Running}, finding{locked: true}, leaveIt},
		{collector.Record{Status: collector.Running}, finding{alive: true, locked: true}, finishStop},
		{collector.Record{Status: collector.Failed}, finding{}, closeIt},
		{collector.Record{Status: collector.Running}, finding{locked: true}, leaveIt},
		{collector.Record{Status: collector.Stopped}, finding{}, leaveIt},
	} {
		if got := judge(c.row, c.found, false); got != c.want {
			t.Errorf("%+v, %+v: %d instead of %d", c.row, c.found, got, c.want)
		}
		if c.row.Wanted && c.found == (finding{}) {
			c.want = resumeIt
		}
		if got := judge(c.row, c.found, true); got != c.want {
			t.Errorf("at the beginning: %+v, %+v: %d instead of %d", c.row, c.found, got, c.want)
		}
	}
}

func TestUnwatchedEndIsNoErrorAfterAReboot(t *testing.T) {
	t.Parallel()
	row := collector.Record{Status: collector.Running, Identity: collector.Identity{PID: 7, BootID: "a"}}
	if unwatchedEnd(row, "a") == "" {
		t.Error("a death on the same boot is not told")
	}
	if words := unwatchedEnd(row, "b"); words != "" {
		t.Errorf("after a reboot: %q", words)
	}
	row.Status = collector.Stopped
	if words := unwatchedEnd(row, "a"); words != "" {
		t.Errorf("after a stop: %q", words)
	}
}

func TestStopByPIDMeansALivingProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked, pid int
		alive      bool
		want       bool
	}{{0, 7, true, true}, {0, 7, false, true}, {7, 7, true, true}, {7, 7, false, false}, {8, 7, true, false}} {
		if got := mayStop(c.asked, c.pid, c.alive); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestOnlyWishesWithoutOrdersAreOrderedAgain(t *testing.T) {
	t.Parallel()
	rows := []collector.Record{{ID: 1, Wanted: true}, {ID: 2}, {ID: 3, Wanted: true}, {ID: 4, Wanted: true, Status: collector.Stopped}, {ID: 5, Wanted: true}}
	missing := unassigned(rows, []string{"1", "9"}, func(id int64) bool { return id == 3 })
	if len(missing) != 2 || missing[0].ID != 4 || missing[1].ID != 5 {
		t.Errorf("%+v", missing)
	}
}

func TestOverlapIsFoundWhateverTheSpelling(t *testing.T) {
	t.Parallel()
	wanted := func(selector string) []collector.Record {
		return []collector.Record{{ID: 1, Wanted: true, Spec: spec(selector)}}
	}
	for _, selector := range []string{"ETHUSDT", "BTCUSDT,ETHUSDT", "*USDT", "ETH????"} {
		if _, found := inTheWay(wanted(selector), spec("x"), []string{"ETHUSDT"}); !found {
			t.Errorf("%s is not in the way", selector)
		}
	}
	other := wanted("ETHUSDT")
	other[0].Spec.Timeframe = candle.Hour1
	history := wanted("ETHUSDT")
	history[0].Wanted = false
	elsewhere := wanted("ETHUSDT")
	elsewhere[0].Spec.Exchange = "bybit"
	for _, rows := range [][]collector.Record{other, history, elsewhere, wanted("BTCUSDT"), wanted("not readable"), nil} {
		if row, found := inTheWay(rows, spec("x"), []string{"ETHUSDT"}); found {
			t.Errorf("%+v is in the way", row)
		}
	}
}

func TestFilesOfDifferentKeysDiffer(t *testing.T) {
	t.Parallel()
	month := spec("ETHUSDT")
	month.Timeframe = candle.Month1
	names := map[string]bool{}
	for _, s := range []collector.Spec{spec("ETHUSDT"), month, spec("ETHUSDT,BTCUSDT"), spec("*"), spec("?"), spec(strings.Repeat("A,", 4000) + "B")} {
		name := strings.ToLower(fileName(s))
		if names[name] || len(name) > 120 || strings.ContainsAny(name, "/*?:") {
			t.Errorf("%q", name)
		}
		names[name] = true
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(order{ID: 7, Key: "binance:ETHUSDT:1m", First: true}))
	f.Add(encode(answer{Failed: "why"}))
	f.Add(encode(command{Op: opStop, ID: 7, PID: 8}))
	f.Add(encode(reply{Outcome: outcomeStopped, Runs: []running{{ID: 1, PID: 2, Uptime: 3 * time.Millisecond}}}))
	f.Add(encode(reply{Runs: make([]running, 5000)}))
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if o, err := decode[order](payload); err == nil {
			if again, err := decode[order](encode(o)); err != nil || again != o {
				t.Errorf("%+v, %+v, %v", o, again, err)
			}
		}
		if _, err := decode[reply](payload); err == nil && len(payload) > maxWire {
			t.Error("too long")
		}
		_, _ = decode[answer](payload)
		_, _ = decode[command](payload)
	})
}
