package simulate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"velador/internal/candle"
)

// readJSON reads an array of rows: a body of GET /api/v3/klines (twelve elements, numbers as
// strings) or what chart tools store ([open ms, open, high, low, close, base volume], numbers as
// numbers). A number's text is kept as it stands: it passes through no float. Of six elements the
// close time is computed and the rest unknown, served as zero.
func readJSON(r io.Reader, tf candle.Timeframe, take func(recordedRow, rowForm) error) error {
	s := jsonRows{in: bufio.NewReaderSize(r, 64<<10), line: 1}
	if err := s.each(func(elements []string) error {
		row, form, err := rowOfElements(elements, tf)
		if err != nil {
			return err
		}
		return take(row, form)
	}); err != nil {
		return fmt.Errorf("line %d, row %d: %w", s.line, s.row, err)
	}
	return nil
}

func rowOfElements(e []string, tf candle.Timeframe) (recordedRow, rowForm, error) {
	var row recordedRow
	var err error
	if len(e) != 6 && len(e) < 11 {
		return row, 0, fmt.Errorf("a row has 12 or 6 elements, this one has %d", len(e))
	}
	if row.openTime, err = parseTime(e[0]); err != nil {
		return row, 0, fmt.Errorf("the open time %w", err)
	}
	copy(row.numbers[:5], e[1:6])
	if len(e) == 6 {
		row.closeTime = tf.Next(row.openTime) - 1
		// Written out: a recorder's 1e-06 is a number the exchange would send as 0.000001.
		for k := range 5 {
			if strings.ContainsAny(row.numbers[k], "eE") {
				d, err := candle.ParseDecimal(row.numbers[k])
				if err != nil {
					return row, 0, err
				}
				row.numbers[k] = d.String()
			}
		}
		return row, formRows, row.check()
	}
	if row.closeTime, err = parseTime(e[6]); err != nil {
		return row, 0, fmt.Errorf("the close time %w", err)
	}
	if row.trades, err = strconv.ParseInt(e[8], 10, 64); err != nil || row.trades < 0 {
		return row, 0, fmt.Errorf("%.40q is no number of trades", e[8])
	}
	row.numbers[5], row.numbers[6], row.numbers[7] = e[7], e[9], e[10]
	return row, formREST, row.check()
}

// jsonRows scans [[…],[…]] of strings and numbers: all the JSON that klines need, read in one pass
// with a bounded row, so that a hostile file costs no more than its size.
type jsonRows struct {
	in   *bufio.Reader
	line int // for messages
	row  int
}

var errNotRows = errors.New("it is no JSON array of rows")

// byte gives the next byte; that there is none is unexpected everywhere but after the end.
func (s *jsonRows) byte() (byte, error) {
	c, err := s.in.ReadByte()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// next gives the next byte that is no white space.
func (s *jsonRows) next() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
	}
}

// each gives the elements of every row. They are the row's own strings.
func (s *jsonRows) each(take func(elements []string) error) error {
	if c, err := s.next(); err != nil || c != '[' {
		return errors.Join(errNotRows, err)
	}
	for {
		c, err := s.next()
		if err != nil {
			return err
		}
		if c == ']' && s.row == 0 {
			break
		}
		if c != '[' {
			return errNotRows
		}
		s.row++
		elements, err := s.elements()
		if err != nil {
			return err
		}
		if err := take(elements); err != nil {
			return err
		}
		if c, err = s.next(); err != nil {
			return err
		}
		if c == ']' {
			break
		}
		if c != ',' {
			return errNotRows
		}
	}
	if c, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%q follows the end of the rows", c)
	}
	return nil
}

// elements reads a row up to its closing bracket.
func (s *jsonRows) elements() ([]string, error) {
	text := make([]byte, 0, 192)
	ends := make([]int, 0, 12)
	for {
		c, err := s.next()
		if err != nil {
			return nil, err
		}
		quoted := c == '"'
		if !quoted {
			text = append(text, c)
		}
		for {
			if len(text) > maxLine || len(ends) >= 16 {
				return nil, fmt.Errorf("a row is longer than any candle's")
			}
			if c, err = s.byte(); err != nil {
				return nil, err
			}
			if quoted {
				if c == '"' {
					c, err = s.next()
					break
				}
				if c == '\\' || c < ' ' {
					return nil, errNotRows
				}
			} else if c == ',' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t' {
				if c != ',' && c != ']' {
					if c == '\n' {
						s.line++
					}
					c, err = s.next()
				}
				break
			}
			text = append(text, c)
		}
		if err != nil {
			return nil, err
		}
		ends = append(ends, len(text))
		if c == ']' {
			break
		}
		if c != ',' {
			return nil, errNotRows
		}
	}
	all, elements, start := string(text), make([]string, len(ends)), 0
	for i, end := range ends {
		elements[i] = all[start:end]
		start = end
	}
	return elements, nil
}
