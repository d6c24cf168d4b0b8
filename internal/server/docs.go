package server

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

// The page that shows the API. Everything it needs is in the binary: it works without a network
// and tells nobody that it was opened.
//
//go:embed docs
var docsPage embed.FS

// docsPolicy lets the page load and ask nothing but this server.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsAssets are the files behind the page: ours by their own name, Swagger UI's as its module
// packs them, gzipped where the name says so.
var docsAssets = map[string]struct {
	from        fs.FS
	file        string
	contentType string
}{
	"start.js":             {docsPage, "docs/start.js", "text/javascript; charset=utf-8"},
	"swagger-ui-bundle.js": {static.FS, "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
	"swagger-ui.css":       {static.FS, "swagger-ui.css.gz", "text/css; charset=utf-8"},
	"favicon-32x32.png":    {static.FS, "favicon-32x32.png", "image/png"},
}

// docs answers GET /docs.
func (s *Server) docs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	s.asset(w, r, docsPage, "docs/index.html", "text/html; charset=utf-8")
}

// docsAsset gives the handler of one file behind the page.
func (s *Server) docsAsset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asset := docsAssets[name]
		w.Header().Set("Cache-Control", "max-age=3600")
		s.asset(w, r, asset.from, asset.file, asset.contentType)
	}
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request, from fs.FS, file, contentType string) {
	data, err := fs.ReadFile(from, file)
	var body io.Reader = bytes.NewReader(data)
	if packed := strings.HasSuffix(file, ".gz"); err == nil && packed {
		w.Header().Add("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
		} else {
			body, err = gzip.NewReader(body)
		}
	}
	if err != nil {
		s.fail(r.Context(), fmt.Errorf("reading the embedded file %s: %w", file, err)).write(w)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = io.Copy(w, body) //nolint:gosec // what is unpacked is our own; the client may have gone
}
