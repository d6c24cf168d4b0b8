package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	invalidity "github.com/pb33f/libopenapi-validator/errors"
)

// referee holds what the server answers against what it says of itself. Every answer that a test of this
// package gets passes by it.
type referee struct {
	mu        sync.Mutex // the validator's own words on concurrency are few
	validator validator.Validator
	described described
}

// described is the description as far as tests look into it.
type described struct {
	Paths map[string]map[string]struct {
		OperationID string
		Responses   map[string]struct {
			Content map[string]struct {
				Schema struct {
					Events []struct {
						Name   string
						Schema map[string]any
					} `json:"x-events"`
				}
				Examples map[string]any
			}
		}
	}
}

// theReferee is one for all tests: to read the description takes longer than most of them.
var theReferee = sync.OnceValues(func() (*referee, error) {
	data, err := Describe("test")
	if err != nil {
		return nil, err
	}
	j := new(referee)
	if err := json.Unmarshal(data, &j.described); err != nil {
		return nil, err
	}
	// An event is no answer of HTTP's: to be judged by the same means, each has a path of its own.
	var whole map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	paths, _ := whole["paths"].(map[string]any)
	for _, methods := range j.described.Paths {
		for _, op := range methods {
			for _, e := range op.Responses["200"].Content["text/event-stream"].Schema.Events {
				paths[eventPath(op.OperationID, e.Name)] = map[string]any{"get": map[string]any{"responses": map[string]any{"200": map[string]any{
					"description": "an event", "content": map[string]any{"application/json": map[string]any{"schema": e.Schema}},
				}}}}
			}
		}
	}
	whole["servers"] = []any{map[string]any{"url": "/"}}
	if data, err = json.Marshal(whole); err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	var faults []error
	j.validator, faults = validator.NewValidator(document, config.WithFormatAssertions())
	return j, errors.Join(faults...)
})

func eventPath(operation, event string) string { return "/events-of/" + operation + "/" + event }

// operation finds what is described for a path.
func (d *described) operation(method, path string) (pattern string, found bool) {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for candidate, methods := range d.Paths {
		_, has := methods[strings.ToLower(method)]
		parts := strings.Split(candidate, "/")
		if !has || len(parts) != len(segments) {
			continue
		}
		same, fixed := true, true
		for i, part := range parts {
			switch {
			case !strings.HasPrefix(part, "{"):
				same = same && part == segments[i]
			case segments[i] == "":
				same = false
			default:
				fixed = false
			}
		}
		if same && (fixed || !found) {
			pattern, found = candidate, true
			if fixed {
				break
			}
		}
	}
	return pattern, found
}

// answer judges an answer that was read whole.
func (j *referee) answer(t testing.TB, method, path string, r reply) {
	t.Helper()
	pattern, found := j.described.operation(method, path)
	op := j.described.Paths[pattern][strings.ToLower(method)]
	media, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	content, ok := op.Responses[fmt.Sprint(r.status)].Content[media]
	code := codeOf(r)
	_, listed := content.Examples[code]
	if !found || r.header.Get("Location") != "" || !listed && (code == "route_not_found" || code == "method_not_allowed") {
		return // no call of this server's API, or a page that a browser wanted
	}
	if !ok {
		t.Errorf("%s %s answers %d in %s, which is not described: %.200s", method, path, r.status, media, r.body)
		return
	}
	switch {
	case r.status != http.StatusOK:
		if !listed {
			t.Errorf("%s %s answers %d %s, which is not described", method, path, r.status, code)
		}
	case media == "text/event-stream":
		for text := range strings.SplitSeq(r.body, "\n\n") {
			if e := parseEvent(text); e != (sseEvent{}) {
				j.event(t, path, e)
			}
		}
		return
	case media != "application/json":
		return
	}
	j.body(t, method, path, r.status, r.header, r.body)
}

// codeOf gives the code of an error. The one that the contract writes out whole has none.
func codeOf(r reply) string {
	var members struct {
		Code string
		PID  int
	}
	if json.Unmarshal([]byte(r.body), &members) == nil && members.Code == "" && members.PID != 0 && r.status == http.StatusNotFound {
		return "collector_not_found"
	}
	return members.Code
}

// parseEvent reads one event as it came over the wire.
func parseEvent(text string) (e sseEvent) {
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		}
	}
	return e
}

// event judges one event of a stream.
func (j *referee) event(t testing.TB, path string, e sseEvent) {
	t.Helper()
	var pattern string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if found, ok := j.described.operation(method, path); ok {
			pattern = found
		}
	}
	for _, op := range j.described.Paths[pattern] {
		name, data := e.name, e.data
		if name == "" {
			name = "message"
		}
		for _, known := range op.Responses["200"].Content["text/event-stream"].Schema.Events {
			if known.Name != name {
				continue
			}
			if known.Schema["type"] == "string" {
				return // plain text
			}
			j.body(t, http.MethodGet, eventPath(op.OperationID, name), http.StatusOK, http.Header{"Content-Type": {"application/json"}}, data)
			return
		}
	}
	t.Errorf("%s sends the event %q, which is not described", path, e.name)
}

// body judges a JSON body.
func (j *referee) body(t testing.TB, method, path string, status int, header http.Header, body string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := httptest.NewRequest(method, "http://localhost"+path, nil)
	if ok, faults := j.validator.ValidateHttpResponse(asked, &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}); !ok {
		t.Errorf("%s %s answers %d with a body that is not as described:%s\n%.600s", method, path, status, tell(faults), body)
	}
}

// tell puts into words what is not as described.
func tell(faults []*invalidity.ValidationError) string {
	var text strings.Builder
	for _, fault := range faults {
		fmt.Fprintf(&text, "\n  %s: %s", fault.Message, fault.Reason)
		for _, one := range fault.SchemaValidationErrors {
			fmt.Fprintf(&text, "\n    %s: %s", one.FieldPath, one.Reason)
		}
	}
	return text.String()
}
