package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"velador/internal/problem"
)

// maxCursor bounds a cursor, in bytes: a sort by a long text, and a series.
const maxCursor = 4 << 10

// cursor is where a page begins, and of which selection it is.
type cursor struct {
	Table      string `json:"t"`
	Sort       string `json:"s,omitempty"`
	Descending bool   `json:"d,omitempty"`
	After      []any  `json:"a"` // texts and whole numbers
}

// cursor writes where the next page begins. It is opaque to clients, and no secret.
func (r *rows) cursor(next []any) string {
	data, err := json.Marshal(cursor{r.table.Name, r.browse.Sort, r.browse.Descending, next})
	if err != nil {
		return "" // texts and numbers can be written
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// after reads a cursor of this selection; nil for none.
func (r *rows) after(text string) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	c, err := parseCursor(text)
	if err == nil && (c.Table != r.table.Name || c.Sort != r.browse.Sort || c.Descending != r.browse.Descending) {
		err = errors.New("it is of another table, or another order")
	}
	if err == nil && r.browse.Table == tableCandles {
		if _, number := c.After[0].(int64); !number || len(c.After) != 1 {
			err = errors.New("it names no open time")
		}
	}
	if err != nil {
		return nil, invalid(problem.CodeInvalidParameter, err, "name", "cursor", "detail", err.Error())
	}
	return c.After, nil
}

// parseCursor reads what cursor wrote. What it holds may still be of another selection.
func parseCursor(text string) (c cursor, err error) {
	if len(text) > maxCursor {
		return c, errors.New("it is too long")
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, errors.New("it is none that this server gave")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if dec.Decode(&c) != nil {
		return c, errors.New("it is none that this server gave")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || len(c.After) == 0 {
		return c, errors.New("it is none that this server gave")
	}
	for i, v := range c.After {
		switch v := v.(type) {
		case string:
		case json.Number:
			if c.After[i], err = v.Int64(); err != nil {
				return c, errors.New("it is none that this server gave")
			}
		default:
			return c, errors.New("it is none that this server gave")
		}
	}
	return c, nil
}
