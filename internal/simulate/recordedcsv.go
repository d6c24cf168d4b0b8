package simulate

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"velador/internal/candle"
)

const maxLine = 2048 // bytes; a row of the archive has some 150

// microsFrom tells microseconds from milliseconds, by magnitude and never by date (EXCHANGES.md 2.16).
const microsFrom = 100_000_000_000_000

// readCSV reads the archive's CSV: twelve columns (the last, unused one may be missing), with or
// without a header line, times in milliseconds or microseconds. The rows' text is their own.
func readCSV(r io.Reader, take func(recordedRow) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			if len(line) > 0 && (line[0] < '0' || line[0] > '9') {
				continue // the header that newer futures files carry
			}
		}
		if len(line) == 0 {
			continue
		}
		row, err := parseCSVRow(string(line))
		if broken := lines.Err(); broken != nil {
			err = broken // the line is what was left of a file that ends early
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := take(row); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}

// csvNumbers are the columns of recordedRow.numbers.
var csvNumbers = [8]int{1, 2, 3, 4, 5, 7, 9, 10}

func parseCSVRow(line string) (recordedRow, error) {
	var fields [12]string
	n := 0
	for rest, more := line, true; more; n++ {
		if n == len(fields) {
			return recordedRow{}, fmt.Errorf("a row of the archive has 12 columns, this one has more")
		}
		fields[n], rest, more = strings.Cut(rest, ",")
		fields[n] = strings.Trim(fields[n], `" `)
	}
	if n < 11 {
		return recordedRow{}, fmt.Errorf("a row of the archive has 12 columns, this one has %d", n)
	}
	var row recordedRow
	var err error
	if row.openTime, err = parseTime(fields[0]); err != nil {
		return row, fmt.Errorf("the open time %w", err)
	}
	if row.closeTime, err = parseTime(fields[6]); err != nil {
		return row, fmt.Errorf("the close time %w", err)
	}
	if row.trades, err = strconv.ParseInt(fields[8], 10, 64); err != nil || row.trades < 0 {
		return row, fmt.Errorf("%.40q is no number of trades", fields[8])
	}
	for k, column := range csvNumbers {
		row.numbers[k] = fields[column]
	}
	return row, row.check()
}

// parseTime reads an epoch time in milliseconds or microseconds; what is finer than a millisecond
// is cut, as a close time of …999999 µs means …999 ms.
func parseTime(s string) (candle.Millis, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		hint := ""
		if strings.ContainsAny(s, "eE.") {
			hint = ": a spreadsheet has rewritten this file and lost the exact times; fetch it anew from its source"
		}
		return 0, fmt.Errorf("%.40q is no epoch time in whole milliseconds or microseconds%s", s, hint)
	}
	if n >= microsFrom {
		n /= 1000
	}
	if candle.Millis(n) > Forever {
		return 0, fmt.Errorf("%s lies beyond the year 2200", s)
	}
	return candle.Millis(n), nil
}

// check tells what makes a row impossible. Odd times are kept as they are (SIM-T7).
func (r recordedRow) check() error {
	var a [8]amount
	for k, number := range r.numbers {
		if number == "" && k >= 5 {
			break // five columns
		}
		if number = plainNumber(number); number == "" || len(number) > candle.MaxDecimalLen {
			return fmt.Errorf("%.40q is no plain decimal number", r.numbers[k])
		}
		var ok bool
		if a[k], ok = parseAmount(number); !ok {
			return fmt.Errorf("%.40q is no plain decimal number below %d with at most %d places", r.numbers[k], int64(maxWhole), amountPlaces)
		}
	}
	for _, k := range []int{0, 2, 3} {
		if a[1].less(a[k]) {
			return fmt.Errorf("the high %s lies below another price, %s", r.numbers[1], r.numbers[k])
		}
		if a[k].less(a[2]) {
			return fmt.Errorf("the low %s lies above another price, %s", r.numbers[2], r.numbers[k])
		}
	}
	return nil
}

// plainNumber gives s where candle.ParseDecimal takes it as it stands: no exponent, no zeros before; else "".
func plainNumber(s string) string {
	if _, err := candle.ParseDecimal(s); err != nil || strings.ContainsAny(s, "eE-") {
		return ""
	}
	return s
}
