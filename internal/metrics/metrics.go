// Package metrics shows Prometheus how the collectors are, in its text format. Everything is looked
// up when it is asked for: nothing is counted here but what goes wrong while looking. Series are told
// apart by the collector's id and never by PID, so that a restart does not begin a new one.
//
// The format is written here and not by Prometheus' own library: a collector process is the same
// program, and what that library prepares at its start, never used there, cost each of them 0.3 MiB.
package metrics

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// Part is a part of velador that has figures to show, such as the writer.
type Part interface {
	// Figures writes them on the page of one scrape. Up to four scrapes may ask at the same time; ctx
	// ends after 3 s, which all parts share. After an error, which is logged, what was written stays.
	Figures(ctx context.Context, page *Page) error
}

// Config is what a Handler needs. Fleet is required.
type Config struct {
	Fleet     Fleet
	Adoptions Adoptions // nil: they are not counted
	Version   string    // of this build
	Parts     []Part
	Logger    *slog.Logger // nil: nothing is logged
}

const (
	maxScrapes   = 4               // answers that are put together at the same time; further ones wait
	lookTimeout  = 5 * time.Second // for the fleet; Prometheus waits 10 s unless it is told otherwise
	partsTimeout = 3 * time.Second
)

// handler answers scrapes.
type handler struct {
	cfg      Config
	self     self
	slots    chan struct{}
	pages    sync.Pool     // of *Page
	zips     sync.Pool     // of *gzip.Writer
	failures atomic.Uint64 // scrapes for which the fleet could not be asked
	failing  atomic.Bool   // the newest one was such, which the log tells
}

// Handler answers GET /metrics. When the fleet cannot be asked, the answer has all that is known
// without it, velador_fleet_up is 0 and velador_scrape_errors_total has grown.
func Handler(cfg Config) http.Handler {
	if cfg.Fleet == nil {
		panic("metrics.Handler: Fleet is required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{cfg: cfg, self: observeSelf("/proc"), slots: make(chan struct{}, maxScrapes)}
	h.pages.New = func() any { return newPage() }
	h.zips.New = func() any {
		zip, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a right one
		return zip
	}
	return h
}

// ServeHTTP answers in the text format, whatever other one is preferred.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	page := h.pages.Get().(*Page)
	h.fill(r.Context(), page)
	if err := page.wrong(); err != nil {
		h.cfg.Logger.Error("some figures are wrong and were left out", "error", err)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Add("Vary", "Accept-Encoding")
	// Nobody is left to be told that the answer could not be written.
	if takesGzip(r.Header) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := h.zips.Get().(*gzip.Writer)
		zip.Reset(w)
		_ = page.writeTo(zip)
		_ = zip.Close()
		zip.Reset(io.Discard) // w is not kept
		h.zips.Put(zip)
	} else {
		_ = page.writeTo(w)
	}
	page.clear()
	h.pages.Put(page)
}

// fill writes all figures.
func (h *handler) fill(ctx context.Context, page *Page) {
	h.fleet(ctx, page)
	page.Counter("scrape_errors_total", "Scrapes for which the collectors could not be asked how they are.").Sample(float64(h.failures.Load()))
	page.Gauge("build_info", "Always 1; the labels say which build this is.", "goversion", "version").Sample(1, runtime.Version(), h.cfg.Version)
	if h.cfg.Adoptions != nil {
		page.Counter("adopted_total", "Collectors that were found running and are looked after again.").Sample(float64(h.cfg.Adoptions.Adopted()))
		page.Counter("orphans_refused_total", "Processes that were neither adopted nor signalled: nobody could say whose they are.").Sample(float64(h.cfg.Adoptions.OrphansRefused()))
	}
	h.self.show(page)
	showRuntime(page)
	ctx, cancel := context.WithTimeout(ctx, partsTimeout)
	defer cancel()
	for _, part := range h.cfg.Parts {
		if err := part.Figures(ctx, page); err != nil {
			h.cfg.Logger.Warn("a part could not give all its figures", "error", err)
		}
	}
}

// fleet asks the fleet once, and shows what it says.
func (h *handler) fleet(ctx context.Context, page *Page) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := h.cfg.Fleet.All(ctx)
	page.Gauge("fleet_up", "1 when the collectors could be asked how they are.").Sample(number(err == nil))
	if err != nil {
		h.failures.Add(1)
		if !errors.Is(ctx.Err(), context.Canceled) && !h.failing.Swap(true) {
			h.cfg.Logger.Warn("the collectors could not be asked for their figures", "error", err)
		}
		return
	}
	if h.failing.Swap(false) {
		h.cfg.Logger.Info("the collectors can be asked for their figures again")
	}
	showFleet(page, list, time.Now())
}

// takesGzip tells whether the answer may be packed (RFC 9110, 12.5.3).
func takesGzip(header http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, given := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
		if value, err := strconv.ParseFloat(q, 64); given && (err != nil || value <= 0) {
			return false
		}
		return true
	}
	return false
}
