package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"velador/internal/candle"
	"velador/internal/klineapi"
	"velador/internal/simulate"
)

func (p *program) simulateCommand() *cobra.Command {
	var (
		logs     logFlags
		options  simulate.Options
		from, to string
		host     string
		port     int
		profile  string
		rootFile string
	)
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "run a simulated Binance over recorded or generated candles",
		Long: `Run a simulated Binance: REST, WebSocket streams and the archive of files, on a clock of its own.
Without --data the market is generated, the same one for the same --seed. Faults, the clock and
counters are at /control/.`,
		Example: `  velador simulate --speed 60
  velador simulate --data recordings --from 2023-03-23T12:00:00Z --to 2023-03-25 --speed 600
  VELADOR_BINANCE_REST_URL=http://127.0.0.1:8090 VELADOR_BINANCE_WS_URL=ws://127.0.0.1:8090 velador serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			options.Logger = logger
			if options.From, err = millisFlag("from", from); err != nil {
				return err
			}
			if options.To, err = millisFlag("to", to); err != nil {
				return err
			}
			if profile != "" {
				if options.Profile, err = readProfile(profile); err != nil {
					return err
				}
			}
			if !isLoopback(host) {
				return usagef("a simulator listens on the loopback address only, not on %s: whoever reaches it could steer it", host)
			}
			var config *tls.Config
			if rootFile != "" {
				var root []byte
				if config, root, err = simulate.SelfSignedTLS("127.0.0.1", "localhost", "::1"); err != nil {
					return err
				}
				if err := os.WriteFile(rootFile, root, 0o600); err != nil {
					return usagef("the root certificate cannot be written: %w", err)
				}
			}
			ln, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err != nil {
				return usagef("cannot listen on %s:%d: %w; --port chooses another one", host, port, cause(err))
			}
			sim, err := simulate.New(options)
			if err != nil {
				return errors.Join(usageError{err}, ln.Close())
			}
			rest, ws := addresses(ln, config != nil)
			_, _ = fmt.Fprintf(p.stdout, "A simulated Binance is at %s; its clock shows %s.\nVELADOR_BINANCE_REST_URL=%s\nVELADOR_BINANCE_WS_URL=%s\n", rest, sim.Now(), rest, ws)
			return serveSimulator(cmd.Context(), sim, ln, config, logger)
		},
	}
	flags := cmd.Flags()
	logs.register(flags)
	flags.StringVar(&options.DataDir, "data", "", "folder with recordings: the exchange's archive files, or bodies of its REST answers")
	flags.StringSliceVar(&options.Symbols, "symbols", nil, "only these symbols")
	flags.Float64Var(&options.Speed, "speed", 1, "how much faster than the wall the market runs, up to 10000")
	flags.StringVar(&from, "from", "", "where the clock starts (default: the recording's beginning, or now)")
	flags.StringVar(&to, "to", "", "where the market ends (default: the recording's end, or never)")
	flags.Uint64Var(&options.Seed, "seed", 1, "what a generated market is made from")
	flags.BoolVar(&options.Paused, "paused", false, "start with a clock that stands")
	flags.StringVar(&host, "host", "127.0.0.1", "loopback address to listen on")
	flags.IntVar(&port, "port", 8090, "port to listen on, 0 for any that is free")
	flags.StringVar(&profile, "profile", "", "JSON file that sets the points of the protocol that sources leave open")
	flags.StringVar(&rootFile, "tls-root", "", "serve TLS with a generated certificate, and write the root to trust into this file (for SSL_CERT_FILE)")
	return cmd
}

// addresses gives the base URLs of a listener.
func addresses(ln net.Listener, secure bool) (rest, ws string) {
	if secure {
		return "https://" + ln.Addr().String(), "wss://" + ln.Addr().String()
	}
	return "http://" + ln.Addr().String(), "ws://" + ln.Addr().String()
}

// serveSimulator serves until ctx ends.
func serveSimulator(ctx context.Context, sim *simulate.Simulator, ln net.Listener, config *tls.Config, logger *slog.Logger) error {
	server := &http.Server{
		Handler: sim.Handler(), TLSConfig: config,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return runStages(ctx, []stage{
		{"simulator", sim.Run},
		{"listener", func(ctx context.Context) error {
			ended := make(chan error, 1)
			go func() {
				if config != nil {
					ended <- server.ServeTLS(ln, "", "")
				} else {
					ended <- server.Serve(ln)
				}
			}()
			select {
			case err := <-ended:
				return err
			case <-ctx.Done():
				// Nobody relies on a simulator's last answers.
				err := server.Close()
				if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
					err = errors.Join(err, served)
				}
				return err
			}
		}},
	})
}

// maxProfile bounds a profile's file, in bytes.
const maxProfile = 1 << 20

func readProfile(path string) (klineapi.Profile, error) {
	profile := klineapi.DefaultProfile()
	info, err := os.Stat(path)
	if err != nil {
		return profile, usagef("the profile cannot be read: %w", err)
	}
	if info.Size() > maxProfile {
		return profile, usagef("the profile %s is larger than %d bytes", path, maxProfile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return profile, usagef("the profile cannot be read: %w", err)
	}
	if err := json.Unmarshal(text, &profile); err != nil {
		return profile, usagef("%s is no profile: %w", path, err)
	}
	return profile, nil
}

// millisFlag reads a time as people write it; empty is 0.
func millisFlag(name, value string) (candle.Millis, error) {
	if value == "" {
		return 0, nil
	}
	m, err := candle.ParseMillis(value)
	if err != nil {
		return 0, usagef("--%s: %w", name, err)
	}
	return m, nil
}
