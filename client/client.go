package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"velador/api"
)

// maxAnswer bounds a JSON answer, in bytes: ten thousand candles, or log lines, and far more.
const maxAnswer = 32 << 20

// DefaultURL is where a server listens when nobody says otherwise.
const DefaultURL = "http://localhost:3000"

// Client speaks to one server.
type Client struct {
	base     *url.URL
	http     *http.Client
	language string
}

// Option changes how a Client speaks.
type Option func(*Client)

// WithHTTPClient uses a client of the caller's: its transport, its time-outs. A time-out of the
// http.Client itself also ends streams; a context bounds one call better.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithLanguage asks for sentences in a language, as in Accept-Language: "en". Without it the
// server speaks Spanish.
func WithLanguage(language string) Option { return func(c *Client) { c.language = language } }

// New makes a client of the server at baseURL, such as http://localhost:3000. A path in it is
// kept: the server may stand behind a proxy.
func New(baseURL string, options ...Option) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("%q is no address of a server: %w", baseURL, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("%q is no address of a server: give one such as %s", baseURL, DefaultURL)
	}
	c := &Client{base: base, http: http.DefaultClient}
	for _, option := range options {
		option(c)
	}
	return c, nil
}

// Status lists the collectors whose process is alive.
func (c *Client) Status(ctx context.Context) ([]api.CollectorStatus, error) {
	var answer api.StatusAnswer
	err := c.ask(ctx, http.MethodGet, "/api/collectors/status", nil, nil, &answer)
	return answer.Collectors, err
}

// Collectors lists all collectors that are wanted or still run, with a process or without.
func (c *Client) Collectors(ctx context.Context) ([]api.CollectorStatus, error) {
	var answer api.CollectorsAnswer
	err := c.ask(ctx, http.MethodGet, "/api/collectors", nil, nil, &answer)
	return answer.Collectors, err
}

// History gives the newest lives of a collector's process that have ended, newest first; limit 0
// leaves their number to the server.
func (c *Client) History(ctx context.Context, id int64, limit int) ([]api.Life, error) {
	query := url.Values{}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var answer api.HistoryAnswer
	err := c.ask(ctx, http.MethodGet, "/api/collectors/"+strconv.FormatInt(id, 10)+"/history", query, nil, &answer)
	return answer.Lives, err
}

// Start starts a collector. That one runs already is an *Error with status 409 and its PID.
func (c *Client) Start(ctx context.Context, request api.StartRequest) (api.StartAnswer, error) {
	var answer api.StartAnswer
	err := c.ask(ctx, http.MethodPost, "/api/collectors/start", nil, request, &answer)
	return answer, err
}

// Stop stops a collector and returns when its process has ended.
func (c *Client) Stop(ctx context.Context, request api.StopRequest) (api.StopAnswer, error) {
	var answer api.StopAnswer
	err := c.ask(ctx, http.MethodPost, "/api/collectors/stop", nil, request, &answer)
	return answer, err
}

// StopAll stops every collector and returns when their processes have ended. When some could not be
// stopped, the error is an *Error with api.CodeStopAllFailed, and the answer names both kinds.
func (c *Client) StopAll(ctx context.Context) (api.StopAllAnswer, error) {
	var answer api.StopAllAnswer
	err := c.ask(ctx, http.MethodPost, "/api/collectors/stop-all", nil, api.StopAllRequest{}, &answer)
	var failure *Error
	if errors.As(err, &failure) && failure.Code == api.CodeStopAllFailed {
		_ = json.Unmarshal(failure.body, &answer) // what cannot be read leaves the code, which says enough
	}
	return answer, err
}

// Restart ends a collector's process gracefully and starts it anew; it returns when the new one runs.
// That there is no such collector is an *Error with status 404.
func (c *Client) Restart(ctx context.Context, request api.RestartRequest) (api.RestartAnswer, error) {
	var answer api.RestartAnswer
	err := c.ask(ctx, http.MethodPost, "/api/collectors/restart", nil, request, &answer)
	return answer, err
}

// Collector tells of one collector, dead or alive.
func (c *Client) Collector(ctx context.Context, id int64) (api.CollectorStatus, error) {
	var answer api.CollectorStatus
	err := c.ask(ctx, http.MethodGet, "/api/collectors/"+strconv.FormatInt(id, 10), nil, nil, &answer)
	return answer, err
}

// Healthy returns nil when the server's process answers.
func (c *Client) Healthy(ctx context.Context) error {
	return c.ask(ctx, http.MethodGet, "/healthz", nil, nil, &api.HealthAnswer{})
}

// Ready tells whether the server can do its work. When it cannot, the error is an *Error with
// status 503, and the answer names the part that fails.
func (c *Client) Ready(ctx context.Context) (api.ReadyAnswer, error) {
	var answer api.ReadyAnswer
	err := c.ask(ctx, http.MethodGet, "/readyz", nil, nil, &answer)
	var failure *Error
	if errors.As(err, &failure) {
		// The body of the failure has the same members; one that has not says enough by its status.
		_ = json.Unmarshal(failure.body, &answer)
	}
	return answer, err
}

// ask makes one call and reads its JSON answer.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	resp, err := c.send(ctx, method, path, query, body)
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
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	address := c.base.JoinPath(path)
	address.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address.String(), content)
	if err != nil {
		return nil, err
	}
	if body != nil {
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
