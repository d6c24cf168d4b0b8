package client

import (
	"fmt"
	"net/http"
	"net/url"
)

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
