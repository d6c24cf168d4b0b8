package bus

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"velador/internal/candle"
)

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"candles.binance.ETHUSDT.1m", "gaps.binance.%E5%B8%81.1M", "candles.a.b.c.d", "candles.%.%4.%zz", "..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		family, s, err := parseSubject(subject)
		if err == nil && subjectOf(family, s) != subject {
			t.Errorf("%q means %v, whose subject is %q", subject, s, subjectOf(family, s))
		}
	})
}

func FuzzSymbol(f *testing.F) {
	for _, s := range []string{"ETHUSDT", "BTC-USDT.P", "ПЕПЕ/USDT:USDT", "币安人生USDT", "a b", "*", ">"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, symbol string) {
		s := candle.Series{Exchange: "binance", Symbol: symbol, Timeframe: candle.Hour1}
		if checkSeries(s) != nil {
			return
		}
		subject := subjectOf(familyGap, s)
		if strings.ContainsAny(subject, " *>\t\r\n") || strings.Count(subject, ".") != 3 {
			t.Errorf("%q is no subject", subject)
		}
		if family, back, err := parseSubject(subject); err != nil || family != familyGap || back != s {
			t.Errorf("%v came back as %v: %v", s, back, err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add("candles.binance.ETHUSDT.1m", testCandle(1).AppendCSV(nil))
	f.Add("gaps.binance.ETHUSDT.1m", []byte(`{"from":1,"to":2,"state":"open","proofs":1,"checked_at":5}`))
	f.Add("gaps.binance.ETHUSDT.1m", []byte(`{"from":9e99}`))
	f.Add("audits.binance.ETHUSDT.1m", []byte(`{"from":1,"to":3600000,"rows":60,"at":3900000}`))
	f.Add("audits.binance.ETHUSDT.1m", []byte(`{"from":2,"to":1,"rows":-1}`))
	f.Add("forming.binance.ETHUSDT.1m", []byte("12 1,2,3"))
	f.Fuzz(func(t *testing.T, subject string, payload []byte) {
		c, err := decodeMessage(subject, payload)
		if err != nil {
			return
		}
		family, again := familyCandle, c.candle.AppendCSV(nil)
		switch {
		case c.gap != nil:
			family = familyGap
			again, err = appendGap(nil, *c.gap)
		case c.audit != nil:
			family = familyAudit
			again, err = appendAudit(nil, *c.audit)
		}
		if err != nil || len(again) > maxMessage {
			t.Fatalf("%+v becomes %d bytes: %v", c, len(again), err)
		}
		if back, err := decodeMessage(subjectOf(family, c.series), again); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%+v came back as %+v: %v", c, back, err)
		}
	})
}

func FuzzForming(f *testing.F) {
	f.Add(append([]byte("1700000000000 "), testCandle(1).AppendCSV(nil)...))
	f.Add([]byte("12 1,2,3"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, at, err := decodeForming(payload)
		if err != nil {
			return
		}
		again := strconv.AppendInt(nil, int64(at), 10)
		back, backAt, err := decodeForming(c.AppendCSV(append(again, ' ')))
		if err != nil || back != c || backAt != at {
			t.Errorf("%+v at %d came back as %+v at %d: %v", c, at, back, backAt, err)
		}
	})
}
