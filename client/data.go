package client

import (
	"context"
	"io"
	"time"

	"velador/api"
)

// DataQuery selects rows of a table. What is zero does not narrow them.
type DataQuery struct {
	Table                       string // one of Tables
	Exchange, Symbol, Timeframe string
	Status                      string    // of collectors
	State                       string    // of gaps
	Search                      string    // the symbol contains it
	From, To                    time.Time // both included, to the millisecond
	Sort                        string    // a column; "" leaves the order to the server
	Descending                  bool
	Limit                       int    // 0: 100 rows a page, all in CSV
	Cursor                      string // Next of the page before; "" for the first
}

func (q DataQuery) params() dataParams {
	return dataParams{
		Exchange: q.Exchange, Symbol: q.Symbol, Timeframe: q.Timeframe, Status: q.Status, State: q.State, Search: q.Search,
		From: millis(q.From), To: millis(q.To), Sort: q.Sort, Order: order(q.Descending), Limit: int64(q.Limit), Cursor: q.Cursor,
	}
}

// Tables lists the tables that can be browsed.
func (c *Client) Tables(ctx context.Context) ([]api.DataTable, error) {
	answer, err := ask(ctx, c, tablesRequest())
	return answer.Tables, err
}

// Data reads one page of a table. Whole numbers in its rows are float64, as encoding/json reads them:
// times, in epoch milliseconds, stay exact.
func (c *Client) Data(ctx context.Context, q DataQuery) (api.DataAnswer, error) {
	return ask(ctx, c, dataRequest(q.Table, q.params()))
}

// DataCSV reads rows of a table as CSV, any number of them. As with CandlesCSV, reading never ends with
// io.EOF when the server broke off midway. The caller closes it.
func (c *Client) DataCSV(ctx context.Context, q DataQuery) (io.ReadCloser, error) {
	p := q.params()
	p.Format = "csv"
	return c.open(ctx, call(dataRequest(q.Table, p)))
}
