package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collect"
	"velador/internal/collector"
	"velador/internal/problem"
	"velador/internal/proc"
)

// collectorGC makes a collector's garbage collection run often: its live heap is about a megabyte,
// hundreds of them share a machine, and a few per cent of an idle core buy half the memory.
const collectorGC = 25

// collectorWindow is how many candles may be on their way to the bus: enough to keep a back-fill
// running, few enough not to leave holes in the heap when it is over.
const collectorWindow = 256

// giveBack returns to the system what a back-fill took, once its last pages have been acknowledged.
func giveBack() { time.AfterFunc(2*time.Second, debug.FreeOSMemory) }

func (p *program) collectCommand() *cobra.Command {
	var (
		logs      logFlags
		exchanges exchangeFlags
		nats      natsFlags
		exchange  string
		since     string
		busFile   string
	)
	cmd := &cobra.Command{
		Use:   "collect SELECTOR TIMEFRAME",
		Short: "run one collector by hand and print its candles",
		Long: `Run one collector in the foreground and print each closed candle as a line of JSON. The agent of
"velador serve" starts collectors with the same command and a bus to bring the candles to.`,
		Example: `  velador collect ETHUSDT 1m
  velador collect 'ETHUSDT,BTCUSDT' 1m --since 2026-11-01 > candles.ndjson`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeTimeframes,
		RunE: func(cmd *cobra.Command, args []string) error {
			runtime.MemProfileRate = 0 // nobody asks a collector for a heap profile
			debug.SetGCPercent(collectorGC)
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			if err := p.claimLock(logger); err != nil {
				return err
			}
			spec := collector.Spec{Exchange: exchange}
			selector, err := candle.ParseSelector(args[0])
			if err != nil {
				return exitError{err, ExitConfig}
			}
			spec.Selector = selector.String()
			if spec.Timeframe, err = candle.ParseTimeframe(args[1]); err != nil {
				return exitError{err, ExitConfig}
			}
			if spec.Since, err = millisFlag("since", since); err != nil {
				return exitError{err, ExitConfig}
			}
			venue, err := exchanges.open(exchange, logger)
			if err != nil {
				return exitError{err, ExitConfig}
			}
			config := collect.Config{Exchange: venue, Spec: spec, Logger: logger, OnLive: giveBack}
			if busFile == "" && nats.url == "" {
				out := &printer{out: bufio.NewWriter(p.stdout)}
				config.Sink = out
				return errors.Join(collectError(collect.New(config).Run(cmd.Context())), out.out.Flush())
			}
			return collectError(runOnBus(cmd.Context(), config, nats.client(busFile, "collector "+spec.Key(), logger), logger))
		},
	}
	flags := cmd.Flags()
	logs.register(flags)
	exchanges.register(flags)
	nats.register(flags)
	flags.StringVar(&exchange, "exchange", "binance", "exchange to collect from")
	flags.StringVar(&since, "since", "", "where the first back-fill begins, by open time (default: the candle that is forming now)")
	flags.StringVar(&busFile, "bus-file", "", "file that says where the embedded bus of a server is")
	return cmd
}

// collectError gives wrong configuration its exit code: the supervisor does not try it again.
func collectError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return nil // SIGTERM and Ctrl-C are how a collector is stopped
	case problem.KindOf(err) == problem.Invalid:
		return exitError{err, ExitConfig}
	}
	return err
}

// claimLock takes over the lock that the agent handed to this process, if it did.
func (p *program) claimLock(logger *slog.Logger) error {
	fd, ok := p.env.lookup(proc.EnvLockFD)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(fd)
	if err != nil {
		return usagef("%s=%q is no file descriptor", proc.EnvLockFD, fd)
	}
	runID, _ := p.env.lookup(proc.EnvRunID)
	return proc.ClaimLock(n, proc.NewHost(logger).Self(runID))
}

// runOnBus collects and brings the candles to the bus.
func runOnBus(ctx context.Context, config collect.Config, busConfig bus.ClientConfig, logger *slog.Logger) error {
	conn, err := bus.Connect(ctx, busConfig)
	if err != nil {
		return err
	}
	defer conn.Close()
	publisher, err := conn.NewPublisher(bus.PublisherConfig{Window: collectorWindow})
	if err != nil {
		return err
	}
	config.Sink, config.Library = publisher, conn
	err = collect.New(config).Run(ctx)
	if closed := publisher.Close(); closed != nil {
		logger.Warn("the publisher was closed early; what is missing will be fetched again", "error", closed)
	}
	return err
}

// printer is a sink that prints candles as lines of JSON.
type printer struct {
	mu  sync.Mutex
	out *bufio.Writer
}

// printed is a line of a printer.
type printed struct {
	Exchange  string `json:"exchange"`
	Symbol    string `json:"symbol"`
	Timeframe string `json:"timeframe"`
	api.Candle
}

// Candle prints a closed candle.
func (s *printer) Candle(_ context.Context, series candle.Series, c candle.Candle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	enc := json.NewEncoder(s.out)
	err := enc.Encode(printed{series.Exchange, series.Symbol, series.Timeframe.String(), api.Candle{
		OpenTime: int64(c.OpenTime), Open: c.Open.String(), High: c.High.String(), Low: c.Low.String(), Close: c.Close.String(),
		Volume: c.Volume.String(), CloseTime: int64(c.CloseTime), QuoteVolume: c.QuoteVolume.String(), Trades: c.Trades,
		TakerBuyVolume: c.TakerBuyVolume.String(), TakerBuyQuoteVolume: c.TakerBuyQuoteVolume.String(),
	}})
	if err != nil {
		return err
	}
	return s.out.Flush()
}

// Gap prints nothing: the log says it.
func (s *printer) Gap(context.Context, candle.Gap) error { return nil }

// Forming prints nothing: only closed candles are candles.
func (s *printer) Forming(candle.Series, candle.Candle, candle.Millis) {}

// Flush hands everything to whoever reads.
func (s *printer) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Flush()
}
