package server

import "net/http"

// NewStudio makes a server that shows what is in a database, and nothing else: the pages of Dashboard at
// / and /data, the calls that they ask, and the probe of health. Of cfg Browser, Candles and Dashboard are
// required. It panics when one is missing, which is a mistake in the wiring.
func NewStudio(cfg Config) *Server {
	if cfg.Browser == nil || cfg.Candles == nil || cfg.Dashboard == nil {
		panic("server.NewStudio: Browser, Candles and Dashboard are required")
	}
	return newServer(cfg, (*Server).studioRoutes)
}

func (s *Server) studioRoutes() (mux *http.ServeMux, fixed map[string]string) {
	mux = http.NewServeMux()
	d := newDescription(mux, s.cfg.Version)
	s.dataRoutes(d)
	register(s, d, route{
		method: http.MethodGet, path: "/healthz", id: "health", tag: tagOperation,
		summary: "Does the process live?",
	}, s.health)
	for _, path := range []string{"/{$}", "/data", "/assets/"} {
		mux.Handle("GET "+path, s.cfg.Dashboard)
	}
	return mux, d.fixed
}
