package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
)

// healthTimeout bounds the question; whoever runs containers gives it five seconds (deploy/Dockerfile).
const healthTimeout = 4 * time.Second

func (p *program) healthCommand() *cobra.Command {
	var (
		remote remoteFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "health",
		Short: "tell whether a server can do its work, for containers and scripts",
		Long: `Ask a server's /readyz, which needs no token: the exit code is 0 when it can do its work, and 1, with
the reason, when it cannot or does not answer within ` + healthTimeout.String() + `.

Without --server and VELADOR_SERVER it asks the server of its own machine, by the settings that the
server has too: HOST, PORT and VELADOR_TLS_CERT. So it is the health check of a container.`,
		Example: `  velador health
  until velador health; do sleep 1; done`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			remote.token = "" // a wrong one would be counted as a guess
			c, address, done, err := p.nearest(cmd.Flags(), &remote)
			if err != nil {
				return err
			}
			defer done()
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			answer, err := c.Ready(ctx)
			switch {
			case cmd.Context().Err() != nil:
				return cmd.Context().Err()
			case err != nil && asJSON:
				return errors.Join(p.printJSON(health{Server: address, Reason: notReady(answer, err).Error()}), exitError{errSilent, ExitFailure})
			case err != nil:
				return exitError{fmt.Errorf("%s: %w", address, notReady(answer, err)), ExitFailure}
			case asJSON:
				return p.printJSON(health{Ready: true, Server: address})
			}
			_, err = fmt.Fprintf(p.stdout, "%s is ready\n", address)
			return err
		},
	}
	remote.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// health is what --json prints.
type health struct {
	Ready  bool   `json:"ready"`
	Server string `json:"server"`
	Reason string `json:"reason"` // "" when it is ready
}

// notReady is why a server does not do its work, on one line.
func notReady(answer api.ReadyAnswer, err error) error {
	var failure *client.Error
	if !errors.As(err, &failure) {
		var asked *url.Error
		if errors.As(err, &asked) {
			err = cause(asked.Err) // the address is named already
		}
		return errors.New(oneLine(err.Error()))
	}
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(answer.Checks)) {
		if reason := answer.Checks[name]; reason != "ok" {
			reasons = append(reasons, oneLine(name+": "+reason))
		}
	}
	return errors.New(cmp.Or(strings.Join(reasons, "; "), oneLine(err.Error())))
}
