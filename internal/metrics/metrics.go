// Package metrics shows Prometheus how the collectors are. Everything is looked up when it is asked
// for: nothing is counted here but what goes wrong while looking. Series are told apart by the
// collector's id and never by PID, so that a restart does not begin a new one.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"velador/internal/collector"
)

// Fleet knows the collectors.
type Fleet interface {
	// All lists every collector that is not over.
	All(ctx context.Context) ([]collector.Live, error)
}

// Adoptions counts what became of processes that had outlived a velador, since this one began.
type Adoptions interface {
	Adopted() uint64        // found running, and looked after again
	OrphansRefused() uint64 // found, and neither adopted nor signalled: nobody could say whose they are
}

// Config is what a Handler needs. Fleet is required.
type Config struct {
	Fleet     Fleet
	Adoptions Adoptions // nil: they are not counted
	Version   string    // of this build
	// Parts are figures of other parts, such as the writer's; their names begin with velador_.
	Parts  []prometheus.Collector
	Logger *slog.Logger // nil: nothing is logged
}

// maxScrapes bounds how many answers are put together at the same time; further ones wait.
const maxScrapes = 4

// Handler answers GET /metrics. When the fleet cannot be asked, the answer has all that is known
// without it, velador_fleet_up is 0 and velador_scrape_errors_total has grown.
func Handler(cfg Config) http.Handler {
	if cfg.Fleet == nil {
		panic("metrics.Handler: Fleet is required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "velador_scrape_errors_total", Help: "Scrapes for which the collectors could not be asked how they are.",
	})
	standing := prometheus.NewRegistry()
	standing.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(cfg.Version), failures)
	standing.MustRegister(cfg.Parts...)
	if cfg.Adoptions != nil {
		standing.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "velador_adopted_total", Help: "Collectors that were found running and are looked after again.",
			}, func() float64 { return float64(cfg.Adoptions.Adopted()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "velador_orphans_refused_total", Help: "Processes that were neither adopted nor signalled: nobody could say whose they are.",
			}, func() float64 { return float64(cfg.Adoptions.OrphansRefused()) }),
		)
	}
	slots := make(chan struct{}, maxScrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-r.Context().Done():
			return
		}
		// A registry of one scrape: what it holds was looked up within the bounds of this request.
		scrape := prometheus.NewRegistry()
		scrape.MustRegister(look(r.Context(), cfg, failures))
		// The fleet first: its failure is counted before the counter is read.
		promhttp.HandlerFor(prometheus.Gatherers{scrape, standing}, promhttp.HandlerOpts{
			ErrorLog:      slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
			ErrorHandling: promhttp.ContinueOnError,
		}).ServeHTTP(w, r)
	})
}

// look asks the fleet once.
func look(ctx context.Context, cfg Config, failures prometheus.Counter) fleetCollector {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := cfg.Fleet.All(ctx)
	if err != nil {
		failures.Inc()
		cfg.Logger.Warn("the collectors could not be asked for their figures", "error", err)
	}
	return fleetCollector{list: list, known: err == nil}
}

// buildInfo is 1, with what was built as labels.
func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "velador_build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}
