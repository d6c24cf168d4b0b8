package api

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestInstantsHaveThreeDigitsOfMilliseconds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		instant time.Time
		want    string
	}{
		{time.Date(2025, 11, 4, 10, 30, 0, 0, time.UTC), `"2025-11-04T10:30:00.000Z"`},
		{time.Date(2025, 11, 4, 10, 30, 0, 120_999_999, time.UTC), `"2025-11-04T10:30:00.120Z"`},
		{time.Date(2025, 11, 4, 10, 30, 0, 5_000_000, time.FixedZone("", -5*3600)), `"2025-11-04T15:30:00.005Z"`},
	} {
		data, err := json.Marshal(Time{test.instant})
		if err != nil || string(data) != test.want {
			t.Errorf("%s is written as %s (%v)", test.instant, data, err)
		}
		var back Time
		if err := json.Unmarshal(data, &back); err != nil || !back.Equal(test.instant.Truncate(time.Millisecond)) || back.Location() != time.UTC {
			t.Errorf("%s is read as %v (%v)", data, back, err)
		}
	}
	if _, err := json.Marshal(Time{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("the year 10000 was written")
	}
	for _, bad := range []string{`5`, `"yesterday"`, `{}`, `"2025-11-04"`} {
		if err := json.Unmarshal([]byte(bad), new(Time)); err == nil {
			t.Errorf("%s was read as an instant", bad)
		}
	}
	var kept Time
	if err := json.Unmarshal([]byte(`null`), &kept); err != nil || !kept.IsZero() {
		t.Errorf("null is read as %v (%v)", kept, err)
	}
}

func TestTheContractsMembersComeFirstAndInOrder(t *testing.T) {
	t.Parallel()
	contract := `{"collectors":[{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"2025-11-04T10:30:00.000Z","uptime":3600,`
	begun := Time{time.Date(2025, 11, 4, 10, 30, 0, 0, time.UTC)}
	one := 1
	bare := CollectorStatus{PID: 12345, Timeframe: "1m", Symbol: "ETHUSDT", Status: "running", Uptime: 3600, StartedAt: begun, ID: 7, Exchange: "binance", Host: "h"}
	full := bare
	full.Phase, full.NextAttempt, full.Adopted, full.CPU, full.Memory, full.Restarts = "live", begun, true, 0.4, Memory{RSS: 5, USS: 4}, 2
	full.LastExit = LastExit{At: begun, Code: &one, Reason: "a < b", Text: "exit code 1"}
	full.LastCandle, full.Candles, full.OpenGaps, full.MessagesPerSecond = LastCandle{OpenTime: 1762252200000, AgeSeconds: 12}, 9, 1, 3.5
	full.Series, full.SeriesLive, full.LastError, full.StoppedAt = 2, 1, "e", begun
	for want, status := range map[string]CollectorStatus{
		`"id":7,"exchange":"binance","host":"h","phase":"","adopted":false,"cpu":0,"memory":{"rss":0},"restarts":0,` +
			`"candles":0,"openGaps":0,"messagesPerSecond":0,"series":0,"seriesLive":0}]}`: bare,
		`"id":7,"exchange":"binance","host":"h","phase":"live","nextAttempt":"2025-11-04T10:30:00.000Z","adopted":true,` +
			`"cpu":0.4,"memory":{"rss":5,"uss":4},"restarts":2,"lastExit":{"at":"2025-11-04T10:30:00.000Z","code":1,"reason":"a \u003c b","text":"exit code 1"},` +
			`"lastCandle":{"openTime":1762252200000,"ageSeconds":12},"candles":9,"openGaps":1,"messagesPerSecond":3.5,"series":2,"seriesLive":1,` +
			`"lastError":"e","stoppedAt":"2025-11-04T10:30:00.000Z"}]}`: full,
	} {
		data, err := json.Marshal(StatusAnswer{Collectors: []CollectorStatus{status}})
		if err != nil || string(data) != contract+want {
			t.Errorf("it is written as\n%s (%v), not\n%s", data, err, contract+want)
		}
		var back StatusAnswer
		if err := json.Unmarshal(data, &back); err != nil || len(back.Collectors) != 1 || !reflect.DeepEqual(back.Collectors[0], status) {
			t.Errorf("%s is read as %v (%v)", data, back, err)
		}
	}
}

func TestLivesSayHowTheyEnded(t *testing.T) {
	t.Parallel()
	at, zero := Time{time.Date(2025, 11, 4, 10, 30, 0, 0, time.UTC)}, 0
	answer := HistoryAnswer{ID: 7, Lives: []Life{
		{PID: 3, Host: "h", StartedAt: at, EndedAt: at, Code: &zero, Text: "exit code 0"},
		{PID: 2, Host: "h", StartedAt: at, EndedAt: at, Signal: 9, Reason: "r", Text: "ended by signal 9 (SIGKILL)"},
	}}
	data, err := json.Marshal(answer)
	want := `{"id":7,"lives":[{"pid":3,"host":"h","startedAt":"2025-11-04T10:30:00.000Z","endedAt":"2025-11-04T10:30:00.000Z","code":0,"reason":"","text":"exit code 0"},` +
		`{"pid":2,"host":"h","startedAt":"2025-11-04T10:30:00.000Z","endedAt":"2025-11-04T10:30:00.000Z","signal":9,"reason":"r","text":"ended by signal 9 (SIGKILL)"}]}`
	if err != nil || string(data) != want {
		t.Errorf("it is written as\n%s (%v), not\n%s", data, err, want)
	}
}

func TestErrorsAreWrittenAndReadBack(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]ErrorAnswer{
		`{"error":"Collector no encontrado o ya detenido","pid":12345}`: {Error: "Collector no encontrado o ya detenido", PID: 12345},
		`{"error":"a < b","pid":1,"id":2,"code":"c","allowed":"x y","zone":"\"z\""}`: {Error: "a < b", PID: 1, ID: 2, Code: "c",
			Params: map[string]string{"zone": `"z"`, "allowed": "x y"}},
		`{"error":""}`: {},
	} {
		data, err := e.MarshalJSON()
		if err != nil || string(data) != want {
			t.Errorf("%v is written as %s (%v)", e, data, err)
		}
		var back ErrorAnswer
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s is read as %v (%v)", data, back, err)
		}
	}
	own := ErrorAnswer{Error: "e", Params: map[string]string{"error": "forged", "pid": "x", "code": "y"}}
	if data, err := own.MarshalJSON(); err != nil || string(data) != `{"error":"e"}` {
		t.Errorf("a parameter named like a member is written: %s (%v)", data, err)
	}
	var foreign ErrorAnswer
	if err := json.Unmarshal([]byte(`{"error":"e","pid":"x","checks":{"a":"b"},"code":5}`), &foreign); err != nil ||
		!reflect.DeepEqual(foreign, ErrorAnswer{Error: "e"}) {
		t.Errorf("a foreign error is read as %v (%v)", foreign, err)
	}
	if err := json.Unmarshal([]byte(`[]`), &foreign); err == nil {
		t.Error("an array was read as an error")
	}
}

func FuzzErrorAnswer(f *testing.F) {
	f.Add([]byte(`{"error":"e","pid":1,"id":2,"code":"c","a":"b"}`))
	f.Add([]byte(`{"error":null,"pid":1e400,"x":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e ErrorAnswer
		if json.Unmarshal(data, &e) != nil {
			return
		}
		again, err := e.MarshalJSON()
		if err != nil || !json.Valid(again) {
			t.Fatalf("%q is written again as %s (%v)", data, again, err)
		}
	})
}
