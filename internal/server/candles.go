package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

const (
	defaultCandles = 500    // of an answer in JSON that names no limit
	maxCandles     = 10_000 // of an answer in JSON, which is built in memory; CSV is streamed and has no bound
	csvBuffer      = 64 << 10
)

// The formats of candles, the default first.
const (
	formatJSON = "json"
	formatCSV  = "csv"
)

// SeriesInput names a series and a stretch of it. Its name is exported because huma fills in no
// embedded struct otherwise.
type SeriesInput struct {
	Symbol    string `query:"symbol" required:"true" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string `query:"timeframe" required:"true" enum:"1s,1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d,3d,1w,1M" doc:"Length of a candle; case matters." example:"1m"`
	Exchange  string `query:"exchange" unset:"binance" doc:"The venue." example:"binance"`
	From      string `query:"from" doc:"First open time, included: epoch milliseconds or RFC 3339; without a zone UTC is meant." example:"2026-11-23T10:00:00Z"`
	To        string `query:"to" doc:"Last open time, included: as from." example:"2026-11-23T11:00:00Z"`
}

func (s *Server) series(in SeriesInput) (candle.Series, candle.Range, error) {
	series, err := s.parseSeries(in.Symbol, in.Timeframe, in.Exchange)
	if err != nil {
		return series, candle.Range{}, err
	}
	r, err := parseRange(in.From, in.To)
	return series, r, err
}

// candlesInput selects candles.
type candlesInput struct {
	SeriesInput
	Limit  string `query:"limit" minimum:"1" doc:"How many at most: in JSON up to 10000, and 500 when it is left out; in CSV any number, and all when it is left out." example:"500"`
	Order  string `query:"order" enum:"asc,desc" unset:"asc" doc:"By open time; desc for the newest first." example:"desc"`
	Format string `query:"format" enum:"json,csv" unset:"json" doc:"What the answer is written in." example:"csv"`
}

// stream is an output that writes itself.
type stream struct{ Body func(huma.Context) }

// candles answers GET /api/candles. A series that is well-formed and not known has no candles: it
// may have some tomorrow, and a bot need not tell the two apart.
func (s *Server) candles(ctx context.Context, in *candlesInput) (*stream, error) {
	series, r, err := s.series(in.SeriesInput)
	if err != nil {
		return nil, err
	}
	order, err := parseChoice("order", in.Order, "asc", "desc")
	if err != nil {
		return nil, err
	}
	q := store.Query{Series: series, Range: r, Descending: order == "desc"}
	switch in.Format {
	case "", formatJSON:
		if q.Limit, err = parseNumber("limit", in.Limit, defaultCandles, maxCandles); err != nil {
			return nil, err
		}
		return s.candlesJSON(ctx, q)
	case formatCSV:
		if q.Limit, err = parseNumber("limit", in.Limit, 0, math.MaxInt); err != nil {
			return nil, err
		}
		return &stream{func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.candlesCSV(w, r, q)
		}}, nil
	}
	return nil, invalid(problem.CodeFormatNotAvailable, nil, "format", in.Format, "allowed", formatJSON+" "+formatCSV)
}

// candlesJSON builds the whole answer before it says that all is well.
func (s *Server) candlesJSON(ctx context.Context, q store.Query) (*stream, error) {
	body := api.CandlesAnswer{
		Symbol: q.Series.Symbol, Timeframe: q.Series.Timeframe.String(), Exchange: q.Series.Exchange,
		Candles: []api.Candle{},
	}
	err := s.cfg.Candles.EachCandle(ctx, q, func(c candle.Candle) error {
		body.Candles = append(body.Candles, wireCandle(c))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &stream{func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		writeJSON(w, http.StatusOK, body)
	}}, nil
}

// candlesCSV streams candles as they are read, in a fixed amount of memory. While nothing has left
// the buffer a failure is answered like any other; later it cuts the connection, so that a client
// cannot take half of a file for the whole.
func (s *Server) candlesCSV(w http.ResponseWriter, r *http.Request, q store.Query) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	out := s.newPaced(w)
	buf := bufio.NewWriterSize(out, csvBuffer)
	line := append([]byte(candle.CSVHeader), '\n')
	_, err := buf.Write(line)
	if err == nil {
		err = s.cfg.Candles.EachCandle(r.Context(), q, func(c candle.Candle) error {
			line = append(c.AppendCSV(line[:0]), '\n')
			_, err := buf.Write(line)
			return err
		})
	}
	if err == nil {
		err = buf.Flush()
	}
	switch {
	case err == nil:
	case !out.begun:
		s.fail(r.Context(), err).write(w)
	default:
		if out.err == nil && r.Context().Err() == nil {
			s.cfg.Logger.Error("a stream of candles broke off", "series", q.Series.String(), "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// wireCandle puts a candle into the API's members.
func wireCandle(c candle.Candle) api.Candle {
	return api.Candle{
		OpenTime: int64(c.OpenTime), CloseTime: int64(c.CloseTime), Trades: c.Trades,
		Open: c.Open.String(), High: c.High.String(), Low: c.Low.String(), Close: c.Close.String(),
		Volume: c.Volume.String(), QuoteVolume: c.QuoteVolume.String(),
		TakerBuyVolume: c.TakerBuyVolume.String(), TakerBuyQuoteVolume: c.TakerBuyQuoteVolume.String(),
	}
}

// writeJSON sends a body outside of huma's reach.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the types of package api can be written; the client may have gone
}

// paced writes to a client that has a limited time to take each piece: one that stops reading must
// not hold a database's snapshot for ever.
type paced struct {
	w     io.Writer
	conn  *http.ResponseController
	stall time.Duration
	begun bool  // something was written
	err   error // why writing failed
}

func (s *Server) newPaced(w http.ResponseWriter) *paced {
	return &paced{w: w, conn: http.NewResponseController(w), stall: s.patience.stall}
}

func (p *paced) Write(data []byte) (int, error) {
	p.begun = true
	p.extend()
	n, err := p.w.Write(data)
	if err != nil {
		p.err = err
	}
	return n, err
}

// Flush sends what the server still buffers.
func (p *paced) Flush() error {
	p.begun = true
	p.extend()
	if err := p.conn.Flush(); err != nil {
		p.err = err
	}
	return p.err
}

// extend moves the deadline on. A writer without a connection, as in a test of the handler alone,
// has none to move.
func (p *paced) extend() { _ = p.conn.SetWriteDeadline(time.Now().Add(p.stall)) }
