// Package dashboard holds the pages that people look at, and serves them out of the binary: no
// request of theirs goes to another host. They are plain modules; nothing is built before they run.
package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// Policy is the Content-Security-Policy of every page: it loads and asks nothing but this server,
// runs no script and takes no style that stands in the page, and is shown in no other page.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	prefix = "/assets/"
	// A version in a path is an at sign and so many hexadecimal digits of the digest of all files.
	versionDigits = 16
	// gzipFrom is the size in bytes from which packing a file is worth it.
	gzipFrom = 1024
)

// contentTypes are those of the files that pages are made of, by their extension. The operating
// system is not asked: it may know others, or none.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".md":   "text/markdown; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// Handler serves the dashboard: GET / and the other paths of pages, and /assets/. Everything else
// is 404.
func Handler() http.Handler { return newSite("") }

// Studio serves the page of data alone, at GET /, and /assets/: for a server that has nothing but
// the calls under /api/data/.
func Studio() http.Handler { return newSite("data") }

// site is the files, and the page that they are seen through.
type site struct {
	version string // of all files together
	files   map[string]*file
	index   *file
	only    string // the one page that is shown; empty: all
}

// file is one file as it is sent.
type file struct {
	data        []byte
	contentType string
	etag        string
	packed      func() []byte // gzipped; nil where that makes it no smaller
}

// newSite reads the embedded files. It panics when they cannot be read, which a build cannot produce.
func newSite(only string) *site {
	s := &site{files: make(map[string]*file), only: only}
	digest := sha256.New()
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(digest, "%s %d\n", name, len(data))
		digest.Write(data)
		s.files[strings.TrimPrefix(name, "assets/")] = newFile(data, path.Ext(name))
		return nil
	})
	if err != nil {
		panic("dashboard: reading the embedded files: " + err.Error())
	}
	s.version = hex.EncodeToString(digest.Sum(nil))[:versionDigits]
	page := bytes.ReplaceAll(s.files["index.html"].data, []byte(prefix), []byte(prefix+"@"+s.version+"/"))
	page = bytes.Replace(page, []byte(`data-only=""`), []byte(`data-only="`+only+`"`), 1)
	s.index = newFile(page, ".html")
	delete(s.files, "index.html") // it is seen at the paths of pages only
	return s
}

func newFile(data []byte, ext string) *file {
	sum := sha256.Sum256(data)
	f := &file{data: data, contentType: contentTypes[ext], etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	if f.contentType == "" {
		f.contentType = "application/octet-stream"
	}
	f.packed = sync.OnceValue(func() []byte {
		if len(data) < gzipFrom || ext == ".png" {
			return nil
		}
		var buf bytes.Buffer
		w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil || buf.Len() >= len(data) {
			return nil
		}
		return buf.Bytes()
	})
	return f
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	head := w.Header()
	head.Set("Content-Security-Policy", Policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if name, asset := strings.CutPrefix(r.URL.Path, prefix); asset {
		s.asset(w, r, name)
		return
	}
	if !s.page(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	head.Set("Cache-Control", "no-cache")
	s.index.serve(w, r)
}

// asset serves a file. Under the version of this build it never changes; under no version a cache
// has to ask again. A version of another build is 404: modules of two builds do not mix, and a page
// that meets it loads itself anew.
func (s *site) asset(w http.ResponseWriter, r *http.Request, name string) {
	caching := "no-cache"
	if rest, versioned := strings.CutPrefix(name, "@"); versioned {
		version, file, _ := strings.Cut(rest, "/")
		if version != s.version {
			http.NotFound(w, r)
			return
		}
		name, caching = file, "public, max-age=31536000, immutable"
	}
	f := s.files[name]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", caching)
	f.serve(w, r)
}

// page tells that a path is one of the pages'. js/router.js holds the same paths.
func (s *site) page(name string) bool {
	if s.only != "" {
		return name == "/" || name == "/"+s.only
	}
	name, rooted := strings.CutPrefix(name, "/")
	first, rest, _ := strings.Cut(name, "/")
	if !rooted {
		return false
	}
	switch first {
	case "", "system", "data":
		return rest == ""
	case "collectors":
		return rest == "" || !strings.Contains(rest, "/")
	case "market", "completeness":
		return strings.Count(rest, "/") <= 2
	}
	return false
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", f.contentType)
	head.Add("Vary", "Accept-Encoding")
	body, etag := f.data, f.etag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if packed := f.packed(); packed != nil {
			head.Set("Content-Encoding", "gzip")
			body, etag = packed, strings.TrimSuffix(f.etag, `"`)+`-gzip"`
		}
	}
	head.Set("ETag", etag)
	if holds(r.Header.Get("If-None-Match"), etag) {
		head.Del("Content-Type")
		head.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110 section 12.5.3) as far as it is about gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(params, " ", ""), "q="), 64)
			return params == "" || (err == nil && weight > 0)
		}
	}
	return false
}

// holds tells that an If-None-Match header names an entity tag, by weak comparison (RFC 9110 section 13.1.2).
func holds(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if given := strings.TrimSpace(part); given == "*" || strings.TrimPrefix(given, "W/") == etag {
			return true
		}
	}
	return false
}
