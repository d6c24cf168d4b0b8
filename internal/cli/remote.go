package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
)

// remoteFlags say which server a command speaks to.
type remoteFlags struct{ server, token string }

func (f *remoteFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.server, "server", client.DefaultURL, "address of the server")
	fromEnv(flags, "server", "VELADOR_SERVER")
	flags.StringVar(&f.token, "token", "", "bearer token, where the server wants one; prefer the variable to the flag")
	fromEnv(flags, "token", "VELADOR_TOKEN")
}

// client speaks the language of the terminal where velador does, else English.
func (f *remoteFlags) client(p *program) (*client.Client, error) {
	options := []client.Option{client.WithLanguage(p.language())}
	if f.token != "" {
		options = append(options, client.WithHTTPClient(&http.Client{Transport: bearer{f.token, http.DefaultTransport}}))
	}
	c, err := client.New(f.server, options...)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
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

// remote gives an error of the client its exit code, and says where the server was looked for when
// it did not answer.
func (f *remoteFlags) remote(err error) error {
	var answer *client.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w; is velador running there? \"velador serve\" starts it, --server or VELADOR_SERVER names another address", err)
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return exitError{err, ExitUsage}
	case http.StatusNotFound:
		return exitError{err, ExitNotFound}
	case http.StatusConflict:
		return exitError{err, ExitConflict}
	case http.StatusUnauthorized:
		return fmt.Errorf("%w; set VELADOR_TOKEN to the server's token", err)
	}
	return err
}

// printJSON prints one answer for programs.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
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

// completeTimeframes completes the second argument of commands that take SYMBOL TIMEFRAME.
func completeTimeframes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, tf := range candle.Timeframes() {
		names = append(names, tf.String())
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completePIDs completes the PIDs of running collectors.
func (p *program) completePIDs(remote *remoteFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 0 || p.fillFlags(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := remote.client(p)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		running, err := c.Status(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var pids []string
		for _, r := range running {
			pids = append(pids, fmt.Sprintf("%d\t%s %s", r.PID, r.Symbol, r.Timeframe))
		}
		return pids, cobra.ShellCompDirectiveNoFileComp
	}
}

// isTerminal tells whether a stream is a terminal that a person looks at.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
