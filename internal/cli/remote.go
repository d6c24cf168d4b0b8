package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"velador/api"
	"velador/client"
)

// remoteFlags say which server a command speaks to.
type remoteFlags struct{ server, token, caFile string }

func (f *remoteFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.server, "server", client.DefaultURL, "address of the server")
	fromEnv(flags, "server", "VELADOR_SERVER")
	flags.StringVar(&f.token, "token", "", "bearer token, where the server wants one; prefer the variable to the flag")
	fromEnv(flags, "token", "VELADOR_TOKEN")
	flags.StringVar(&f.caFile, "ca-file", "", "file with certificates, in PEM, that the server's is believed by, beside the system's")
	fromEnv(flags, "ca-file", "VELADOR_CA_FILE")
}

// client makes a client of the server that the flags name.
func (f *remoteFlags) client(p *program) (*client.Client, error) {
	trust, err := f.trust()
	if err != nil {
		return nil, err
	}
	if trust == nil {
		return f.dial(p, f.server, http.DefaultTransport)
	}
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.TLSClientConfig = trust
	return f.dial(p, f.server, own)
}

// dial makes a client of the server at an address, with the token. It speaks the language of the terminal
// where velador does, else English.
func (f *remoteFlags) dial(p *program, address string, transport http.RoundTripper) (*client.Client, error) {
	if f.token != "" {
		transport = bearer{f.token, transport}
	}
	c, err := client.New(address, client.WithLanguage(p.language()), client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// trust is how TLS is spoken where certificates of one's own were named, else nil.
func (f *remoteFlags) trust() (*tls.Config, error) {
	if f.caFile == "" {
		return nil, nil
	}
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// roots are the certificates by which a server's is believed.
func (f *remoteFlags) roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(f.caFile)
	if err != nil {
		return nil, usagef("the certificates cannot be read: %w; --ca-file or VELADOR_CA_FILE names the file", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, usagef("%s holds no certificate in PEM", f.caFile)
	}
	return roots, nil
}

// bearer sends a token with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// language is Spanish in a Spanish locale, else English.
func (p *program) language() string {
	for _, variable := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value, ok := p.env.lookup(variable); ok {
			if strings.HasPrefix(value, "es") {
				return "es"
			}
			return "en"
		}
	}
	return "en"
}

// remote gives an error of the client its exit code, and says what to do about it.
func (f *remoteFlags) remote(err error) error {
	var (
		ours   exitError
		answer *client.Error
		asked  *url.Error
	)
	switch {
	case err == nil || errors.As(err, &ours) || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &answer):
		return ofAnswer(err, answer)
	case errors.As(err, &asked):
		return f.unreached(asked.Err)
	}
	return err // an answer that broke off, or that is none of velador's, says so
}

// ofAnswer is an error that the server answered.
func ofAnswer(err error, answer *client.Error) error {
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return exitError{err, ExitUsage}
	case http.StatusNotFound:
		return exitError{err, ExitNotFound}
	case http.StatusConflict:
		if answer.PID != 0 {
			err = fmt.Errorf("%w (PID %d, id %d)", err, answer.PID, answer.ID)
		}
		return exitError{err, ExitConflict}
	case http.StatusUnauthorized:
		return fmt.Errorf("%w; set VELADOR_TOKEN to the server's token", err)
	}
	return err
}

// unreached is why no server answered, and what to do about it.
func (f *remoteFlags) unreached(why error) error {
	address := f.server
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	var stranger *tls.CertificateVerificationError
	if errors.As(why, &stranger) {
		return fmt.Errorf("the certificate of the server at %s is not believed: %w; --ca-file or VELADOR_CA_FILE names a file with certificates to believe", address, stranger.Err)
	}
	return fmt.Errorf("no velador answers at %s: %w; \"velador serve\" starts one, --server or VELADOR_SERVER names another address", address, cause(why))
}

// printJSON prints one answer for programs.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printJSONLine prints one of many answers for programs, each on a line of its own.
func (p *program) printJSONLine(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// refFlags name a collector: by PID as the argument, or by id.
type refFlags struct{ id int64 }

func (f *refFlags) register(flags *pflag.FlagSet) {
	flags.Int64Var(&f.id, "id", 0, "the collector's id instead of its PID")
}

// parse reads the argument.
func (f *refFlags) parse(args []string) (api.StopRequest, error) {
	switch {
	case len(args) == 1 && f.id != 0:
		return api.StopRequest{}, usagef("give a PID or --id, not both")
	case f.id != 0:
		return api.StopRequest{ID: f.id}, nil
	case len(args) == 0:
		return api.StopRequest{}, usagef("give the PID of a collector, or --id: velador status lists both")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || pid <= 0 {
		return api.StopRequest{}, usagef("%q is no PID: velador status lists the PIDs of the collectors", args[0])
	}
	return api.StopRequest{PID: pid}, nil
}

// isTerminal tells whether a stream is a terminal that a person looks at.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
