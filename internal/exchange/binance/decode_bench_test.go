package binance

import (
	"encoding/json"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/valyala/fastjson"

	"velador/internal/candle"
)

// benchFrame is the sample of EXCHANGES.md 2.12.
const benchFrame = `{"stream":"ethusdt@kline_1m","data":{"e":"kline","E":1795428960012,"s":"ETHUSDT","k":{"t":1795428900000,"T":1795428959999,"s":"ETHUSDT","i":"1m","f":880001,"L":880120,"o":"3010.10000000","c":"3011.25000000","h":"3012.00000000","l":"3009.50000000","v":"42.50000000","n":120,"x":true,"q":"127959.00000000","V":"20.25000000","Q":"60970.72500000","B":"0"}}}`

// BenchmarkDecodeFrame holds the decoder against others that fill the same struct and validate the
// same candle, in one run.
func BenchmarkDecodeFrame(b *testing.B) {
	data := []byte(benchFrame)
	d := newDecoder(candle.Minute1, []string{"ETHUSDT"})
	var f frame
	run := func(name string, decode func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
			if f.Event.Kline.TakerBuyQuoteVolume.String() != "60970.72500000" {
				b.Fatalf("decoded %+v", f.Event)
			}
		})
	}
	run("velador", func() error { return d.frame(data, &f) })
	run("encoding_json", func() error {
		f = frame{}
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		return f.Event.Kline.candle().Validate()
	})
	run("json_v2", func() error {
		f = frame{}
		if err := jsonv2.Unmarshal(data, &f); err != nil {
			return err
		}
		return f.Event.Kline.candle().Validate()
	})
	var parser fastjson.Parser
	run("fastjson", func() error {
		f = frame{}
		return fastDecode(&parser, data, &f)
	})
	run("validate_only", func() error { return f.Event.Kline.candle().Validate() })
}

// fastDecode is what the decoder would be upon fastjson.
func fastDecode(parser *fastjson.Parser, data []byte, f *frame) error {
	v, err := parser.ParseBytes(data)
	if err != nil {
		return err
	}
	e, k := v.Get("data"), v.Get("data", "k")
	f.Event.Type = string(e.GetStringBytes("e"))
	f.Event.At = candle.Millis(e.GetInt64("E"))
	f.Event.Symbol = string(e.GetStringBytes("s"))
	out := &f.Event.Kline
	out.OpenTime, out.CloseTime = candle.Millis(k.GetInt64("t")), candle.Millis(k.GetInt64("T"))
	out.FirstTrade, out.LastTrade, out.Trades = k.GetInt64("f"), k.GetInt64("L"), k.GetInt64("n")
	out.Closed = k.GetBool("x")
	out.Symbol = string(k.GetStringBytes("s"))
	if out.Timeframe, err = candle.ParseTimeframe(string(k.GetStringBytes("i"))); err != nil {
		return err
	}
	for _, decimal := range [...]struct {
		name string
		to   *candle.Decimal
	}{{"o", &out.Open}, {"h", &out.High}, {"l", &out.Low}, {"c", &out.Close}, {"v", &out.Volume}, {"q", &out.QuoteVolume}, {"V", &out.TakerBuyVolume}, {"Q", &out.TakerBuyQuoteVolume}} {
		if *decimal.to, err = candle.ParseDecimal(string(k.GetStringBytes(decimal.name))); err != nil {
			return err
		}
	}
	return out.candle().Validate()
}
