package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
)

const (
	defaultRows = 100
	maxRows     = 1000 // of a page
	// seriesPage is how many series are read at once where all are asked for.
	seriesPage = 5000
	maxSearch  = 100 // characters of what is searched for
)

// tableCandles is the table that is read as candles are.
const tableCandles store.Table = "candles"

// storedSeries answers GET /api/series.
func (s *Server) storedSeries(ctx context.Context, _ *noInput) (*answer[api.SeriesAnswer], error) {
	body := api.SeriesAnswer{Series: []api.StoredSeries{}}
	q := store.Browse{Table: store.TableSeries, Limit: seriesPage}
	for {
		page, err := s.cfg.Browser.Browse(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			var one api.StoredSeries
			for i, c := range q.Table.Columns() {
				text, _ := row[i].(string)
				number, known := row[i].(int64)
				switch c.Name {
				case "exchange":
					one.Exchange = text
				case "symbol":
					one.Symbol = text
				case "timeframe":
					one.Timeframe = text
				case "first":
					if known {
						one.First = &number
					}
				case "last":
					if known {
						one.Last = &number
					}
				case "openGaps":
					one.OpenGaps = number
				case "absentGaps":
					one.AbsentGaps = number
				}
			}
			body.Series = append(body.Series, one)
		}
		if q.After = page.Next; q.After == nil {
			return &answer[api.SeriesAnswer]{body}, nil
		}
	}
}

// tables are those that can be browsed, with what narrows their rows.
func tables() []api.DataTable {
	table := func(name store.Table, filters ...string) api.DataTable {
		return api.DataTable{Name: string(name), Columns: columnsOf(name), Filters: filters}
	}
	return []api.DataTable{
		table(store.TableCollectors, "exchange", "symbol", "timeframe", "status", "search", "from", "to"),
		table(store.TableSeries, "exchange", "symbol", "timeframe", "search"),
		table(tableCandles, "exchange", "symbol", "timeframe", "from", "to"),
		table(store.TableGaps, "exchange", "symbol", "timeframe", "state", "search", "from", "to"),
	}
}

func columnsOf(table store.Table) []api.TableColumn {
	if table == tableCandles {
		return candleColumns()
	}
	var columns []api.TableColumn
	for _, c := range table.Columns() {
		columns = append(columns, api.TableColumn{Name: c.Name, Type: string(c.Type), Sort: true})
	}
	return columns
}

// dataTables answers GET /api/data.
func (s *Server) dataTables(context.Context, *noInput) (*answer[api.TablesAnswer], error) {
	return &answer[api.TablesAnswer]{api.TablesAnswer{Tables: tables()}}, nil
}

// dataInput selects rows of a table.
type dataInput struct {
	Table     string `path:"table" enum:"collectors,series,candles,gaps" doc:"collectors has the stopped ones too." example:"gaps"`
	Exchange  string `query:"exchange" doc:"Of candles binance when it is left out." example:"binance"`
	Symbol    string `query:"symbol" doc:"Exactly; of collectors their selector. Required for candles." example:"ETHUSDT"`
	Timeframe string `query:"timeframe" enum:"1s,1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d,3d,1w,1M" doc:"Exactly. Required for candles." example:"1m"`
	Status    string `query:"status" enum:"running,error,stopped" doc:"Of collectors." example:"stopped"`
	State     string `query:"state" enum:"open,absent,repaired" doc:"Of gaps." example:"absent"`
	Search    string `query:"search" doc:"The symbol contains it; case does not matter. Not of candles." example:"eth"`
	From      string `query:"from" doc:"Epoch milliseconds or RFC 3339: of collectors, those started since then; of gaps, those that touch the stretch; of candles, by open time. Not of series." example:"2026-11-23"`
	To        string `query:"to" doc:"As from; included." example:"2026-11-24"`
	Sort      string `query:"sort" doc:"One of the columns that can be sorted by; left out: by id, by series, by series and time." example:"from"`
	Order     string `query:"order" enum:"asc,desc" unset:"asc" doc:"By what the rows are sorted by; desc for the greatest first." example:"desc"`
	Limit     string `query:"limit" minimum:"1" doc:"In JSON rows of the page, up to 1000, and 100 when it is left out; in CSV rows in all, and all there are when it is left out." example:"100"`
	Cursor    string `query:"cursor" doc:"The next of the page before, with the same parameters beside it." example:"eyJ0IjoiZ2FwcyJ9"`
	Format    string `query:"format" enum:"json,csv" unset:"json" doc:"What the answer is written in." example:"csv"`
}

// filter gives the value of a parameter that narrows rows.
func (in *dataInput) filter(name string) string {
	switch name {
	case "exchange":
		return in.Exchange
	case "symbol":
		return in.Symbol
	case "timeframe":
		return in.Timeframe
	case "status":
		return in.Status
	case "state":
		return in.State
	case "search":
		return in.Search
	case "from":
		return in.From
	case "to":
		return in.To
	}
	return ""
}

// data answers GET /api/data/{table}.
func (s *Server) data(ctx context.Context, in *dataInput) (*stream, error) {
	all := tables()
	i := slices.IndexFunc(all, func(t api.DataTable) bool { return t.Name == in.Table })
	if i < 0 {
		return nil, problem.New(problem.NotFound, problem.CodeRouteNotFound, nil, sentences[problem.CodeRouteNotFound].en, "path", "/api/data/"+in.Table)
	}
	rows, err := s.selectRows(in, all[i])
	if err != nil {
		return nil, err
	}
	switch in.Format {
	case "", formatJSON:
		if rows.limit, err = parseNumber("limit", in.Limit, defaultRows, maxRows); err != nil {
			return nil, err
		}
		page, err := rows.next(ctx, rows.limit)
		if err != nil {
			return nil, err
		}
		body := api.DataAnswer{Columns: all[i].Columns, Rows: page.Rows}
		if body.Rows == nil {
			body.Rows = [][]any{}
		}
		if page.Next != nil {
			next := rows.cursor(page.Next)
			body.Next = &next
		}
		return &stream{func(hc huma.Context) {
			_, w := humago.Unwrap(hc)
			writeJSON(w, http.StatusOK, body)
		}}, nil
	case formatCSV:
		if rows.limit, err = parseNumber("limit", in.Limit, math.MaxInt, math.MaxInt); err != nil {
			return nil, err
		}
		return &stream{func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.dataCSV(w, r, rows)
		}}, nil
	}
	return nil, invalid(problem.CodeFormatNotAvailable, nil, "format", in.Format, "allowed", formatJSON+" "+formatCSV)
}

// rows is a selection, and how far it has been read.
type rows struct {
	table   api.DataTable
	browse  store.Browse // of all tables; for candles too
	series  candle.Series
	browser store.Browser
	candles Candles
	limit   int
}

// selectRows reads what is asked for.
func (s *Server) selectRows(in *dataInput, table api.DataTable) (*rows, error) {
	for _, name := range []string{"exchange", "symbol", "timeframe", "status", "state", "search", "from", "to"} {
		if in.filter(name) != "" && !slices.Contains(table.Filters, name) {
			return nil, invalid(problem.CodeInvalidParameter, nil, "name", name, "detail", "the table "+table.Name+" has no such filter")
		}
	}
	sel := &rows{table: table, browser: s.cfg.Browser, candles: s.cfg.Candles}
	q := &sel.browse
	*q = store.Browse{
		Table: store.Table(table.Name), Exchange: in.Exchange, Symbol: in.Symbol, Timeframe: in.Timeframe,
		State: in.Status + in.State, Search: in.Search, Sort: in.Sort, // a table has a status or a state
	}
	if _, err := parseChoice("status", in.Status, "running", "error", "stopped"); err != nil {
		return nil, err
	}
	if _, err := parseChoice("state", in.State, "open", "absent", "repaired"); err != nil {
		return nil, err
	}
	if len(in.Search) > maxSearch {
		return nil, invalid(problem.CodeInvalidParameter, nil, "name", "search", "detail", "at most "+itoa(maxSearch)+" characters")
	}
	order, err := parseChoice("order", in.Order, "asc", "desc")
	if err != nil {
		return nil, err
	}
	q.Descending = order == "desc"
	if in.From != "" || in.To != "" {
		if q.Range, err = parseRange(in.From, in.To); err != nil {
			return nil, err
		}
	}
	if in.Timeframe != "" {
		if _, err := parseTimeframe(in.Timeframe); err != nil {
			return nil, err
		}
	}
	var sortable []string
	for _, c := range table.Columns {
		if c.Sort {
			sortable = append(sortable, c.Name)
		}
	}
	if q.Sort != "" && !slices.Contains(sortable, q.Sort) {
		return nil, invalid(api.CodeInvalidChoice, nil, "name", "sort", "value", q.Sort, "allowed", strings.Join(sortable, " "))
	}
	if q.Table == tableCandles {
		if sel.series, err = s.parseSeries(in.Symbol, in.Timeframe, in.Exchange); err != nil {
			return nil, err
		}
	}
	if q.After, err = sel.after(in.Cursor); err != nil {
		return nil, err
	}
	if q.Table != tableCandles {
		checked := *q
		checked.Limit = 1
		return sel, checked.Check()
	}
	return sel, nil
}

// next reads the next page.
func (r *rows) next(ctx context.Context, limit int) (page store.Page, err error) {
	r.browse.Limit = limit
	if r.browse.Table == tableCandles {
		page, err = r.candlePage(ctx)
	} else {
		page, err = r.browser.Browse(ctx, r.browse)
	}
	r.browse.After = page.Next
	return page, err
}

// candlePage reads candles as rows.
func (r *rows) candlePage(ctx context.Context) (page store.Page, err error) {
	q := store.Query{Series: r.series, Range: r.browse.Range, Descending: r.browse.Descending, Limit: r.browse.Limit}
	if q.Range == (candle.Range{}) {
		q.Range = candle.Range{From: math.MinInt64, To: math.MaxInt64}
	}
	if q.Limit < math.MaxInt {
		q.Limit++ // tells whether there is another page
	}
	if after := r.browse.After; after != nil {
		open, _ := after[0].(int64)
		if q.Descending {
			q.Range.To = min(q.Range.To, candle.Millis(open)-1)
		} else {
			q.Range.From = max(q.Range.From, candle.Millis(open)+1)
		}
		if q.Range.Empty() {
			return page, nil
		}
	}
	var last int64
	err = r.candles.EachCandle(ctx, q, func(c candle.Candle) error {
		if len(page.Rows) == r.browse.Limit {
			page.Next = []any{last}
			return errEnough
		}
		last = int64(c.OpenTime)
		page.Rows = append(page.Rows, candleRow(c))
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return page, err
}

// errEnough ends a reading that has what it wanted.
var errEnough = errors.New("enough was read")

func candleColumns() []api.TableColumn {
	const decimal, number, instant = "decimal", "integer", "time"
	return []api.TableColumn{
		{Name: "openTime", Type: instant, Sort: true},
		{Name: "open", Type: decimal}, {Name: "high", Type: decimal}, {Name: "low", Type: decimal}, {Name: "close", Type: decimal},
		{Name: "volume", Type: decimal}, {Name: "closeTime", Type: instant}, {Name: "quoteVolume", Type: decimal}, {Name: "trades", Type: number},
		{Name: "takerBuyVolume", Type: decimal}, {Name: "takerBuyQuoteVolume", Type: decimal},
	}
}

func candleRow(c candle.Candle) []any {
	decimal := func(d candle.Decimal) any {
		if d.IsAbsent() {
			return nil
		}
		return d.String()
	}
	return []any{
		int64(c.OpenTime), decimal(c.Open), decimal(c.High), decimal(c.Low), decimal(c.Close),
		decimal(c.Volume), int64(c.CloseTime), decimal(c.QuoteVolume), c.Trades,
		decimal(c.TakerBuyVolume), decimal(c.TakerBuyQuoteVolume),
	}
}
