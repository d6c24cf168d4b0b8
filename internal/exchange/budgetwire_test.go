package exchange

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMessageThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `[]`, `{}`, `{"kind":"dance"}`,
		`{"kind":"weight","class":"live","amount":2,"wait":100}`,
		`{"kind":"weight","who":"a","amount":2,"wait":100}`,
		`{"kind":"weight","who":"a","class":"royal","amount":2,"wait":100}`,
		`{"kind":"weight","who":"a","class":"live","wait":100}`,
		`{"kind":"weight","who":"a","class":"live","amount":-2,"wait":100}`,
		`{"kind":"weight","who":"a","class":"live","amount":2}`,
		`{"kind":"weight","who":"a","class":"live","amount":2,"wait":100,"waited":-1}`,
		`{"kind":"weight","who":"a","class":"live","amount":99999999,"wait":100}`,
		`{"kind":"connect","who":"` + strings.Repeat("a", maxWho+1) + `","class":"live","wait":100}`,
		`{"kind":"used","amount":-1}`, `{"kind":"limit"}`, `{"kind":"limit","limit":-1,"window":60000}`, `{"kind":"limit","limit":1}`,
		`{"kind":"ban"}`, `{"kind":"ban","until":-5}`, `{"kind":"used","amount":1} ` + strings.Repeat(" ", maxBudgetMessage),
	} {
		if m, err := decodeMessage([]byte(text)); err == nil {
			t.Errorf("%.80s is %+v", text, m)
		}
	}
	for _, text := range []string{``, `[]`, `{"after":-1}`, `{"until":-1}`, `{"granted":true,"until":5}`, `{"sharers":-2}`} {
		if a, err := decodeAnswer("binance", []byte(text)); err == nil {
			t.Errorf("%s is %+v", text, a)
		}
	}
}

func TestAnswerSaysWhatTheBrokerMeant(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, a := range []answer{{granted: true, sharers: 20}, {after: time.Second}, {ban: &BanError{Exchange: "binance", Status: 418, Until: until}, sharers: 3}} {
		got, err := decodeAnswer("binance", encodeAnswer(a))
		if err != nil || got.granted != a.granted || got.after != a.after || got.sharers != a.sharers || (got.ban == nil) != (a.ban == nil) {
			t.Errorf("%+v is %+v, %v", a, got, err)
		}
		if a.ban != nil && (!got.ban.Until.Equal(until) || got.ban.Status != 418 || got.ban.Exchange != "binance") {
			t.Errorf("%+v", got.ban)
		}
	}
}

func TestFileThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `[]`, `{"banned_until":-1}`, `{"banned_until":1e300}`, `{"weight_limit":5}`, `{"connection_attempts":[-1]}`,
		`{"connection_attempts":[` + strings.Repeat("1,", maxAttempts) + `1]}`} {
		if m, err := parseMemory([]byte(text)); err == nil {
			t.Errorf("%.60s is %+v", text, m)
		}
	}
	long := filepath.Join(t.TempDir(), "long.json")
	if err := os.WriteFile(long, bytes.Repeat([]byte(" "), maxBanFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readMemory(long); err == nil {
		t.Error("a file without end was read")
	}
	if m, err := readMemory(filepath.Join(t.TempDir(), "missing.json")); err != nil || m.BannedUntil != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func FuzzBudgetMessage(f *testing.F) {
	for _, text := range []string{
		`{"who":"binance ETHUSDT 1m","kind":"weight","class":"history","amount":2,"wait":5000,"waited":12000,"limit":6000,"window":60000}`,
		`{"who":"a","kind":"connect","class":"live","wait":1,"alone":true}`, `{"kind":"used","amount":4711}`,
		`{"kind":"limit","limit":200,"window":60000}`, `{"kind":"ban","status":418,"until":1795428905123}`, `{"kind":`, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b := NewBroker(BrokerConfig{Exchange: "binance"})
		answers := 0
		b.Handle(payload, func(answer []byte) {
			answers++
			if _, err := decodeAnswer("binance", answer); err != nil {
				t.Errorf("%s: %v", answer, err)
			}
		})
		if answers > 1 {
			t.Errorf("%d answers", answers)
		}
		m, err := decodeMessage(payload)
		if err != nil {
			return
		}
		if again, err := json.Marshal(m); err != nil {
			t.Error(err)
		} else if same, err := decodeMessage(again); len(again) <= maxBudgetMessage && (err != nil || same != m) {
			t.Errorf("%+v is %+v, %v", m, same, err)
		}
	})
}

func FuzzBudgetAnswer(f *testing.F) {
	for _, text := range []string{`{"granted":true,"sharers":20}`, `{"status":418,"until":1795428905123}`, `{"after":500}`, `{}`, `{"after":`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := decodeAnswer("binance", payload)
		if err == nil && (a.after < 0 || a.after > maxPoll || a.granted && a.ban != nil || a.sharers < 0 || a.sharers > maxSeats) {
			t.Errorf("%s is %+v", payload, a)
		}
	})
}

func FuzzBudgetFile(f *testing.F) {
	for _, text := range []string{`{"ban_status":418,"banned_until":1795428905123,"weight_limit":6000,"weight_window":60000,"connection_attempts":[1795428905123]}`, `{}`, `{"banned_until":`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := parseMemory(content)
		if err != nil {
			return
		}
		now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		if ban, ok := m.ban("binance", now); ok && (!ban.Until.After(now) || ban.Until.After(now.Add(maxRetryAfter))) {
			t.Errorf("%+v", ban)
		}
		if limit, window := m.limits(); limit < 0 || window < 0 {
			t.Errorf("%d in %s", limit, window)
		}
	})
}
