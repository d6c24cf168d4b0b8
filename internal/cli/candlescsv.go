package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"velador/client"
)

// countTimeout bounds the question how many candles there are: it is for the bar alone.
const countTimeout = 5 * time.Second

// exportCSV prints candles as CSV, and shows how far it is where a person waits for a file.
func (p *program) exportCSV(ctx context.Context, c *client.Client, remote *remoteFlags, query client.CandlesQuery) (err error) {
	var total int64
	if isFile(p.stdout) {
		total = countOf(ctx, c, query)
	}
	rows, err := c.CandlesCSV(ctx, query)
	if err != nil {
		return remote.remote(err)
	}
	defer rows.Close()
	counted := &rowCounter{to: p.stdout, rows: -1}
	if total > 0 {
		counted.bar = p.newGauge("exporting "+query.Symbol+" "+query.Timeframe, "candles", total)
		defer func() { counted.bar.end(err == nil) }()
	}
	if _, err = io.Copy(counted, rows); err != nil {
		return fmt.Errorf("the candles ended midway, what was printed is not the whole: %w", err)
	}
	if counted.rows > 0 {
		return nil
	}
	return nothingOf(ctx, c, remote, query.Series)
}

// startOfNewest gives the open time of the first of the newest candles, as many of these as the query's
// limit; the zero time where nothing is stored. They are read once for that, newest first, and forgotten:
// there may be more than memory holds.
func startOfNewest(ctx context.Context, c *client.Client, query client.CandlesQuery) (time.Time, error) {
	query.Descending = true
	rows, err := c.CandlesCSV(ctx, query)
	if err != nil {
		return time.Time{}, err
	}
	defer rows.Close()
	var first []byte
	lines := bufio.NewScanner(rows)
	for heading := true; lines.Scan(); heading = false {
		if !heading {
			first = append(first[:0], lines.Bytes()...)
		}
	}
	if err := lines.Err(); err != nil || first == nil {
		return time.Time{}, err
	}
	text, _, _ := bytes.Cut(first, []byte(","))
	opened, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the server's CSV has no open time in the row %q: is it a velador?", first)
	}
	return time.UnixMilli(opened), nil
}

// countOf gives how many candles a query will have, 0 when that is not known soon.
func countOf(ctx context.Context, c *client.Client, query client.CandlesQuery) int64 {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	coverage, err := c.Coverage(ctx, query.Series)
	if err != nil {
		return 0
	}
	if query.Limit > 0 {
		return min(int64(query.Limit), coverage.Present)
	}
	return coverage.Present
}

// isFile tells whether a stream goes into a file: nobody sees what is written to it.
func isFile(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// rowCounter counts the lines that pass; the first one is a heading.
type rowCounter struct {
	to   io.Writer
	bar  *gauge // nil: nobody watches
	rows int64
}

func (w *rowCounter) Write(text []byte) (int, error) {
	n, err := w.to.Write(text)
	w.rows += int64(bytes.Count(text[:n], []byte{'\n'}))
	if w.bar != nil {
		w.bar.set(max(0, w.rows), "")
	}
	return n, err
}
