package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxAnswer bounds a JSON answer, in bytes: ten thousand candles, or log lines, and far more.
const maxAnswer = 32 << 20

// call is one call of the API, as requests.go describes it.
type call struct {
	method, path string
	values
	body any
}

// request is a call with the type of its answer in JSON.
type request[A any] call

// nothing is the answer of a call that has none in JSON.
type nothing struct{}

// values are the parameters of a call. What is zero is left out.
type values struct {
	query  url.Values
	header http.Header
}

func (v *values) text(name, value string) {
	if value == "" {
		return
	}
	if v.query == nil {
		v.query = url.Values{}
	}
	v.query.Set(name, value)
}

func (v *values) number(name string, value int64) {
	if value != 0 {
		v.text(name, strconv.FormatInt(value, 10))
	}
}

func (v *values) flag(name string, value bool) {
	if value {
		v.text(name, "true")
	}
}

func (v *values) head(name, value string) {
	if value != "" {
		v.header = http.Header{http.CanonicalHeaderKey(name): {value}}
	}
}

// ask makes one call and reads its JSON answer.
func ask[A any](ctx context.Context, c *Client, r request[A]) (answer A, err error) {
	err = c.read(ctx, call(r), &answer)
	return answer, err
}

// read makes one call and reads its JSON answer into a value.
func (c *Client) read(ctx context.Context, r call, answer any) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", resp.Request.URL, err)
	}
	if len(data) > maxAnswer {
		return fmt.Errorf("the answer of %s is longer than %d bytes", resp.Request.URL, maxAnswer)
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("the answer of %s is not what velador says: is another program listening there? %w", resp.Request.URL, err)
	}
	return nil
}

// send makes one call; an answer other than 200 becomes an *Error. The caller closes the body.
func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	address := c.base.JoinPath(r.path)
	address.RawQuery = r.query.Encode()
	var content io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address.String(), content)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.language != "" {
		req.Header.Set("Accept-Language", c.language)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the server at %s: %w", strings.TrimSuffix(c.base.Redacted(), "/"), err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

// open makes one call whose answer is no JSON; the caller closes it.
func (c *Client) open(ctx context.Context, r call) (io.ReadCloser, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
