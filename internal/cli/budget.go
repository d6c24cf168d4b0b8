package cli

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"velador/internal/bus"
	"velador/internal/exchange"
)

// envTestConnects is how many connections an exchange lets a machine attempt in five minutes: for
// benchmarks with simulators that allow more than the exchanges do. The server's environment alone
// names it, as with all settings of tests.
const envTestConnects = "VELADOR_TEST_CONNECTS"

// budgets are what the exchanges allow this machine: its server and all of its collectors draw on
// them.
type budgets struct {
	dir     string
	agent   string
	conn    *bus.Conn
	logger  *slog.Logger
	brokers map[string]*exchange.Broker // by the exchange's name
}

// newBudgets takes up the budgets of all exchanges where the directory left them.
func newBudgets(dir, agent string, conn *bus.Conn, environ []string, logger *slog.Logger) *budgets {
	b := &budgets{dir: dir, agent: agent, conn: conn, logger: logger, brokers: make(map[string]*exchange.Broker)}
	connects := 0
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, envTestConnects+"="); ok {
			connects, _ = strconv.Atoi(value)
			logger.Warn("a setting for tests is in force", "name", envTestConnects, "value", value)
		}
	}
	for _, name := range exchangeNames {
		b.brokers[name] = exchange.NewBroker(exchange.BrokerConfig{Exchange: name, File: budgetFile(dir, name), Connects: connects, Logger: logger})
	}
	return b
}

// budgetsName is the directory within the data directory where the budgets are kept.
const budgetsName = "budgets"

// budgets takes up what the exchanges allow this machine.
func (s *service) budgets(dir *dataDir, conn *bus.Conn) (*budgets, error) {
	_, instance, err := dir.installation()
	if err != nil {
		return nil, err
	}
	return newBudgets(dir.join(budgetsName), instance, conn, s.environ, s.logger), nil
}

// budgetFile is where the budget of an exchange outlives its processes.
func budgetFile(dir, name string) string { return filepath.Join(dir, name+".json") }

// of gives the budget of an exchange for the server itself.
func (b *budgets) of(name string) exchange.Budget { return b.brokers[name].Budget("server") }

// run shares the budgets out until ctx ends.
func (b *budgets) run(ctx context.Context) error {
	stages := []stage{{"answers", func(ctx context.Context) error {
		return b.conn.ServeBudget(ctx, b.agent, func(name string, payload []byte, reply func([]byte)) {
			if broker := b.brokers[name]; broker != nil {
				broker.Handle(payload, reply)
			}
		})
	}}}
	for name, broker := range b.brokers {
		stages = append(stages, stage{name, broker.Run})
	}
	return runStages(ctx, stages)
}

// budgetLine carries a collector's messages about the budget of its exchange, once there is a
// connection to carry them.
type budgetLine struct {
	agent, exchange string
	conn            atomic.Pointer[bus.Conn]
}

// Ask sends a request to the broker of the machine.
func (l *budgetLine) Ask(ctx context.Context, request []byte) ([]byte, error) {
	conn := l.conn.Load()
	if conn == nil {
		return nil, bus.ErrNoBroker
	}
	return conn.AskBudget(ctx, l.agent, l.exchange, request)
}

// Tell sends what needs no answer.
func (l *budgetLine) Tell(message []byte) error {
	conn := l.conn.Load()
	if conn == nil {
		return nil
	}
	return conn.TellBudget(l.agent, l.exchange, message)
}

// share gives a collector that an agent has started its share of the agent's budget. Without an agent
// the collector has a budget of its own, which is nil.
func (f *collecting) share(who string, logger *slog.Logger) exchange.Budget {
	if f.agent == "" {
		return nil
	}
	f.line = &budgetLine{agent: f.agent, exchange: f.exchange}
	file := ""
	if f.budgetDir != "" {
		file = budgetFile(f.budgetDir, f.exchange)
	}
	return exchange.NewSharedBudget(exchange.SharedConfig{Exchange: f.exchange, Who: who, Line: f.line, File: file, Logger: logger})
}
