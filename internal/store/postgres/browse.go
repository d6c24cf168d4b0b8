package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"velador/internal/store"
)

// dialect is PostgreSQL's. The collation C compares byte by byte, and its upper knows ASCII alone.
var dialect = store.Dialect{
	Number:    func(n int) string { return "$" + strconv.Itoa(n) + "::bigint" },
	Text:      func(n int) string { return "$" + strconv.Itoa(n) + "::text" },
	Bytewise:  func(expr string) string { return "(" + expr + `) COLLATE "C"` },
	UpperCase: func(expr string) string { return "upper(" + expr + ` COLLATE "C")` },
	Holds:     func(text, part string) string { return "strpos(" + text + ", " + part + ") > 0" },
}

// Browse gives one page of a table; see store.Browser.
func (s *Store) Browse(ctx context.Context, q store.Browse) (store.Page, error) {
	if err := q.Check(); err != nil {
		return store.Page{}, err
	}
	base := map[store.Table]string{
		store.TableCollectors: browseCollectorsSQL, store.TableSeries: browseSeriesSQL, store.TableGaps: browseGapsSQL,
	}[q.Table]
	text, params := q.Statement(base, dialect)
	var found [][]any
	err := s.query(ctx, "browse "+string(q.Table), func(conn *pgxpool.Conn) error {
		found = nil
		rows, err := conn.Query(ctx, text, params...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) {
			values, err := row.Values()
			for i, v := range values {
				switch v := v.(type) {
				case nil, string, int64:
				case int32:
					values[i] = int64(v)
				default:
					return nil, fmt.Errorf("the database answered a %T where a text or a number was expected", v)
				}
			}
			return values, err
		})
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	return q.Page(found), nil
}
