package server

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/collector"
)

// asJSON is what encoding/json makes of a list.
func asJSON(t testing.TB, list []api.CollectorStatus) string {
	t.Helper()
	var buf bytes.Buffer
	if err := marshalJSON(&buf, api.StatusAnswer{Collectors: list}); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// fill sets every member of a value to something that may come, by its kind: a member that the type
// gains later is filled too, and the comparison fails until it is written by hand.
func fill(r *rand.Rand, v reflect.Value) {
	texts := []string{"", "ETHUSDT", "ñandú", "a\"b\\c", "<&>", "\x00\x1f\x7f\n", "\u2028\u2029", "\xff\xfe", "日本🚀", "*USDT,ETHBTC"}
	numbers := []int64{0, 0, 1, -1, 12345, math.MaxInt32, 1 << 53, math.MaxInt64, math.MinInt64}
	floats := []float64{0, 0.4, 0.01, 99.99, 100, 1e9, 1e21, 1e-7, -1, -0.004, math.Copysign(0, -1), math.MaxFloat64, math.Pi, r.Float64() * 1e3}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt(numbers[r.IntN(len(numbers))])
	case reflect.Uint64:
		v.SetUint(uint64(numbers[r.IntN(len(numbers))]))
	case reflect.Float64:
		v.SetFloat(floats[r.IntN(len(floats))])
		if r.IntN(2) == 0 {
			v.SetFloat(measured(v.Float()))
		}
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[api.Time]() {
			if r.IntN(3) > 0 {
				at := time.Unix(r.Int64N(250_000_000_000), r.Int64N(1e9)).In(time.FixedZone("", r.IntN(50_000)-25_000))
				v.Set(reflect.ValueOf(sound(at)))
			}
			return
		}
		for i := range v.NumField() {
			if r.IntN(4) > 0 {
				fill(r, v.Field(i))
			}
		}
	default:
		panic("a member of kind " + v.Kind().String() + " is not foreseen")
	}
}

func TestWhatIsWrittenByHandIsWhatTheLibraryWrites(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	for range 5_000 {
		var c api.CollectorStatus
		fill(r, reflect.ValueOf(&c).Elem())
		got := string(appendTail(strconv.AppendInt(appendHead([]byte(`{"collectors":[`), &c), c.Uptime, 10), &c)) + "]}\n"
		if want := asJSON(t, []api.CollectorStatus{c}); got != want {
			t.Fatalf("with seed %d it is\n%s, not\n%s", seed, got, want)
		}
	}
}

func TestMeasurementsAreShownInHundredths(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]float64{0: 0, 0.004: 0, 0.005: 0.01, 12.3456: 12.35, -3: 0, math.Inf(1): 1e9, math.Inf(-1): 0, 1e12: 1e9} {
		if got := measured(x); got != want {
			t.Errorf("%g is shown as %g", x, got)
		}
	}
	if got := measured(math.NaN()); got != 0 {
		t.Errorf("what is no number is shown as %g", got)
	}
	for n := range 200_000 {
		x := float64(n) / 100
		if got, want := string(appendFloat(nil, "", x)), strconv.FormatFloat(x, 'f', -1, 64); got != want {
			t.Fatalf("%g is written as %s", x, got)
		}
	}
}

func TestAnInstantThatCannotBeWrittenIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, bad := range []time.Time{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -5*3600))} {
		if got := sound(bad); !got.IsZero() {
			t.Errorf("%v is kept as %v", bad, got)
		}
	}
}

// FuzzStatus asks for a list twice, with a change between: what is kept of the first must not show in
// the second, and both must be what encoding/json writes.
func FuzzStatus(f *testing.F) {
	f.Add("ETHUSDT", "host", "", int64(1762252200000), 12345, int64(7), 0.4, uint8(0))
	f.Add("*USDT\"", "\xff", "the bus\u2028cannot be reached", int64(-1), -1, int64(-7), math.NaN(), uint8(255))
	f.Add("ñ", "h\x00", "<&>", int64(math.MaxInt64), 0, int64(math.MinInt64), math.Inf(1), uint8(5))
	f.Fuzz(func(t *testing.T, symbol, host, reason string, at int64, pid int, n int64, x float64, bits uint8) {
		is := func(bit int) bool { return bits&(1<<bit) != 0 }
		live := collector.Live{
			Record: collector.Record{
				ID: n, Spec: collector.Spec{Exchange: "binance", Selector: symbol, Timeframe: candle.Minute1}, Status: collector.Running,
				Identity: collector.Identity{PID: pid}, Host: host, StartedAt: time.UnixMilli(at), Restarts: pid, LastError: reason,
			},
			Uptime: time.Duration(n),
			Vitals: collector.Vitals{Phase: collector.Phase(host), Adopted: is(0), CPUPercent: x, MessagesPerSecond: -x, RSS: n, USS: at,
				Beat: collector.Beat{Candles: uint64(n), OpenGaps: pid, Series: pid, LastOpen: candle.Millis(at), LastClose: candle.Millis(at), Clock: candle.Millis(n)}},
		}
		if is(1) {
			live.LastExit = collector.Exit{At: time.UnixMilli(n), Known: is(2), Code: pid, Signal: int(bits), Reason: reason}
		}
		if is(3) {
			live.Status, live.StoppedAt = collector.Stopped, time.UnixMilli(n)
		}
		other := live
		other.Vitals.Beat.Candles++
		if is(4) {
			other.LastError += "x"
			other.Uptime++
		}
		lang := spanish
		if is(5) {
			lang = english
		}
		var known fragments
		for _, list := range [][]collector.Live{{live, other}, {other}, {live}, {other, live}, nil} {
			want := make([]api.CollectorStatus, len(list))
			for i := range list {
				describe(&want[i], &list[i], lang)
			}
			if got := string(known.appendList(nil, list, lang)); got != asJSON(t, want) {
				t.Fatalf("it is\n%s, not\n%s", got, asJSON(t, want))
			}
			if len(known.kept[0])+len(known.kept[1]) > 2 {
				t.Fatal("more is kept than was listed")
			}
		}
	})
}
