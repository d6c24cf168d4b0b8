package postgres

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"velador/internal/candle"
	"velador/internal/store"
)

// copyCandlesSQL names the columns in the order of appendCopyRow.
const copyCandlesSQL = `COPY candles (series_id, open_time, close_time, trades, open, high, low, close,
	volume, quote_volume, taker_buy_volume, taker_buy_quote_volume) FROM STDIN`

// decimalsOf lists the decimals of a candle in the order of the table's columns.
func decimalsOf(c *candle.Candle) [8]*candle.Decimal {
	return [8]*candle.Decimal{&c.Open, &c.High, &c.Low, &c.Close,
		&c.Volume, &c.QuoteVolume, &c.TakerBuyVolume, &c.TakerBuyQuoteVolume}
}

// copyReader gives candles in COPY's text format, made while they are read.
type copyReader struct {
	runs []copyRun
	rows int // in all runs, read or not
	buf  []byte
	off  int // how much of buf has been read
}

type copyRun struct {
	id      string // of the series
	candles []*candle.Candle
}

// copyChunk is how much text is made ahead, in bytes: what CopyFrom reads at once.
const copyChunk = 64 << 10

func (r *copyReader) add(id string, candles []*candle.Candle) {
	r.runs = append(r.runs, copyRun{id, candles})
	r.rows += len(candles)
}

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	if r.off == len(r.buf) {
		r.buf, r.off = r.buf[:0], 0
		for len(r.buf) < copyChunk && len(r.runs) > 0 {
			run := &r.runs[0]
			if len(run.candles) == 0 {
				r.runs = r.runs[1:]
				continue
			}
			r.buf = appendCopyRow(r.buf, run.id, run.candles[0])
			run.candles = run.candles[1:]
		}
		if len(r.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.buf[r.off:])
	r.off += n
	return n, nil
}

// appendCopyRow appends one line. Digits, points and signs need no escape in COPY's text format.
func appendCopyRow(dst []byte, id string, c *candle.Candle) []byte {
	dst = append(append(dst, id...), '\t')
	dst = append(strconv.AppendInt(dst, int64(c.OpenTime), 10), '\t')
	dst = append(strconv.AppendInt(dst, int64(c.CloseTime), 10), '\t')
	dst = strconv.AppendInt(dst, c.Trades, 10)
	for _, d := range decimalsOf(c) {
		if dst = append(dst, '\t'); d.IsAbsent() {
			dst = append(dst, `\N`...)
		} else {
			dst = append(dst, d.String()...)
		}
	}
	return append(dst, '\n')
}

// candleArrays gives the parameters of kept.sql, and the first ones of upsert_candles.sql.
func candleArrays(runs []store.Run) [][]byte {
	series := make([]candle.Series, len(runs))
	var numbers [4]array // number of the series, open time, close time, trades
	var decimals [8]array
	for i, run := range runs {
		series[i] = run.Series
		for _, c := range run.Candles {
			numbers[0].integer(int64(i + 1))
			numbers[1].integer(int64(c.OpenTime))
			numbers[2].integer(int64(c.CloseTime))
			numbers[3].integer(c.Trades)
			for k, d := range decimalsOf(c) {
				decimals[k].decimal(*d)
			}
		}
	}
	params := namesOf(series)
	for i := range numbers {
		params = append(params, numbers[i].bytes())
	}
	for i := range decimals {
		params = append(params, decimals[i].bytes())
	}
	return params
}

// gapArrays gives the parameters of upsert_gaps.sql.
func gapArrays(gaps []candle.Gap) [][]byte {
	series := make([]candle.Series, len(gaps))
	var from, to, state, proofs, checked, step, steps array
	for i, gap := range gaps {
		series[i] = gap.Series
		from.integer(int64(gap.Range.From))
		to.integer(int64(gap.Range.To))
		state.text(string(gap.State))
		proofs.integer(int64(gap.Proofs))
		checked.integer(int64(gap.CheckedAt))
		apart, n := store.Steps(gap)
		step.integer(apart)
		steps.integer(n)
	}
	return append(namesOf(series), from.bytes(), to.bytes(), state.bytes(), proofs.bytes(), checked.bytes(), step.bytes(), steps.bytes())
}

// namesOf gives three arrays: exchanges, symbols, timeframes.
func namesOf(series []candle.Series) [][]byte {
	var exchange, symbol, timeframe array
	for _, s := range series {
		exchange.text(s.Exchange)
		symbol.text(s.Symbol)
		timeframe.text(s.Timeframe.String())
	}
	return [][]byte{exchange.bytes(), symbol.bytes(), timeframe.bytes()}
}

// spansOf gives the parameters of occupied.sql.
func spansOf(runs []store.Run) [][]byte {
	series := make([]candle.Series, len(runs))
	var first, last array
	for i, run := range runs {
		series[i] = run.Series
		first.integer(int64(run.Span().From))
		last.integer(int64(run.Span().To))
	}
	return append(namesOf(series), first.bytes(), last.bytes())
}

// seriesParams gives a series, and numbers after it, as parameters.
func seriesParams(s candle.Series, numbers ...int64) [][]byte {
	params := [][]byte{[]byte(s.Exchange), []byte(s.Symbol), []byte(s.Timeframe.String())}
	for _, n := range numbers {
		params = append(params, strconv.AppendInt(nil, n, 10))
	}
	return params
}

// array is an array in PostgreSQL's text format, in the making.
type array struct{ buf []byte }

func (a *array) next() {
	if a.buf == nil {
		a.buf = append(a.buf, '{')
	} else {
		a.buf = append(a.buf, ',')
	}
}

func (a *array) integer(n int64) {
	a.next()
	a.buf = strconv.AppendInt(a.buf, n, 10)
}

func (a *array) decimal(d candle.Decimal) {
	a.next()
	if d.IsAbsent() {
		a.buf = append(a.buf, "NULL"...)
	} else {
		a.buf = append(a.buf, d.String()...)
	}
}

func (a *array) text(s string) {
	a.next()
	a.buf = append(a.buf, '"')
	a.buf = append(a.buf, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)...)
	a.buf = append(a.buf, '"')
}

func (a *array) bytes() []byte {
	if a.buf == nil {
		return []byte("{}")
	}
	return append(a.buf, '}')
}

// decodeCandle reads a row of select_candles.sql in text format. The candle's decimals share one
// text, so a row costs one allocation.
func decodeCandle(row [][]byte) (candle.Candle, error) {
	var c candle.Candle
	for i, at := range [...]*int64{(*int64)(&c.OpenTime), (*int64)(&c.CloseTime), &c.Trades} {
		n, err := strconv.ParseInt(string(row[i]), 10, 64)
		if err != nil {
			return c, fmt.Errorf("a stored candle has no number in column %d: %w", i+1, err)
		}
		*at = n
	}
	fields := row[3:]
	var buf [8 * candle.MaxDecimalLen]byte
	all := buf[:0]
	for _, f := range fields {
		all = append(all, f...)
	}
	text := string(all)
	for i, at := range decimalsOf(&c) {
		if len(fields[i]) == 0 {
			continue // NULL: numeric has no empty text
		}
		var err error
		if *at, err = candle.ParseDecimal(text[:len(fields[i])]); err != nil {
			return c, fmt.Errorf("candle %s is stored with what is no decimal: %w", c.OpenTime, err)
		}
		text = text[len(fields[i]):]
	}
	return c, nil
}
