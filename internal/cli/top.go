package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"velador/api"
	"velador/client"
)

const (
	// topTail is how many lines of a log are shown to begin with.
	topTail = 200
	// askTimeout bounds the questions that top asks by itself.
	askTimeout = 10 * time.Second
)

func (p *program) topCommand() *cobra.Command {
	var (
		remote remoteFlags
		every  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "watch the collectors in the terminal, live",
		Long: `Show the collectors in the whole terminal: the table of velador status, a line of the last closes of
each, totals, and the log of one of them. Arrows or j and k choose; s stops, r restarts, both after a
question; l shows the log, / filters, ? lists all keys, q quits. Collectors go on when it ends.

It wants a terminal; elsewhere use velador status --watch or --json. NO_COLOR is respected.`,
		Example: `  velador top
  velador top --server http://tokio-1:3000 --every 5s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < minWatch {
				return usagef("--every %s is too often: use at least %s", every, minWatch)
			}
			in, inOK := p.stdin.(*os.File)
			out, outOK := p.stdout.(*os.File)
			kind, _ := p.env.lookup("TERM")
			if !inOK || !outOK || !isTerminal(in) || !isTerminal(out) || kind == "dumb" {
				return usagef("velador top wants a terminal to paint in: velador status --watch prints plain tables, velador status --json is for programs")
			}
			c, err := remote.client(p)
			if err != nil {
				return err
			}
			t := &top{client: c, every: every, messages: make(chan any, 64), model: topModel{server: remote.server, colours: p.colours(p.stdout), closes: map[int64]*closes{}}}
			return t.run(cmd.Context(), in, out)
		},
	}
	remote.register(cmd.Flags())
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often the table is read")
	return cmd
}

// top runs a topModel in a terminal.
type top struct {
	client   *client.Client
	every    time.Duration
	model    topModel
	messages chan any
	tasks    sync.WaitGroup
	unfollow context.CancelFunc // of the log that is followed
}

// failedMsg ends top.
type failedMsg struct{ err error }

// run paints until q is pressed, ctx ends or a signal comes. Whatever happens the terminal is given back.
func (t *top) run(ctx context.Context, in, out *os.File) (err error) {
	// Beside those that end every command: the terminal was closed, or Ctrl-\ typed at another one.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH, syscall.SIGCONT)
	defer signal.Stop(changed)

	s, err := takeScreen(in, out)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	t.unfollow = func() {}
	defer func() {
		cause := recover()
		cancel()
		t.tasks.Wait()
		err = errors.Join(err, s.leave())
		if cause != nil {
			panic(cause) // over a terminal that shows it
		}
	}()
	t.task(running, func() {
		if err := s.readKeys(running.Done(), func(k key) { t.send(running, k) }); err != nil {
			t.send(running, failedMsg{err})
		}
	})
	t.task(running, func() { t.refresh(running) })
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	t.model.now = time.Now()
	t.model.update(s.size())
	for {
		if err := s.paint(t.model.view()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case now := <-clock.C:
			t.handle(running, tickMsg(now))
		case sig := <-changed:
			if sig == syscall.SIGCONT {
				if err := s.again(); err != nil {
					return err
				}
			}
			s.painted = nil // what a terminal makes of its lines at another size is its own affair
			t.model.update(s.size())
		case msg := <-t.messages:
			// All that has come at once is painted once.
			for more := true; more; {
				switch msg := msg.(type) {
				case failedMsg:
					return msg.err
				case key:
					if msg == keyRepaint {
						s.painted = nil
					}
				}
				if t.handle(running, msg) {
					return nil
				}
				select {
				case msg = <-t.messages:
				default:
					more = false
				}
			}
		}
	}
}

// handle gives the model a message and does what it wants; over tells that it wants to end.
func (t *top) handle(ctx context.Context, msg any) (over bool) {
	for _, wanted := range t.model.update(msg) {
		switch e := wanted.(type) {
		case quitEffect:
			return true
		case stopEffect:
			t.task(ctx, func() {
				answer, err := t.client.Stop(ctx, api.StopRequest{ID: e.id})
				t.send(ctx, doneMsg{answer.Message, err})
			})
		case againEffect:
			t.task(ctx, func() {
				answer, err := t.client.Restart(ctx, api.RestartRequest{ID: e.id})
				t.send(ctx, doneMsg{answer.Message, err})
			})
		case closesEffect:
			t.task(ctx, func() { t.send(ctx, t.closesOf(ctx, e)) })
		case followEffect:
			t.unfollow()
			following, leave := context.WithCancel(ctx)
			t.unfollow = leave
			t.task(ctx, func() {
				defer leave()
				err := t.client.FollowLogs(following, e.id, topTail, func(line string) error {
					t.send(following, logMsg{e.id, line})
					return nil
				})
				t.send(following, logOverMsg{e.id, err})
			})
		case leaveEffect:
			t.unfollow()
		}
	}
	return false
}

// refresh reads the list again and again.
func (t *top) refresh(ctx context.Context) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		list, err := t.client.Collectors(asking)
		cancel()
		t.send(ctx, statusMsg{list, err})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// closesOf reads the newest closes of a series, oldest first.
func (t *top) closesOf(ctx context.Context, e closesEffect) closesMsg {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := t.client.Candles(ctx, client.CandlesQuery{Series: e.series, Limit: sparkCandles, Descending: true})
	if err != nil {
		return closesMsg{id: e.id, err: err}
	}
	values := make([]float64, 0, len(answer.Candles))
	for i := range answer.Candles {
		// To look at only: a float has fewer digits than the candle.
		v, err := strconv.ParseFloat(answer.Candles[len(answer.Candles)-1-i].Close, 64)
		if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	return closesMsg{id: e.id, values: values}
}

// send hands a message to the loop, unless that has ended.
func (t *top) send(ctx context.Context, msg any) {
	select {
	case t.messages <- msg:
	case <-ctx.Done():
	}
}

// task runs something beside the loop. A panic there ends the loop, which gives the terminal back.
func (t *top) task(ctx context.Context, do func()) {
	t.tasks.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				t.send(ctx, failedMsg{fmt.Errorf("this is a mistake of velador: %v\n%s", cause, debug.Stack())})
			}
		}()
		do()
	})
}
