package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/api"
	"velador/internal/problem"
)

const (
	tagCollectors = "collectors"
	tagCandles    = "candles"
	tagData       = "data"
	tagOperation  = "operation"
)

// route describes one call for the mux, for OpenAPI and for people.
type route struct {
	method, path, id, tag string
	summary, text         string
	body                  reflect.Type   // of the request; nil when there is none
	bodyOptional          bool           // it may be left out
	answer                reflect.Type   // in JSON, where the handler writes the answer itself; nil: huma sees it, or there is none
	answerAlso            string         // a further content type that the handler writes; "" for none
	events                []event        // of an answer that is, or may be, a stream of Server-Sent Events
	fails                 []problem.Code // beside common
}

// event is one kind of Server-Sent Events.
type event struct {
	name string       // "" for those without one
	data reflect.Type // in JSON; nil: plain text
}

// describeEvents puts a stream of events into words, and its data where programs find it.
func describeEvents(registry huma.Registry, events []event) *huma.Schema {
	schemas := map[string]any{}
	var said []string
	for _, e := range events {
		name, data := e.name, &huma.Schema{Type: "string"}
		if name == "" {
			name = "message" // what a browser calls it
		}
		words := name + " (text)"
		if e.data != nil {
			data = registry.Schema(e.data, true, e.data.Name())
			words = name + " (" + e.data.Name() + ")"
		}
		said = append(said, words)
		schemas[name] = data
	}
	schemas["end"], schemas["error"] = &huma.Schema{Type: "string"}, errorSchema(registry)
	return &huma.Schema{
		Type:        "string",
		Description: "Server-Sent Events: " + strings.Join(said, ", ") + ", and at last end, or error (ErrorAnswer). Lines that begin with a colon are signs of life.",
		Extensions:  map[string]any{"x-events": schemas},
	}
}

// common are the problems that every call may meet.
var common = []problem.Code{
	problem.CodeBodyTooLarge, problem.CodeInvalidBody, problem.CodeInvalidParameter, problem.CodeInternal, problem.CodeShuttingDown,
}

// kinds gives the kind of each code that a description names: with it statusOf knows the status.
// What is not here is the caller's mistake.
var kinds = map[problem.Code]problem.Kind{
	problem.CodeInternal:            problem.Internal,
	problem.CodeAlreadyRunning:      problem.Conflict,
	problem.CodeCollectorNotFound:   problem.NotFound,
	problem.CodeAmbiguousPID:        problem.Conflict,
	problem.CodeCollectorFailed:     problem.Internal,
	problem.CodeStopFailed:          problem.Internal,
	problem.CodeRestartFailed:       problem.Internal,
	api.CodeStopAllFailed:           problem.Internal,
	problem.CodeExchangeUnavailable: problem.Unavailable,
	problem.CodeExchangeNonsense:    problem.Unavailable,
	problem.CodeExchangeBanned:      problem.Banned,
	problem.CodeDatabaseUnavailable: problem.Unavailable,
	problem.CodeBusUnavailable:      problem.Unavailable,
	problem.CodeShuttingDown:        problem.Unavailable,
	api.CodeNotReady:                problem.Unavailable,
	problem.CodeSeriesNotFound:      problem.NotFound,
	api.CodeVerifying:               problem.Conflict,
	api.CodeTooManyVerifications:    problem.Unavailable,
}

// description is the API as huma sees it.
type description struct {
	api huma.API
	// fixed gives the one method of each path without a placeholder. The mux alone would take
	// GET /api/collectors/start for the collector named start.
	fixed map[string]string
}

// newDescription makes an API that adds nothing to the contract's answers: no $schema member, no
// Link header, no formats but JSON, no routes of huma's own (it builds its OpenAPI pages lazily and
// without a lock).
func newDescription(mux *http.ServeMux, version string) *description {
	if version == "" {
		version = "development"
	}
	format := huma.Format{Marshal: marshalJSON, Unmarshal: json.Unmarshal}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "velador",
				Version: version,
				Description: "Market-data collectors that never stop, and the candles they bring home. " +
					"Sentences are Spanish, or English with Accept-Language: en. Every error has the shape {\"error\": \"…\", …}; " +
					"its member code is for programs.",
			},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
			Tags: []*huma.Tag{
				{Name: tagCollectors, Description: "Processes that follow markets."},
				{Name: tagCandles, Description: "What they brought home."},
				{Name: tagData, Description: "The tables of the database, for people: read-only."},
				{Name: tagOperation, Description: "For those who run velador."},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	}
	config.AllowAdditionalPropertiesByDefault = true // members that are not known are ignored
	return &description{api: humago.New(mux, config), fixed: map[string]string{}}
}

// marshalJSON writes a whole value or nothing. That the client has gone is not huma's to panic about.
func marshalJSON(w io.Writer, v any) error {
	var buf strings.Builder
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, _ = io.WriteString(w, buf.String())
	return nil
}

// register adds a call. huma reads the parameters as plain texts and judges nothing, so that every
// mistake is answered by our own words in the contract's shape; and so its package variable
// NewError, which would be state for the whole process, is never needed.
func register[I, O any](s *Server, d *description, r route, handle func(context.Context, *I) (*O, error)) {
	if !strings.Contains(r.path, "{") {
		d.fixed[r.path] = r.method
	}
	registry := d.api.OpenAPI().Components.Schemas
	op := huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Tags: []string{r.tag},
		Summary: r.summary, Description: r.text,
		SkipValidateParams: true, SkipValidateBody: true,
		Responses: map[string]*huma.Response{},
	}
	if r.body != nil {
		op.RequestBody = &huma.RequestBody{Required: !r.bodyOptional, Content: map[string]*huma.MediaType{
			"application/json": {Schema: registry.Schema(r.body, true, r.body.Name())},
		}}
	}
	if r.answer != nil || r.answerAlso != "" || r.events != nil {
		content := map[string]*huma.MediaType{}
		if r.answer != nil {
			content["application/json"] = &huma.MediaType{Schema: registry.Schema(r.answer, true, r.answer.Name())}
		}
		if r.answerAlso != "" {
			content[r.answerAlso] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
		}
		if r.events != nil {
			content["text/event-stream"] = &huma.MediaType{Schema: describeEvents(registry, r.events)}
		}
		op.Responses["200"] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: content}
	}
	byStatus := map[int][]string{}
	for _, code := range slices.Concat(common, r.fails) {
		kind, ok := kinds[code]
		if !ok {
			kind = problem.Invalid
		}
		status := statusOf(&problem.Error{Kind: kind, Code: code})
		byStatus[status] = append(byStatus[status], string(code))
	}
	for status, codes := range byStatus {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: fmt.Sprintf("%s: %s", http.StatusText(status), strings.Join(codes, ", ")),
			Content:     map[string]*huma.MediaType{"application/json": {Schema: errorSchema(registry)}},
		}
	}
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return out, nil
	})
}

// errorSchema describes api.ErrorAnswer, which writes itself, once.
func errorSchema(registry huma.Registry) *huma.Schema {
	const name = "ErrorAnswer"
	if _, ok := registry.Map()[name]; !ok {
		registry.Map()[name] = &huma.Schema{
			Type:        "object",
			Description: "Every error. Further members depend on the code.",
			Required:    []string{"error"},
			Properties: map[string]*huma.Schema{
				"error": {Type: "string", Description: "A sentence for a person.", Examples: []any{sentences[problem.CodeCollectorNotFound].es}},
				"pid":   {Type: "integer", Description: "The process that it is about.", Examples: []any{12345}},
				"id":    {Type: "integer", Format: "int64", Description: "The collector that it is about.", Examples: []any{7}},
				"code":  {Type: "string", Description: "For programs; never renamed.", Examples: []any{api.CodeUnknownSymbol}},
			},
			AdditionalProperties: true,
		}
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// alsoMillis lets a text member of a request be a number of epoch milliseconds too.
func (d *description) alsoMillis(request reflect.Type, member string) {
	text := d.api.OpenAPI().Components.Schemas.Map()[request.Name()].Properties[member]
	text.Type = ""
	text.OneOf = []*huma.Schema{{Type: "string"}, {Type: "integer", Format: "int64"}}
}

// json gives a handler of the finished description. It is built now: later it would race.
func (d *description) json() http.HandlerFunc {
	data, err := json.Marshal(d.api.OpenAPI())
	return page(data, err, "application/json")
}

func (d *description) yaml() http.HandlerFunc {
	data, err := d.api.OpenAPI().YAML()
	return page(data, err, "application/yaml")
}

// page serves bytes that were built at the start; that they can be built is a matter of our own types.
func page(data []byte, err error, contentType string) http.HandlerFunc {
	if err != nil {
		panic("server: the description cannot be written: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(data) // the client may have gone
	}
}
