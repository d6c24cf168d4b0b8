package server

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheDescriptionListsEveryCallWithItsErrors(t *testing.T) {
	t.Parallel()
	h := build(t, withMetrics, newShelf(t).on, withSymbols, withSystem)
	r := h.get("/openapi.json")
	var doc struct {
		OpenAPI string
		Info    struct{ Title, Version string }
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Parameters  []struct{ Name, In, Description string }
			RequestBody *struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Responses map[string]struct {
				Description string
				Content     map[string]struct{ Schema map[string]any }
			}
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil || r.status != 200 {
		t.Fatalf("%d: %v", r.status, err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Title != "velador" || doc.Info.Version != "1.2.3" {
		t.Errorf("it is OpenAPI %s of %v", doc.OpenAPI, doc.Info)
	}
	const reading, changing = "200 400 401 413 421 429 500 503", "200 400 401 403 413 421 429 500 503"
	want := map[string]string{ // call: statuses
		"get /api/collectors/status":       reading,
		"get /api/collectors":              reading,
		"post /api/collectors/start":       changing + " 409",
		"post /api/collectors/stop":        changing + " 404 409",
		"post /api/collectors/stop-all":    changing,
		"get /api/collectors/{id}":         reading + " 404",
		"get /api/collectors/{id}/history": reading + " 404",
		"get /api/collectors/{id}/logs":    reading + " 404",
		"post /api/collectors/restart":     changing + " 404 409",
		"get /api/candles":                 reading,
		"get /api/candles/stream":          reading,
		"get /api/events":                  reading,
		"get /api/symbols":                 reading,
		"get /api/series":                  reading,
		"get /api/data":                    reading,
		"get /api/data/{table}":            reading + " 404",
		"get /api/system":                  reading,
		"get /api/coverage":                reading,
		"get /healthz":                     "200 400 413 429 500 503",
		"get /readyz":                      "200 400 413 429 500 503",
		"get /metrics":                     reading,
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			call := method + " " + path
			statuses, ok := want[call]
			if !ok {
				t.Errorf("it describes %s, which this test does not know", call)
			}
			delete(want, call)
			if op.OperationID == "" || op.Summary == "" || len(op.Responses) != len(strings.Fields(statuses)) {
				t.Errorf("%s: id %q, summary %q, %d answers", call, op.OperationID, op.Summary, len(op.Responses))
			}
			for status := range strings.FieldsSeq(statuses) {
				answer, ok := op.Responses[status]
				content := "application/json"
				switch {
				case status != "200":
				case path == "/metrics":
					content = "text/plain"
				case path == "/api/events" || path == "/api/candles/stream":
					content = "text/event-stream"
				}
				switch schema := answer.Content[content].Schema; {
				case !ok || schema == nil:
					t.Errorf("%s lacks the answer %s in %s", call, status, content)
				case status != "200" && schema["anyOf"] != nil && (call == "get /readyz" || strings.HasSuffix(call, "-all")):
				case status != "200" && schema["$ref"] != "#/components/schemas/ErrorAnswer":
					t.Errorf("%s answers %s with %v", call, status, schema)
				case status != "200" && !strings.Contains(answer.Description, "_") && !strings.Contains(answer.Description, "internal") && !strings.Contains(answer.Description, "unauthorized"):
					t.Errorf("%s names no codes for %s: %s", call, status, answer.Description)
				}
			}
			if method == "post" && (op.RequestBody == nil || op.RequestBody.Content["application/json"].Schema == nil) {
				t.Errorf("%s describes no body", call)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s does not explain %s", call, p.Name)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("it lacks %v", want)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/schemas/(\w+)"`).FindAllStringSubmatch(r.body, -1) {
		if _, ok := doc.Components.Schemas[ref[1]]; !ok {
			t.Errorf("it refers to the schema %s, which it lacks", ref[1])
		}
	}
	if since := doc.Components.Schemas["StartRequest"].Properties["since"]; since["oneOf"] == nil {
		t.Errorf("since is described as %v", since)
	}
	if started := doc.Components.Schemas["CollectorStatus"].Properties["startedAt"]; started["format"] != "date-time" || started["type"] != "string" {
		t.Errorf("startedAt is described as %v", started)
	}
	if got := doc.Components.Schemas["StartRequest"].Required; len(got) != 2 {
		t.Errorf("a start requires %v", got)
	}
	for _, name := range []string{"CollectorStatus", "Memory", "LastExit", "LastCandle", "Life", "StoppedCollector", "FailedStop", "StoredSeries", "TableColumn"} {
		schema := doc.Components.Schemas[name]
		if len(schema.Properties) == 0 {
			t.Errorf("it lacks %s", name)
		}
		for member, property := range schema.Properties {
			if _, refers := property["$ref"]; property["description"] == nil && !refers || property["examples"] == nil && !refers {
				t.Errorf("%s.%s is not explained by words and an example: %v", name, member, property)
			}
		}
	}
	for _, member := range []string{"nextAttempt", "lastExit", "lastCandle", "lastError", "stoppedAt"} {
		if slices.Contains(doc.Components.Schemas["CollectorStatus"].Required, member) {
			t.Errorf("%s is said to be always there", member)
		}
	}
	if r := h.get("/openapi.yaml"); r.status != 200 || !strings.HasPrefix(r.body, "components:") {
		t.Errorf("the YAML form is %d %.100s", r.status, r.body)
	}
}

// TestTheDocsPageAsksNoOtherHost: neither the page nor what it loads names one, and its policy
// forbids the browser to ask any.
func TestTheDocsPageAsksNoOtherHost(t *testing.T) {
	t.Parallel()
	h := build(t)
	page := h.get("/docs")
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("the page is %d %v", page.status, page.header)
	}
	foreign := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]`)
	for _, text := range []string{page.body, h.get("/docs/start.js").body} {
		if found := foreign.FindString(text); found != "" {
			t.Errorf("the page names another host: %s", found)
		}
	}
	// A style sheet asks by url(…) and @import only.
	css := h.get("/docs/swagger-ui.css").body
	for _, url := range regexp.MustCompile(`(?i)url\([^)]{0,40}|@import[^;]{0,80}`).FindAllString(css, -1) {
		if !strings.HasPrefix(strings.TrimLeft(url[4:], `"'`), "data:") {
			t.Errorf("the style sheet asks for %s", url)
		}
	}
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %s", policy)
	}
	references := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(references) < 4 {
		t.Errorf("the page refers to %v", references)
	}
	for _, reference := range references {
		plain, packed := h.get("/"+reference[1]), h.get("/"+reference[1], "Accept-Encoding", "gzip")
		if plain.status != 200 || len(plain.body) < 100 || packed.status != 200 || len(packed.body) > len(plain.body) {
			t.Errorf("%s: %d with %d bytes, gzipped %d with %d", reference[1], plain.status, len(plain.body), packed.status, len(packed.body))
		}
	}
}

func TestTheRootLeadsToTheDocsWhereThereIsNoDashboard(t *testing.T) {
	t.Parallel()
	r := build(t).get("/")
	if r.status != 302 || r.header.Get("Location") != "/docs" {
		t.Errorf("the root answers %d %s", r.status, r.header.Get("Location"))
	}
}
