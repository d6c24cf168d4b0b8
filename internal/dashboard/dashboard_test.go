package dashboard

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ask makes a request of the dashboard. header is pairs of names and values.
func ask(t *testing.T, from http.Handler, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost/", nil)
	r.URL.Path = target // as it is: a client may send what it likes
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	from.ServeHTTP(w, r)
	answer := w.Result()
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func bodyOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestThePathsOfPagesAreAnsweredWithThePage(t *testing.T) {
	t.Parallel()
	site := Handler()
	for _, target := range []string{
		"/", "/collectors", "/collectors/7", "/market", "/market/binance/ETHUSDT/1m", "/completeness", "/completeness/binance/ETHUSDT/1d", "/system", "/data",
	} {
		answer := ask(t, site, http.MethodGet, target)
		body := bodyOf(t, answer)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(body, "<main") {
			t.Errorf("%s is answered with %d, %v", target, answer.StatusCode, answer.Header)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); policy != Policy {
			t.Errorf("%s has the policy %q", target, policy)
		}
		if answer.Header.Get("Cache-Control") != "no-cache" || answer.Header.Get("ETag") == "" {
			t.Errorf("%s may be kept without asking: %v", target, answer.Header)
		}
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	t.Parallel()
	site := Handler()
	for _, target := range []string{
		"/api/collectors", "/index.html", "/assets", "/assets/", "/assets/index.html", "/assets/css", "/assets/css/", "/assets/nothing.js", "/assets/@",
		"/assets/@0123456789abcdef/js/app.js", "/assets/../dashboard.go", "/assets/../../dashboard/dashboard.go", "/assets/%2e%2e/dashboard.go",
		"/assets//js/app.js", "/assets/js/../js/app.js", "/assets/js\\app.js", "/assets/js/app.js/", "/collectors/7/logs", "/market/a/b/c/d", "/systems", "/data/x", "", "x",
	} {
		if answer := ask(t, site, http.MethodGet, target); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%q is answered with %d", target, answer.StatusCode)
		}
	}
}

func TestNothingButGetAndHeadIsTaken(t *testing.T) {
	t.Parallel()
	site := Handler()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if answer := ask(t, site, method, "/"); answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s is answered with %d, %v", method, answer.StatusCode, answer.Header)
		}
	}
	get, head := ask(t, site, http.MethodGet, "/assets/js/app.js"), ask(t, site, http.MethodHead, "/assets/js/app.js")
	if body := bodyOf(t, head); body != "" || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
		t.Errorf("HEAD is answered with %q, %v", body, head.Header)
	}
}

func TestFilesHaveTheirTypesAndMayNotBeTakenForOthers(t *testing.T) {
	t.Parallel()
	site := Handler()
	for target, want := range map[string]string{
		"/assets/js/app.js": "text/javascript; charset=utf-8", "/assets/css/base.css": "text/css; charset=utf-8",
		"/assets/i18n/es.json": "application/json", "/assets/icon.svg": "image/svg+xml",
	} {
		answer := ask(t, site, http.MethodGet, target)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != want || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is answered with %d, %v", target, answer.StatusCode, answer.Header)
		}
	}
	for name, f := range newSite("").files {
		if f.contentType == "application/octet-stream" && path.Base(name) != "LICENSE" {
			t.Errorf("%s has no content type: name its extension in contentTypes", name)
		}
	}
}

func TestFilesUnderTheVersionOfTheBuildAreKeptForEver(t *testing.T) {
	t.Parallel()
	site := newSite("")
	page := string(site.index.data)
	for _, name := range []string{"js/app.js", "js/boot.js", "css/tokens.css", "icon.svg"} {
		target := prefix + "@" + site.version + "/" + name
		if !strings.Contains(page, `"`+target+`"`) {
			t.Errorf("the page does not ask for %s", target)
		}
		answer := ask(t, site, http.MethodGet, target)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s is answered with %d, %v", target, answer.StatusCode, answer.Header)
		}
		if answer := ask(t, site, http.MethodGet, prefix+name); answer.StatusCode != http.StatusOK || answer.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s without the version is answered with %d, %v", name, answer.StatusCode, answer.Header)
		}
	}
	if other := newSite("data"); other.version != site.version {
		t.Error("the version is not one of the files")
	}
}

func TestWhatACacheHoldsIsNotSentAgain(t *testing.T) {
	t.Parallel()
	site := Handler()
	for _, target := range []string{"/", "/assets/js/app.js"} {
		for _, coding := range []string{"identity", "gzip"} {
			etag := ask(t, site, http.MethodGet, target, "Accept-Encoding", coding).Header.Get("ETag")
			for _, given := range []string{etag, `"other", W/` + etag, "*"} {
				answer := ask(t, site, http.MethodGet, target, "Accept-Encoding", coding, "If-None-Match", given)
				if body := bodyOf(t, answer); answer.StatusCode != http.StatusNotModified || body != "" || answer.Header.Get("ETag") != etag {
					t.Errorf("%s with If-None-Match: %s is answered with %d, %v", target, given, answer.StatusCode, answer.Header)
				}
			}
			if answer := ask(t, site, http.MethodGet, target, "Accept-Encoding", coding, "If-None-Match", `"other"`); answer.StatusCode != http.StatusOK {
				t.Errorf("%s with a stale tag is answered with %d", target, answer.StatusCode)
			}
		}
	}
}

func TestFilesArePackedForThoseWhoUnpack(t *testing.T) {
	t.Parallel()
	site := Handler()
	plain := bodyOf(t, ask(t, site, http.MethodGet, "/assets/js/app.js"))
	for _, accept := range []string{"gzip", "br, gzip;q=0.5", "deflate, GZIP"} {
		answer := ask(t, site, http.MethodGet, "/assets/js/app.js", "Accept-Encoding", accept)
		if answer.Header.Get("Content-Encoding") != "gzip" || answer.Header.Get("Vary") != "Accept-Encoding" {
			t.Fatalf("Accept-Encoding: %s is answered with %v", accept, answer.Header)
		}
		unpacked, err := gzip.NewReader(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(unpacked); err != nil || string(data) != plain {
			t.Errorf("unpacked it is another file (%v)", err)
		}
	}
	for _, accept := range []string{"", "br", "gzip;q=0", "gzip; q=0.0", "gzip;q=x"} {
		if answer := ask(t, site, http.MethodGet, "/assets/js/app.js", "Accept-Encoding", accept); answer.Header.Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding: %q is answered packed", accept)
		}
	}
}

func TestTheStudioShowsThePageOfDataAlone(t *testing.T) {
	t.Parallel()
	site := Studio()
	for _, target := range []string{"/", "/data"} {
		if answer := ask(t, site, http.MethodGet, target); answer.StatusCode != http.StatusOK || !strings.Contains(bodyOf(t, answer), `data-only="data"`) {
			t.Errorf("%s is answered with %d", target, answer.StatusCode)
		}
	}
	for _, target := range []string{"/system", "/collectors/7", "/market"} {
		if answer := ask(t, site, http.MethodGet, target); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered with %d", target, answer.StatusCode)
		}
	}
	if answer := ask(t, site, http.MethodGet, "/assets/js/app.js"); answer.StatusCode != http.StatusOK {
		t.Errorf("its files are answered with %d", answer.StatusCode)
	}
}

// sources gives our own files by name: without what others wrote.
func sources(t *testing.T, ext ...string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "assets/vendor/") || !slices.Contains(ext, path.Ext(name)) {
			return err
		}
		data, err := embedded.ReadFile(name)
		found[strings.TrimPrefix(name, "assets/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var hostNamed = regexp.MustCompile(`(?i)(?:https?|wss?):?//[a-z0-9.-]+|["'(]//[a-z0-9.-]+\.[a-z]`)

// namespaces are names in the form of an address, which nobody asks.
var namespaces = []string{"http://www.w3.org"}

// links are addresses that only the reader goes to, by file: the chart's licence asks for its one.
var links = map[string]string{"js/pages/market.js": "https://www.tradingview.com"}

func TestNoFileNamesAnotherHost(t *testing.T) {
	t.Parallel()
	for name, text := range sources(t, ".html", ".css", ".js", ".json", ".svg") {
		for _, found := range hostNamed.FindAllString(text, -1) {
			if !slices.Contains(namespaces, found) && found != links[name] {
				t.Errorf("%s names %s", name, found)
			}
		}
	}
}

// Code of others may hold addresses in its comments and notices; it must not load from them.
var loading = regexp.MustCompile(`(?i)(?:import|fetch|EventSource|WebSocket|importScripts|sendBeacon)\s*\(?\s*["'` + "`" + `](?:https?:|wss?:)?//|@import|\bsrc\s*=\s*["'](?:https?:)?//|\beval\s*\(|new Function\s*\(`)

func TestVendoredFilesLoadNothingAndBuildNoCode(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(name, "assets/vendor/") || !strings.HasSuffix(name, "js") {
			return err
		}
		data, err := embedded.ReadFile(name)
		for _, found := range loading.FindAll(data, -1) {
			t.Errorf("%s holds %q", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestThePageHoldsNoScriptAndNoStyle(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?is)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	for name, text := range sources(t, ".html", ".svg") {
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s holds %q, which the policy refuses", name, found)
		}
	}
	markup := regexp.MustCompile(`\.(?:innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write|\beval\(|new Function\(|setAttribute\('style'`)
	for name, text := range sources(t, ".js") {
		if found := markup.FindString(text); found != "" {
			t.Errorf("%s holds %q: text must not become markup", name, found)
		}
	}
}

func words(t *testing.T, lang string) map[string]string {
	t.Helper()
	data, err := embedded.ReadFile("assets/i18n/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	read := json.NewDecoder(bytes.NewReader(data))
	if err := read.Decode(&found); err != nil {
		t.Fatalf("i18n/%s.json: %v", lang, err)
	}
	if n := strings.Count(string(data), "\": \""); n != len(found) {
		t.Errorf("i18n/%s.json has %d entries and %d keys: one stands there twice", lang, n, len(found))
	}
	return found
}

func TestBothLanguagesSayTheSameThings(t *testing.T) {
	t.Parallel()
	es, en := words(t, "es"), words(t, "en")
	param := regexp.MustCompile(`\{\w+\}`)
	params := func(text string) []string {
		return slices.Compact(slices.Sorted(slices.Values(param.FindAllString(text, -1))))
	}
	for _, key := range slices.Sorted(maps.Keys(es)) {
		switch english, known := en[key]; {
		case !known:
			t.Errorf("%s is missing in English", key)
		case strings.TrimSpace(es[key]) == "" || strings.TrimSpace(english) == "":
			t.Errorf("%s says nothing", key)
		case !slices.Equal(params(es[key]), params(english)):
			t.Errorf("%s has other parameters in Spanish %v than in English %v", key, params(es[key]), params(english))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(en)) {
		if _, known := es[key]; !known {
			t.Errorf("%s is missing in Spanish", key)
		}
	}
}

// fixedKey finds t('a.key'), data-t="a.key" and data-t-label="a.key"; builtKey finds t(`a.${b}`).
var (
	fixedKey = regexp.MustCompile(`\bt\('([\w.]+)'|\bdata-t(?:-label)?="([\w.]+)"|\? '([a-z]\w*\.[\w.]+)' : '([a-z]\w*\.[\w.]+)'`)
	builtKey = regexp.MustCompile("\\bt\\(`([\\w.]*)\\$\\{")
)

func TestEverySentenceThatAPageSaysIsKnown(t *testing.T) {
	t.Parallel()
	known := slices.Sorted(maps.Keys(words(t, "en")))
	said := func(key string) bool {
		return slices.Contains(known, key) || (slices.Contains(known, key+".one") && slices.Contains(known, key+".other"))
	}
	count := 0
	for name, text := range sources(t, ".js", ".html") {
		for _, found := range fixedKey.FindAllStringSubmatch(text, -1) {
			for _, key := range found[1:] {
				if count++; key != "" && !said(key) {
					t.Errorf("%s says %s, which stands in no dictionary", name, key)
				}
			}
		}
		for _, found := range builtKey.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(known, func(key string) bool { return strings.HasPrefix(key, found[1]) }) {
				t.Errorf("%s says %s…, with which no key begins", name, found[1])
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d sentences were found: the pattern looks for the wrong thing", count)
	}
}

func TestEveryFileThatIsReferredToIsThere(t *testing.T) {
	t.Parallel()
	site := newSite("")
	have := func(name string) bool { return site.files[name] != nil }
	for _, found := range regexp.MustCompile(`(?:href|src)="/assets/([^"]+)"`).FindAllStringSubmatch(sources(t, ".html")["index.html"], -1) {
		if !have(found[1]) {
			t.Errorf("index.html asks for %s, which is not there", found[1])
		}
	}
	imports := regexp.MustCompile(`(?m)(?:^import[^'"]*|^export[^'"]*from |import\()['"]([^'"]+)['"]|new URL\('([^'$]+)', import\.meta\.url\)`)
	for name, text := range sources(t, ".js") {
		for _, found := range imports.FindAllStringSubmatch(text, -1) {
			target := found[1] + found[2]
			if !strings.HasPrefix(target, ".") {
				t.Errorf("%s imports %s: only relative addresses carry the version of the build", name, target)
			} else if !have(path.Join(path.Dir(name), target)) {
				t.Errorf("%s refers to %s, which is not there", name, target)
			}
		}
	}
	for _, found := range regexp.MustCompile(`page: '(\w+)'`).FindAllStringSubmatch(sources(t, ".js")["js/router.js"], -1) {
		if !have("js/pages/" + found[1] + ".js") {
			t.Errorf("the router has a page %s, which is not there", found[1])
		}
	}
}

func TestTheRouterAndTheServerKnowTheSamePages(t *testing.T) {
	t.Parallel()
	site := newSite("")
	for _, found := range regexp.MustCompile(`path: '([^']+)'`).FindAllStringSubmatch(sources(t, ".js")["js/router.js"], -1) {
		target := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(found[1], "x")
		if !site.page(target) {
			t.Errorf("the router shows %s, which the server does not answer", found[1])
		}
	}
}
