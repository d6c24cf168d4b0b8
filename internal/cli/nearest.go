package cli

import (
	"crypto/tls"
	"net"
	"net/http"

	"github.com/spf13/pflag"

	"velador/client"
)

// nearest makes a client of the server that the settings name, or else of the one of this machine, and
// gives its address. done lets its connections go.
func (p *program) nearest(flags *pflag.FlagSet, remote *remoteFlags) (c *client.Client, address string, done func(), err error) {
	trust, err := remote.trust()
	if err != nil {
		return nil, "", nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: healthTimeout, TLSClientConfig: trust}
	address = remote.server
	if _, named := p.env.lookup("VELADOR_SERVER"); !named && !flags.Changed("server") {
		host, port, scheme := "127.0.0.1", "3000", "http"
		if name, ok := p.env.lookup("HOST"); ok && !isWildcard(name) {
			host = name
		}
		if number, ok := p.env.lookup("PORT"); ok {
			port = number
		}
		if _, ok := p.env.lookup("VELADOR_TLS_CERT"); ok {
			scheme = "https"
			if isLoopback(host) {
				// The certificate names the machine for others, not as loopback, where nobody sits between.
				transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
			}
		}
		address = scheme + "://" + net.JoinHostPort(host, port)
	}
	c, err = remote.dial(p, address, transport)
	return c, address, transport.CloseIdleConnections, err
}

// isWildcard tells whether an address to listen on means every one of the machine.
func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}
