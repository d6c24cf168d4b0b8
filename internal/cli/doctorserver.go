package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"velador/api"
	"velador/client"
	"velador/internal/collector"
)

// certificatePoor is how long before its end a certificate should be renewed.
const certificatePoor = 14 * 24 * time.Hour

// lookAtSettings looks for settings that contradict each other, and for secrets that others can read.
func (d *doctor) lookAtSettings(context.Context) (found []finding) {
	const what = "settings"
	var serve listenFlags
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serve.register(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		for _, variable := range f.Annotations[envAnnotation] {
			if value, ok := d.program.env.lookup(variable); ok {
				if err := f.Value.Set(value); err != nil {
					found = append(found, broken(what, "correct "+variable, "%s cannot be used: %v", variable, err))
				}
			}
		}
	})
	found = append(found, listenFindings(&serve)...)
	if u, err := url.Parse(d.remote.server); err == nil && d.remote.token != "" && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		found = append(found, poor(what, "use https:// in VELADOR_SERVER", "commands send the token to %s in clear text", u.Host))
	}
	envFile := d.cmd.Flags().Lookup("env-file").Value.String()
	if info, err := os.Stat(envFile); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&forOthers != 0 {
		for _, variable := range []string{"VELADOR_TOKEN", "VELADOR_READ_TOKEN", "DATABASE_URL", "DIRECT_DATABASE_URL", "VELADOR_NATS_URL"} {
			if d.program.env.file[variable] != "" {
				found = append(found, poor(what, "chmod o= "+envFile, "%s holds %s and can be read by everybody", envFile, variable))
				break
			}
		}
	}
	if len(found) == 0 {
		found = append(found, well(what, "they agree with each other"))
	}
	return found
}

// forOthers are the rights on a file of those who neither own it nor are of its group, which may be there for
// velador's user alone: docs/DEPLOY.md has it so.
const forOthers = 0o007

// listenFindings tell what of the settings of serve makes no sense.
func listenFindings(f *listenFlags) (found []finding) {
	const (
		what  = "settings"
		setIt = "set VELADOR_TOKEN to a long random text: openssl rand -hex 24"
	)
	keys, err := f.keys(slog.New(slog.DiscardHandler))
	open := !isLoopback(f.host)
	switch {
	case err != nil:
		found = append(found, broken(what, setIt, "%v", err))
	case open && !keys.Any():
		found = append(found, broken(what, setIt+"; or take HOST away", "HOST is %s and there is no token: velador serve will refuse to start", f.host))
	case open && f.cert == "":
		found = append(found, poor(what, "set VELADOR_TLS_CERT and VELADOR_TLS_KEY, or let a proxy in front speak TLS", "HOST is %s: tokens and candles travel in clear text", f.host))
	case !open && f.readToken != "" && f.token == "" && f.tokenFile == "":
		found = append(found, poor(what, setIt, "there is a token for reading alone: nobody can start or stop anything"))
	}
	if f.port < 0 || f.port > 65535 {
		found = append(found, broken(what, "use one from 1 to 65535", "PORT is %d", f.port))
	}
	if info, err := os.Stat(f.tokenFile); f.tokenFile != "" && err == nil && info.Mode().Perm()&forOthers != 0 {
		found = append(found, poor(what, "chmod o= "+f.tokenFile, "the file of tokens can be read by everybody"))
	}
	if f.cert != "" || f.key != "" {
		found = append(found, certificateFinding(f.cert, f.key, time.Now()))
	}
	return found
}

// certificateFinding looks at the server's certificate.
func certificateFinding(cert, key string, now time.Time) finding {
	const what = "certificate"
	if cert == "" || key == "" {
		return broken(what, "set both, or none", "of VELADOR_TLS_CERT and VELADOR_TLS_KEY one is missing")
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err != nil:
		return broken(what, "VELADOR_TLS_CERT and VELADOR_TLS_KEY name the files, in PEM", "%v", err)
	case now.After(pair.Leaf.NotAfter):
		return broken(what, "renew it; velador takes it up without a restart", "it ended on %s", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(pair.Leaf.NotBefore):
		return broken(what, "look at the clock of this machine", "it begins on %s only", pair.Leaf.NotBefore.UTC().Format(time.DateOnly))
	case now.Add(certificatePoor).After(pair.Leaf.NotAfter):
		return poor(what, "renew it; velador takes it up without a restart", "it ends on %s", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return well(what, "good until %s", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
}

// lookAtServer asks the running server, if there is one, how it is and how its collectors are.
func (d *doctor) lookAtServer(ctx context.Context) []finding {
	const what = "server"
	c, address, done, err := d.program.nearest(d.cmd.Flags(), &d.remote)
	if err != nil {
		return []finding{broken(what, "correct VELADOR_SERVER, PORT, HOST or VELADOR_CA_FILE", "%v", err)}
	}
	defer done()
	answer, err := c.Ready(ctx)
	var failure *client.Error
	switch {
	case errors.As(err, &failure):
		return []finding{broken(what, "look at its log", "%s is not ready: %v", address, notReady(answer, err))}
	case err != nil:
		return []finding{poor(what, "velador serve starts one; --server or VELADOR_SERVER names another address", "none answers at %s: %v", address, notReady(answer, err))}
	}
	found := []finding{well(what, "%s is ready", address)}
	all, err := c.Collectors(ctx)
	switch {
	case errors.As(err, &failure) && failure.Status == http.StatusUnauthorized:
		return append(found, poor("collectors", "set VELADOR_TOKEN to the server's token", "the server tells of them only with a token"))
	case err != nil:
		return append(found, broken("collectors", "look at the log of the server", "%v", err))
	}
	return append(found, collectorsFinding(all))
}

// maxNamed is how many collectors a sentence names.
const maxNamed = 5

// collectorsFinding tells which collectors fail or bring nothing.
func collectorsFinding(all []api.CollectorStatus) finding {
	const what = "collectors"
	var failed, stale []string
	for _, c := range all {
		switch id := strconv.FormatInt(c.ID, 10); {
		case c.Status == string(collector.Failed) || c.Phase == string(collector.PhaseBackoff):
			failed = append(failed, id)
		case c.Phase == string(collector.PhaseStale):
			stale = append(stale, id)
		}
	}
	switch {
	case len(failed) > 0:
		return broken(what, "velador status --all says why; velador logs --id "+failed[0], "%d of %d fail again and again: %s", len(failed), len(all), named(failed))
	case len(stale) > 0:
		return poor(what, "velador logs --id "+stale[0]+"; they are started anew by themselves", "%d of %d bring nothing: %s", len(stale), len(all), named(stale))
	}
	return well(what, "%d, none fails", len(all))
}

// named lists ids, the first of them.
func named(ids []string) string {
	text := "id " + strings.Join(ids[:min(len(ids), maxNamed)], ", ")
	if more := len(ids) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
