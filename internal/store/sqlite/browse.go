package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"

	"velador/internal/store"
)

// dialect is SQLite's: texts are compared byte by byte, and upper knows ASCII alone.
var dialect = store.Dialect{
	Number:    func(n int) string { return "?" + strconv.Itoa(n) },
	Text:      func(n int) string { return "?" + strconv.Itoa(n) },
	Bytewise:  func(expr string) string { return expr },
	UpperCase: func(expr string) string { return "upper(" + expr + ")" },
	Holds:     func(text, part string) string { return "instr(" + text + ", " + part + ") > 0" },
}

// Browse gives one page of a table; see store.Browser.
func (s *Store) Browse(ctx context.Context, q store.Browse) (store.Page, error) {
	if err := q.Check(); err != nil {
		return store.Page{}, err
	}
	base := map[store.Table]string{
		store.TableCollectors: browseCollectorsSQL, store.TableSeries: browseSeriesSQL, store.TableGaps: browseGapsSQL,
	}[q.Table]
	text, given := q.Statement(base, dialect)
	params := make([]driver.Value, len(given))
	for i, v := range given {
		params[i] = v
	}
	var rows [][]any
	err := s.read(ctx, "browse "+string(q.Table), func(c session) error {
		return c.query(ctx, text, params, func(row []driver.Value) error {
			values := make([]any, len(row))
			for i, v := range row {
				switch v := v.(type) {
				case nil, string, int64:
					values[i] = v
				default:
					return fmt.Errorf("the database answered a %T where a text or a number was expected", v)
				}
			}
			rows = append(rows, values)
			return nil
		})
	})
	if err != nil {
		return store.Page{}, err
	}
	return q.Page(slices.Clip(rows)), nil
}
