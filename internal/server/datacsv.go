package server

import (
	"bufio"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
)

// csvRows is how many rows are read at once for CSV: each page may cost a sort of the whole table.
const csvRows = 10_000

// dataCSV streams the rows of a selection, a page in memory at a time. As with candles, a failure while
// nothing has left the buffer is answered like any other; later it cuts the connection.
func (s *Server) dataCSV(w http.ResponseWriter, r *http.Request, sel *rows) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+sel.table.Name+`.csv"`)
	if r.Method == http.MethodHead {
		return
	}
	out := s.newPaced(w)
	buf := bufio.NewWriterSize(out, csvBuffer)
	err := sel.write(r.Context(), csv.NewWriter(buf))
	if err == nil {
		err = buf.Flush()
	}
	switch {
	case err == nil:
	case !out.begun:
		w.Header().Del("Content-Disposition")
		s.fail(r.Context(), err).write(w)
	default:
		if out.err == nil && r.Context().Err() == nil {
			s.cfg.Logger.Error("a stream of rows broke off", "table", sel.table.Name, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// write gives the header and all rows.
func (r *rows) write(ctx context.Context, out *csv.Writer) error {
	record := make([]string, len(r.table.Columns))
	for i, c := range r.table.Columns {
		record[i] = c.Name
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for left := r.limit; left > 0; {
		page, err := r.next(ctx, min(left, csvRows))
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			for i, v := range row {
				record[i] = cell(v)
			}
			if err := out.Write(record); err != nil {
				return err
			}
		}
		if left -= len(page.Rows); page.Next == nil {
			break
		}
	}
	out.Flush()
	return out.Error()
}

// cell writes a value; nil is an empty one.
func cell(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}
