package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/collect"
	"velador/internal/collector"
)

// collectorGC makes a collector's garbage collection run often: its live heap is about a megabyte,
// hundreds of them share a machine, and a few per cent of an idle core buy half the memory.
const collectorGC = 25

// collectorWindow is how many candles may be on their way to the bus: enough to keep a back-fill
// running, few enough not to leave holes in the heap when it is over.
const collectorWindow = 256

// giveBack returns to the system what a back-fill took, once its last pages have been acknowledged.
func giveBack() { time.AfterFunc(2*time.Second, debug.FreeOSMemory) }

// collecting are the flags of velador collect.
type collecting struct {
	logs        logFlags
	exchanges   exchangeFlags
	nats        natsFlags
	exchange    string
	since       string
	wanted      int64
	busFile     string
	agent       string
	orphanAfter time.Duration
	logSize     int64
	budgetDir   string
	line        *budgetLine // to the budget that an agent's collectors share; nil without one
}

func (p *program) collectCommand() *cobra.Command { return p.collectCommandOf(new(collecting)) }

// collectCommandOf gives the command that reads those flags.
func (p *program) collectCommandOf(f *collecting) *cobra.Command {
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
			l, err := p.beginLife(f)
			if err != nil {
				return err
			}
			return l.end(untilFull(cmd.Context(), func(ctx context.Context) error { return p.collect(ctx, f, l, args) }))
		},
	}
	flags := cmd.Flags()
	f.logs.register(flags)
	f.exchanges.register(flags)
	f.nats.register(flags)
	flags.StringVar(&f.exchange, "exchange", "binance", "exchange to collect from")
	flags.StringVar(&f.since, "since", "", "where the first back-fill begins, by open time (default: the candle that is forming now)")
	flags.StringVar(&f.busFile, "bus-file", "", "file that says where the embedded bus of a server is")
	flags.StringVar(&f.agent, "agent", "", "name of the agent that started this process: it hears how the collector is")
	flags.DurationVar(&f.orphanAfter, "orphan-after", 15*time.Minute, "with --agent: how long that agent may say nothing before the collector ends itself; 0 for ever")
	flags.Int64Var(&f.logSize, "log-size", 4<<20, "bytes after which the log that the agent names is set aside")
	flags.StringVar(&f.budgetDir, "budget-dir", "", "where that agent keeps what the exchanges allow its machine")
	flags.Int64Var(&f.wanted, "wanted", 0, "when that agent's collector was first wanted, in epoch milliseconds by its clock; 0: now")
	for _, name := range []string{"agent", "orphan-after", "log-size", "budget-dir", "wanted"} {
		flags.Lookup(name).Hidden = true // between an agent and its processes
	}
	return cmd
}

// collect runs the collector that the flags and arguments describe.
func (p *program) collect(ctx context.Context, f *collecting, l *life, args []string) error {
	config, err := f.config(args, l.logger)
	if err != nil {
		return exitError{err, ExitConfig}
	}
	if f.agent != "" && l.runID == "" {
		return exitError{errNoRun, ExitConfig}
	}
	if f.busFile != "" || f.nats.url != "" {
		return f.onBus(ctx, config, l)
	}
	out := &printer{out: bufio.NewWriter(p.stdout)}
	config.Sink, config.OnPhase = out, func(phase collect.Phase) {
		if phase == collect.Live {
			giveBack()
		}
	}
	return errors.Join(collect.New(config).Run(ctx), out.out.Flush())
}

// config gives what to collect; an error is a mistake in the configuration.
func (f *collecting) config(args []string, logger *slog.Logger) (collect.Config, error) {
	spec := collector.Spec{Exchange: f.exchange}
	selector, err := candle.ParseSelector(args[0])
	if err != nil {
		return collect.Config{}, err
	}
	spec.Selector = selector.String()
	if spec.Timeframe, err = candle.ParseTimeframe(args[1]); err != nil {
		return collect.Config{}, err
	}
	if spec.Since, err = millisFlag("since", f.since); err != nil {
		return collect.Config{}, err
	}
	if f.orphanAfter < 0 {
		return collect.Config{}, usagef("--orphan-after %s is in the past: give a time such as 15m, or 0 for ever", f.orphanAfter)
	}
	venue, err := f.exchanges.open(f.share(spec.Key(), logger), f.exchange, logger)
	if err != nil {
		return collect.Config{}, err
	}
	config := collect.Config{Exchange: venue, Spec: spec, Logger: logger}
	if f.wanted != 0 {
		config.Wanted = time.UnixMilli(f.wanted)
	}
	return config, nil
}

// onBus collects and brings the candles to the bus, until ctx ends or nobody looks after the
// collector any more, which is errOrphaned.
func (f *collecting) onBus(ctx context.Context, config collect.Config, l *life) error {
	ctx, end := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer end(nil)
	watch := newOrphanWatch(f.orphanAfter)
	if f.agent != "" {
		// From the very beginning: the bus may be what is gone.
		beside.Go(func() {
			if watch.run(ctx) {
				end(errOrphaned)
			}
		})
	}
	err := f.bring(ctx, config, l, watch)
	if errors.Is(context.Cause(ctx), errOrphaned) {
		if err != nil {
			l.logger.Info("what was not acknowledged will be fetched again", "error", err)
		}
		return fmt.Errorf("the server has said nothing for %s (--orphan-after): %w", f.orphanAfter, errOrphaned)
	}
	return err
}

// bring connects to the bus and collects until ctx ends.
func (f *collecting) bring(ctx context.Context, config collect.Config, l *life, watch *orphanWatch) error {
	conn, err := bus.Connect(ctx, f.nats.client(f.busFile, "collector "+config.Spec.Key(), l.logger))
	if err != nil {
		if ctx.Err() != nil {
			return nil // it was asked to end before there was anything to bring
		}
		return err
	}
	defer conn.Close()
	if f.line != nil {
		f.line.conn.Store(conn)
	}
	publisher, err := conn.NewPublisher(bus.PublisherConfig{Window: collectorWindow})
	if err != nil {
		return err
	}
	tells := newBeats(f.agent, l, conn.PublishBeat)
	config.Sink, config.Library, config.OnPhase = publisher, conn, func(phase collect.Phase) {
		if phase == collect.Live {
			giveBack()
		}
		tells.soon()
	}
	c := collect.New(config)
	listening, hush := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	if f.agent != "" {
		beside.Go(func() { tells.run(listening, c.Snapshot) })
		beside.Go(func() {
			if err := conn.Pulses(listening, f.agent, watch.pulse); err != nil {
				l.logger.Warn("the agent cannot be heard", "error", err)
			}
		})
	}
	err = c.Run(ctx)
	if closed := publisher.Close(); closed != nil {
		l.logger.Warn("the publisher was closed early; what is missing will be fetched again", "error", closed)
	}
	hush()
	beside.Wait()
	return err
}
