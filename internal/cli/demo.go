package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
	"velador/internal/simulate"
	"velador/internal/store"
)

func (p *program) demoCommand() *cobra.Command {
	var (
		logs     logFlags
		length   time.Duration
		data     string
		speed    float64
		seed     uint64
		port     int
		keep     string
		peaceful bool
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "see velador at work, without internet",
		Long: `Run the whole product on a simulated exchange: a market at a visible speed, the server, some
collectors, a cut of all connections and a collector killed with kill -9. At the end, after --for or
at Ctrl-C, everything that was stored is compared with what the exchange served, digit for digit:
the exit code is 0 only if they are equal.`,
		Example: `  velador demo
  velador demo --for 30s
  velador demo --data recordings --speed 600`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length < 0 {
				return usagef("--for %s: give a duration such as 30s", length)
			}
			logger, err := logs.logger(p.stderr)
			if err != nil {
				return err
			}
			dir := keep
			if dir == "" {
				if dir, err = os.MkdirTemp("", "velador-demo-"); err != nil {
					return usagef("a demo needs a temporary folder: %w", err)
				}
				defer os.RemoveAll(dir) // a leftover in the temporary folder harms nobody
			}
			d := &demo{program: p, logger: logger, dir: dir, length: length, peaceful: peaceful}
			return d.run(cmd.Context(), simulate.Options{DataDir: data, Speed: speed, Seed: seed, Logger: logger}, port)
		},
	}
	flags := cmd.Flags()
	logs.register(flags)
	flags.Lookup("log-level").DefValue = "error"
	logs.level = "error"
	flags.DurationVar(&length, "for", 0, "end by itself after so long (default: at Ctrl-C)")
	flags.StringVar(&data, "data", "", "folder with recordings to replay instead of a generated market")
	flags.Float64Var(&speed, "speed", 60, "how much faster than the wall the market runs")
	flags.Uint64Var(&seed, "seed", 1, "what the generated market is made from")
	flags.IntVar(&port, "port", 0, "port of the API (default: 3000, or a free one when that is taken)")
	flags.StringVar(&keep, "data-dir", "", "keep database and logs in this directory (default: a temporary one)")
	flags.BoolVar(&peaceful, "peaceful", false, "cut no connection and kill no collector")
	return cmd
}

// demo is one run of the demonstration.
type demo struct {
	program  *program
	logger   *slog.Logger
	dir      string
	length   time.Duration
	peaceful bool

	sim   *simulate.Simulator
	begun time.Time

	mu sync.Mutex // one line at a time
}

// say prints a line with the time since the beginning and the market's clock.
func (d *demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = fmt.Fprintf(d.program.stdout, "%5.1fs  market %s  %s\n", time.Since(d.begun).Seconds(), d.sim.Now().Time().Format("2006-01-02 15:04:05"), fmt.Sprintf(format, args...))
}

// demoHistory is how long before the demo's beginning its collectors begin, so that there is a
// back-fill to see.
const demoHistory = 3 * time.Hour

// wish is a collector of the demo.
type wish struct {
	selector  string
	timeframe candle.Timeframe
}

func (d *demo) run(ctx context.Context, options simulate.Options, port int) (err error) {
	d.begun = time.Now()
	if options.DataDir != "" {
		// In the middle of the first day, so that there is history before it.
		first, err := simulate.New(options)
		if err != nil {
			return usageError{err}
		}
		options.From = first.From().Add(demoHistory + time.Hour)
	}
	if d.sim, err = simulate.New(options); err != nil {
		return usageError{err}
	}
	exchangeListener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the simulated exchange: %w", err)
	}
	rest, ws := addresses(exchangeListener, false)
	listen := listenFlags{host: "127.0.0.1", port: port}
	if port == 0 {
		listen.port = 3000
	}
	ln, err := listen.open(ctx)
	if err != nil && port == 0 {
		listen.port = 0
		ln, err = listen.open(ctx)
	}
	if err != nil {
		return errors.Join(err, exchangeListener.Close())
	}
	s := &service{
		database: databaseFlags{dataDir: d.dir}, exchanges: exchangeFlags{binanceREST: rest, binanceWS: ws}, environ: d.program.env.process, logger: d.logger,
		care: defaultCare(), hosts: listen.hosts(),
	}
	base := "http://" + ln.Addr().String()
	var verdict, failure error
	err = runStages(ctx, []stage{
		{"exchange", func(ctx context.Context) error {
			return serveSimulator(ctx, d.sim, exchangeListener, nil, d.logger)
		}},
		{"velador", func(ctx context.Context) error {
			failure = s.run(ctx, ln)
			return failure
		}},
		{"show", func(ctx context.Context) error {
			verdict = d.show(ctx, s, base)
			return errShowOver
		}},
	})
	switch {
	case failure != nil:
		return failure // whatever the show found follows from it
	case verdict != nil || errors.Is(err, errShowOver):
		return verdict
	}
	return err
}

// errShowOver ends the stages when the show has ended.
var errShowOver = errors.New("the show is over")

// show is what happens in a demo. The end of ctx is its last act, not its interruption.
func (d *demo) show(ctx context.Context, s *service, base string) error {
	c, err := client.New(base, client.WithLanguage(d.program.language()))
	if err != nil {
		return err
	}
	if err := awaitReady(ctx, c, s); err != nil {
		return err
	}
	d.say("velador is at %s (API documentation at %s/docs)", base, base)
	since := d.sim.From().Add(-demoHistory)
	wishes := d.wishes()
	for _, w := range wishes {
		answer, err := c.Start(ctx, api.StartRequest{Symbol: w.selector, Timeframe: w.timeframe.String(), Since: fmt.Sprint(int64(since))})
		if err != nil {
			return fmt.Errorf("start a collector of %s: %w", w.selector, err)
		}
		d.say("%s (PID %d)", answer.Message, answer.PID)
	}
	d.play(ctx, s, c)

	// What comes now must come to its end, Ctrl-C or not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoPatience)
	defer cancel()
	until := d.sim.Now()
	d.say("the end: waiting until everything that closed before %s is stored", until.Time().Format("15:04:05"))
	var followed []candle.Series
	for _, w := range wishes {
		series, err := d.series(w)
		if err != nil {
			return err
		}
		followed = append(followed, series...)
	}
	return d.compare(ctx, s.store, followed, since, until)
}

// demoPatience bounds the wait for the last candles.
const demoPatience = 60 * time.Second

// awaitReady waits until the server answers that it is ready.
func awaitReady(ctx context.Context, c *client.Client, s *service) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.started():
	}
	_, err := c.Ready(ctx)
	return err
}

// wishes are a single symbol, a list and a glob, out of what the market has.
func (d *demo) wishes() []wish {
	symbols := make(map[string]bool)
	for _, market := range d.sim.Source().Markets(d.sim.Now()) {
		symbols[market.Symbol] = true
	}
	all := []wish{{"BTCUSDT", candle.Minute1}, {"ETHUSDT,SOLUSDT", candle.Minute1}, {"*USDT", candle.Minute5}}
	var possible []wish
	for _, w := range all {
		ok := true
		for name := range strings.SplitSeq(w.selector, ",") {
			ok = ok && (symbols[name] || strings.Contains(name, "*"))
		}
		if ok {
			possible = append(possible, w)
		}
	}
	return possible
}

// series lists what a wish follows.
func (d *demo) series(w wish) ([]candle.Series, error) {
	selector, err := candle.ParseSelector(w.selector)
	if err != nil {
		return nil, err
	}
	var all []candle.Series
	for _, market := range d.sim.Source().Markets(d.sim.Now()) {
		if selector.Match(market.Symbol) {
			all = append(all, candle.Series{Exchange: exchangeNames[0], Symbol: market.Symbol, Timeframe: w.timeframe})
		}
	}
	return all, nil
}

// play lets time pass: a line now and then, and two accidents.
func (d *demo) play(ctx context.Context, s *service, c *client.Client) {
	length := d.length
	if length == 0 {
		length = 365 * 24 * time.Hour
	}
	end := time.NewTimer(length)
	defer end.Stop()
	accidents := min(length, 30*time.Second)
	cut, kill := time.NewTimer(accidents/3), time.NewTimer(accidents/2)
	defer cut.Stop()
	defer kill.Stop()
	if d.peaceful {
		cut.Stop()
		kill.Stop()
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-cut.C:
			d.say("accident: every connection of the exchange is cut")
			d.sim.API().CutConnections(true)
		case <-kill.C:
			d.kill(ctx, c)
		case <-tick.C:
			stats := s.writer.Stats()
			d.say("%d candles stored, %d of them twice or more on their way, %d gaps noted", stats.New, stats.Same, stats.Gaps)
		}
	}
}

// kill kills a collector with kill -9. It is one of ours: its PID comes from the server, which
// checked it a moment ago.
func (d *demo) kill(ctx context.Context, c *client.Client) {
	running, err := c.Status(ctx)
	if err != nil || len(running) == 0 {
		return
	}
	victim := running[0]
	if process, err := os.FindProcess(victim.PID); err == nil && process.Signal(syscall.SIGKILL) == nil {
		d.say("accident: kill -9 of the collector of %s (PID %d)", victim.Symbol, victim.PID)
	}
}

// compare waits until the store has caught up and compares it with what the exchange served.
func (d *demo) compare(ctx context.Context, db store.Store, followed []candle.Series, since, until candle.Millis) error {
	t := table.NewWriter()
	t.SetStyle(plainTable)
	t.AppendHeader(table.Row{"SERIES", "SERVED", "STORED", "GAPS", "RESULT"})
	var served, stored, different int
	for _, series := range followed {
		want := d.sim.Served(series, since, until)
		got, err := awaitStored(ctx, db, series, want, since)
		if err != nil {
			return err
		}
		result := "equal, digit for digit"
		if diff := firstDifference(want, got); diff != "" {
			result = diff
			different++
		}
		coverage, err := db.Coverage(ctx, series, candle.Range{From: since, To: until})
		if err != nil {
			return err
		}
		served, stored = served+len(want), stored+len(got)
		t.AppendRow(table.Row{series, len(want), len(got), len(coverage.Gaps), result})
	}
	_, _ = io.WriteString(d.program.stdout, "\n"+t.Render()+"\n\n")
	if different > 0 {
		return exitError{fmt.Errorf("%d of %d series differ from what the exchange served: this should never happen; %s has the logs if --data-dir was given", different, len(followed), filepath.Join(d.dir, "collectors")), ExitFailure}
	}
	_, _ = fmt.Fprintf(d.program.stdout, "%d candles of %d series were served, %d are stored, and every digit is the same.\n", served, len(followed), stored)
	return nil
}

// awaitStored reads a series again and again until its last candle of those wanted is there.
func awaitStored(ctx context.Context, db store.Store, series candle.Series, want []candle.Candle, since candle.Millis) ([]candle.Candle, error) {
	if len(want) == 0 {
		return nil, nil
	}
	query := store.Query{Series: series, Range: candle.Range{From: since, To: want[len(want)-1].OpenTime}}
	for {
		var got []candle.Candle
		err := db.EachCandle(ctx, query, func(c candle.Candle) error {
			got = append(got, c)
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		if len(got) >= len(want) {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return got, nil // the comparison says what is missing
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// firstDifference says in words where two lines of candles part; "" when they are the same.
func firstDifference(want, got []candle.Candle) string {
	for i := range min(len(want), len(got)) {
		if a, b := string(want[i].AppendCSV(nil)), string(got[i].AppendCSV(nil)); a != b {
			return fmt.Sprintf("served %s, stored %s", a, b)
		}
	}
	switch {
	case len(got) < len(want):
		return fmt.Sprintf("%s and %d more are missing", want[len(got)].OpenTime, len(want)-len(got)-1)
	case len(got) > len(want):
		return fmt.Sprintf("%s was never served", got[len(want)].OpenTime)
	}
	return ""
}
