package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"velador/internal/candle"
	"velador/internal/problem"
)

// Browser reads tables for people, a page at a time. It changes nothing.
type Browser interface {
	// Browse gives one page of a table as of this moment. A page that is asked for with the Next of the one before begins
	// where that one ended, whatever was added or removed meanwhile, and costs no more than the first.
	// What Browse.Check refuses is problem.Invalid.
	Browse(ctx context.Context, q Browse) (Page, error)
}

// Table is one that can be browsed. Candles are not among them: Candles.EachCandle reads them.
type Table string

// The tables.
const (
	TableCollectors Table = "collectors" // stopped ones too, until they are removed
	TableSeries     Table = "series"
	TableGaps       Table = "gaps" // the ledger
)

// ColumnType is what the values of a column are; each of them may be nil.
type ColumnType string

// The types of columns.
const (
	Text    ColumnType = "text"    // string
	Integer ColumnType = "integer" // int64
	Time    ColumnType = "time"    // int64, epoch milliseconds
	Boolean ColumnType = "boolean" // bool
)

// Column is one column of a table.
type Column struct {
	Name string // as users see it
	Type ColumnType

	sql string // its name in the statement of the table
}

// browsable says what a table shows. Rows are sorted by a column, and by the key where they are equal.
type browsable struct {
	columns []Column
	key     []string // names of columns that no two rows have in common
	state   string   // column that Browse.State is about; "" for none
	within  string   // condition that Browse.Range is about, with two numbers; "" for none
}

var timeframeColumn = Column{Name: "timeframe", Type: Text, sql: "timeframe"}

func (t Table) shape() (browsable, bool) {
	switch t {
	case TableCollectors:
		return browsable{
			columns: []Column{
				{"id", Integer, "id"}, {"pid", Integer, "pid"}, {"exchange", Text, "exchange"}, {"symbol", Text, "symbol"}, timeframeColumn,
				{"status", Text, "status"}, {"wanted", Boolean, "wanted"}, {"host", Text, "host"},
				{"startedAt", Time, "started_at"}, {"stoppedAt", Time, "stopped_at"}, {"nextAttempt", Time, "next_attempt"},
				{"restarts", Integer, "restarts"}, {"since", Time, "since"}, {"lastError", Text, "last_error"},
				{"lastExitAt", Time, "last_exit_at"}, {"lastExitCode", Integer, "last_exit_code"},
				{"lastExitSignal", Integer, "last_exit_signal"}, {"lastExitReason", Text, "last_exit_reason"},
			},
			key: []string{"id"}, state: "status", within: "started_at BETWEEN %[1]s AND %[2]s",
		}, true
	case TableSeries:
		return browsable{
			columns: []Column{
				{"exchange", Text, "exchange"}, {"symbol", Text, "symbol"}, timeframeColumn,
				{"first", Time, "first_open"}, {"last", Time, "last_open"}, {"openGaps", Integer, "open_gaps"}, {"absentGaps", Integer, "absent_gaps"},
			},
			key: []string{"exchange", "symbol", "timeframe"},
		}, true
	case TableGaps:
		return browsable{
			columns: []Column{
				{"exchange", Text, "exchange"}, {"symbol", Text, "symbol"}, timeframeColumn, {"from", Time, "from_time"}, {"to", Time, "to_time"},
				{"state", Text, "state"}, {"proofs", Integer, "proofs"}, {"checkedAt", Time, "checked_at"},
			},
			key: []string{"exchange", "symbol", "timeframe", "from"}, state: "state", within: "to_time >= %[1]s AND from_time <= %[2]s",
		}, true
	}
	return browsable{}, false
}

// Columns lists the columns of a table, in the order of a row's values; nil for one that does not exist.
func (t Table) Columns() []Column {
	shape, _ := t.shape()
	return shape.columns
}

// Browse selects a page of a table. The zero value of each member but Table and Limit selects all.
type Browse struct {
	Table                       Table
	Exchange, Symbol, Timeframe string // equal; of collectors, Symbol is the selector
	State                       string // equal: status of a collector, state of a gap
	Search                      string // the symbol contains it, ASCII letters in either case
	// Range is about when a collector was started, or what a gap touches. The zero Range means all.
	Range      candle.Range
	Sort       string // name of a column; "": the table's key
	Descending bool
	After      []any // Page.Next of the page before, of the same selection
	Limit      int   // rows of the page, at least 1
}

// Page is rows of a table.
type Page struct {
	Rows [][]any // values in the order of the columns: string, int64, bool or nil
	Next []any   // where the next page begins: strings and int64s; nil after the last row
}

// Check tells, with problem.Invalid, what makes a selection impossible.
func (q Browse) Check() error {
	shape, known := q.Table.shape()
	invalid := func(name, detail string) error {
		return problem.New(problem.Invalid, problem.CodeInvalidParameter, nil, "The parameter {name} is not valid: {detail}", "name", name, "detail", detail)
	}
	switch {
	case !known:
		return invalid("table", fmt.Sprintf("there is no table %.40q", q.Table))
	case q.Limit < 1:
		return invalid("limit", "a page has at least one row")
	case q.State != "" && shape.state == "":
		return invalid("state", "these rows have none")
	case q.Range != (candle.Range{}) && shape.within == "":
		return invalid("from", "these rows have no time")
	}
	for name, text := range map[string]string{"exchange": q.Exchange, "symbol": q.Symbol, "timeframe": q.Timeframe, "state": q.State, "search": q.Search} {
		if !isText(text) {
			return invalid(name, "it is no text in UTF-8")
		}
	}
	order, ok := shape.order(q.Sort)
	if !ok {
		return invalid("sort", fmt.Sprintf("there is no column %.40q", q.Sort))
	}
	if q.After == nil {
		return nil
	}
	if len(q.After) != len(order) {
		return invalid("cursor", "it is of another selection")
	}
	for i, c := range order {
		text, isString := q.After[i].(string)
		_, isNumber := q.After[i].(int64)
		if isString != c.sortsAsText() || isNumber == isString || !isText(text) {
			return invalid("cursor", "it is of another selection")
		}
	}
	return nil
}

// isText tells what every database can compare.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// order lists the columns by which rows are sorted; false when there is no such column.
func (b browsable) order(sort string) ([]Column, bool) {
	names := b.key
	if sort != "" {
		names = append([]string{sort}, slices.DeleteFunc(slices.Clone(b.key), func(name string) bool { return name == sort })...)
	}
	var order []Column
	for _, name := range names {
		i := slices.IndexFunc(b.columns, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil, false
		}
		order = append(order, b.columns[i])
	}
	return order, true
}

// sortsAsText tells text from numbers; timeframes are sorted by length.
func (c Column) sortsAsText() bool { return c.Type == Text && c != timeframeColumn }

// sortedLength is how many characters of a text decide about its place: more would make cursors long.
const sortedLength = 100

// Dialect is what databases do not have in common.
type Dialect struct {
	Number    func(n int) string             // the n-th parameter, a number
	Text      func(n int) string             // the n-th parameter, a text
	Bytewise  func(expr string) string       // a text that is compared byte by byte
	UpperCase func(expr string) string       // ASCII letters in upper case
	Holds     func(text, part string) string // condition that a text holds another one
}

// Statement is the SQL for one page, and its parameters: strings and int64s. base is the statement that selects
// the table's columns, under their names there. The values of the columns are followed by those of
// After. q must have passed Check.
func (q Browse) Statement(base string, d Dialect) (text string, params []any) {
	shape, _ := q.Table.shape()
	order, _ := shape.order(q.Sort)
	param := func(v any) string {
		params = append(params, v)
		if _, number := v.(int64); number {
			return d.Number(len(params))
		}
		return d.Text(len(params))
	}
	var conditions, places, keys []string
	for _, equal := range [][2]string{{"exchange", q.Exchange}, {"symbol", q.Symbol}, {"timeframe", q.Timeframe}, {shape.state, q.State}} {
		if equal[1] != "" {
			conditions = append(conditions, equal[0]+" = "+param(equal[1]))
		}
	}
	if q.Search != "" {
		conditions = append(conditions, d.Holds(d.UpperCase("symbol"), d.UpperCase(param(q.Search))))
	}
	if q.Range != (candle.Range{}) {
		conditions = append(conditions, fmt.Sprintf(shape.within, param(int64(q.Range.From)), param(int64(q.Range.To))))
	}
	direction, beyond := "", " > "
	if q.Descending {
		direction, beyond = " DESC", " < "
	}
	var after []string
	for i, c := range order {
		keys = append(keys, c.place(d))
		places = append(places, keys[i]+direction)
		if q.After != nil {
			after = append(after, param(q.After[i]))
		}
	}
	if q.After != nil {
		conditions = append(conditions, "("+strings.Join(keys, ", ")+")"+beyond+"("+strings.Join(after, ", ")+")")
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	for _, c := range shape.columns {
		b.WriteString(c.sql + ", ")
	}
	b.WriteString(strings.Join(keys, ", ") + "\nFROM (\n" + base + ") AS t\n")
	if len(conditions) > 0 {
		b.WriteString("WHERE " + strings.Join(conditions, " AND ") + "\n")
	}
	// One more than the page tells whether there is another one.
	b.WriteString("ORDER BY " + strings.Join(places, ", ") + "\nLIMIT " + param(int64(q.Limit)+1))
	return b.String(), params
}

// place is the expression that a column is sorted by; it is never NULL.
func (c Column) place(d Dialect) string {
	switch {
	case c == timeframeColumn:
		var b strings.Builder
		b.WriteString("CASE timeframe")
		for _, tf := range candle.Timeframes() {
			b.WriteString(" WHEN '" + tf.String() + "' THEN " + strconv.Itoa(int(tf)))
		}
		return b.String() + " ELSE 0 END"
	case c.Type == Text:
		return d.Bytewise("substr(coalesce(" + c.sql + ", ''), 1, " + strconv.Itoa(sortedLength) + ")")
	}
	return "coalesce(" + c.sql + ", " + strconv.FormatInt(math.MinInt64+1, 10) + ")"
}

// Page makes one of the rows that the statement gave: the values that follow the columns are taken off,
// and so is the row beyond the page.
func (q Browse) Page(rows [][]any) Page {
	shape, _ := q.Table.shape()
	var p Page
	n := len(shape.columns)
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		p.Next = slices.Clone(rows[q.Limit-1][n:])
	}
	for _, row := range rows {
		for i, c := range shape.columns {
			if number, ok := row[i].(int64); ok && c.Type == Boolean {
				row[i] = number != 0
			}
		}
		p.Rows = append(p.Rows, row[:n:n])
	}
	return p
}
