package klineapi

import (
	"math"
	"slices"
	"strconv"

	"velador/internal/candle"
)

const (
	defaultLimit = 500
	maxLimit     = 1000
)

// klines answers /api/v3/klines and /api/v3/uiKlines (SIM-R2 to R9).
func (a *API) klines(c *call) ([]byte, *refusal) {
	p := c.params
	symbol, r := p.symbol()
	if r != nil {
		return nil, r
	}
	if _, known := a.market(symbol, c.now); !known {
		return nil, refuse(codeBadSymbol, "Invalid symbol.")
	}
	tf, r := p.interval()
	if r != nil {
		return nil, r
	}
	from, hasStart, r := p.startTime()
	if r != nil {
		return nil, r
	}
	to, hasEnd, r := p.endTime()
	if r != nil {
		return nil, r
	}
	limit, r := a.limit(p)
	if r != nil {
		return nil, r
	}
	zone, r := p.timeZone(a.profile.TimeZoneCode)
	if r != nil {
		return nil, r
	}
	if r = p.unread(); r != nil {
		return nil, r
	}
	if !hasStart {
		from = 0
	}
	if !hasEnd {
		to = math.MaxInt64
	}
	span := candle.Range{From: from, To: to}
	if span.Empty() {
		return []byte("[]"), nil
	}
	rows := a.rows(symbol, tf, zone, c.now, span, limit, !hasStart)
	return appendRows(make([]byte, 0, 2+len(rows)*rowSize), rows, c.micros), nil
}

// limit reads the number of rows asked for (SIM-R4).
func (a *API) limit(p *params) (int, *refusal) {
	n, sent, r := p.number("limit")
	switch {
	case r != nil:
		return 0, r
	case !sent:
		return defaultLimit, nil
	case n == 0 && a.profile.LimitZero == LimitDefault:
		return defaultLimit, nil
	case n == 0, n > maxLimit && a.profile.LimitOver == LimitReject:
		return 0, refuse(codeInvalidValue, "Data sent for parameter 'limit' is not valid.")
	}
	return int(min(n, maxLimit)), nil
}

// rows gives the source's rows as REST sees them: for RestLag after a close a candle still looks
// as it did before (SIM-R8).
func (a *API) rows(symbol string, tf candle.Timeframe, zone Zone, now candle.Millis, span candle.Range, limit int, newest bool) []Row {
	rows := a.source.Rows(symbol, tf, zone, now, span, limit, newest)
	lag := candle.Millis(a.profile.RestLag.millis())
	if lag == 0 {
		return rows
	}
	rows = slices.Clone(rows) // the source may keep its own
	for i := len(rows) - 1; i >= 0; i-- {
		row := &rows[i]
		if row.CloseTime >= now {
			continue
		}
		if row.CloseTime < now-lag {
			break
		}
		if before, forming := a.source.At(symbol, tf, zone, max(now-lag, row.OpenTime)); forming && before.OpenTime == row.OpenTime {
			*row = before
		}
	}
	return rows
}

// rowSize is about what one row takes.
const rowSize = 200

// appendRows appends rows as the exchange's array of 12-element arrays (EXCHANGES.md 2.3); decimals
// keep their text.
func appendRows(dst []byte, rows []Row, micros bool) []byte {
	dst = append(dst, '[')
	for i := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &rows[i].Candle
		dst = appendTime(append(dst, '['), c.OpenTime, micros)
		for _, d := range [...]candle.Decimal{c.Open, c.High, c.Low, c.Close, c.Volume} {
			dst = appendDecimal(append(dst, ','), d)
		}
		dst = appendEnd(append(dst, ','), c.CloseTime, micros)
		dst = appendDecimal(append(dst, ','), c.QuoteVolume)
		dst = strconv.AppendInt(append(dst, ','), c.Trades, 10)
		dst = appendDecimal(append(dst, ','), c.TakerBuyVolume)
		dst = appendDecimal(append(dst, ','), c.TakerBuyQuoteVolume)
		dst = append(dst, `,"0"]`...)
	}
	return append(dst, ']')
}

// appendTime appends an instant in milliseconds or microseconds.
func appendTime(dst []byte, t candle.Millis, micros bool) []byte {
	if micros {
		t *= 1000
	}
	return strconv.AppendInt(dst, int64(t), 10)
}

// appendEnd appends a close time: the last unit of the interval, …999 or …999999.
func appendEnd(dst []byte, t candle.Millis, micros bool) []byte {
	if micros {
		t = t*1000 + 999
	}
	return strconv.AppendInt(dst, int64(t), 10)
}

// zeroText stands for a decimal that the source does not know: this surface has no other word.
const zeroText = "0.00000000"

// appendDecimal appends a decimal as a JSON string, its text unchanged.
func appendDecimal(dst []byte, d candle.Decimal) []byte {
	text := d.String()
	if text == "" {
		text = zeroText
	}
	return append(append(append(dst, '"'), text...), '"')
}
