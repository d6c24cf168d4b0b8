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
	status := CollectorStatus{PID: 12345, Timeframe: "1m", Symbol: "ETHUSDT", Status: "running", Uptime: 3600,
		StartedAt: Time{time.Date(2025, 11, 4, 10, 30, 0, 0, time.UTC)}, ID: 7, Exchange: "binance", Host: "h"}
	data, err := json.Marshal(StatusAnswer{Collectors: []CollectorStatus{status}})
	want := `{"collectors":[{"pid":12345,"timeframe":"1m","symbol":"ETHUSDT","status":"running","startedAt":"2025-11-04T10:30:00.000Z","uptime":3600,` +
		`"id":7,"exchange":"binance","host":"h","restarts":0}]}`
	if err != nil || string(data) != want {
		t.Errorf("%s (%v)", data, err)
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
