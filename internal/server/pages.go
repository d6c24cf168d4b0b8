package server

import "net/http"

// pagePaths are where the dashboard's pages and their files are. Which of them exist, it says itself.
var pagePaths = []string{
	"/{$}", "/assets/", "/market", "/market/", "/completeness", "/completeness/", "/collectors", "/collectors/", "/system", "/data",
}

// showPages mounts the dashboard, or what stands in its place.
func (s *Server) showPages(mux *http.ServeMux) {
	if s.cfg.Dashboard == nil {
		mux.Handle("GET /{$}", http.RedirectHandler("docs", http.StatusFound))
		return
	}
	for _, path := range pagePaths {
		mux.Handle("GET "+path, s.cfg.Dashboard)
	}
}
