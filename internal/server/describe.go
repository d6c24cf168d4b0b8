package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/yaml"

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
	fails                 []problem.Code // beside those that every call may meet
	failsAlso             reflect.Type   // what a failure of its own has for a body, where that tells more than api.ErrorAnswer; nil for none
}

// event is one kind of Server-Sent Events.
type event struct {
	name string       // "" for those without one
	data reflect.Type // in JSON; nil: plain text
	text string       // what it tells
}

// ended is the last event of a stream that has an end.
var ended = event{"end", nil, "the last word: nothing else will come, and nobody need ask again"}

// description is the API as huma sees it.
type description struct {
	api huma.API
	// fixed gives the one method of each path without a placeholder. The mux alone would take
	// GET /api/collectors/start for the collector named start.
	fixed map[string]string
	// examples gives a value of each type that is asked or answered.
	examples map[reflect.Type]any
	order    []string // ids of the calls, as routes.go lists them
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
				Title: "velador", Version: version, Description: introduction,
				License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
			},
			// Relative to the description itself: a proxy may have put both under a path.
			Servers: []*huma.Server{{URL: "./", Description: "The server that this description comes from; http://localhost:3000 unless it was told otherwise."}},
			Tags: []*huma.Tag{
				{Name: tagCollectors, Description: "Processes that follow markets."},
				{Name: tagCandles, Description: "What they brought home."},
				{Name: tagData, Description: "The tables of the database, for people: read-only."},
				{Name: tagOperation, Description: "For those who run velador."},
			},
			Security: []map[string][]string{{"token": {}}, {"session": {}}},
			Components: &huma.Components{
				Schemas:  huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				Examples: map[string]*huma.Example{},
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "A token of the server's: VELADOR_TOKEN, VELADOR_READ_TOKEN, or one of VELADOR_TOKEN_FILE. " +
						"A server without tokens, which listens on its own machine only, asks for none."},
					"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "A browser's: the page /login changes a token for it, and /logout ends it. " +
						"Both answer with pages for people and are no part of this description."},
				},
			},
			Extensions: map[string]any{"x-every-call": everyCall, "x-every-guarded-call": everyGuardedCall, "x-every-change": everyChange},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	}
	config.AllowAdditionalPropertiesByDefault = true // members that are not known are ignored
	return &description{api: humago.New(mux, config), fixed: map[string]string{}, examples: examplesByType()}
}

// introduction stands before all calls.
const introduction = "Market-data collectors that never stop, and the candles they bring home.\n\n" +
	"Sentences are Spanish, or English with `Accept-Language: en`. Every error, whatever its status, is an object with the member `error`, a sentence for a person; " +
	"its member `code` is for programs, and keeps its name for ever. One error alone has no code, as existing clients expect it: the 404 of a collector that was asked for by its pid.\n\n" +
	"Instants in answers are RFC 3339 in UTC with milliseconds, times of candles epoch milliseconds, decimals strings with every digit. " +
	"Members that are not known are ignored in what is asked, and may come to what is answered. A GET may be a HEAD."

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
	d.order = append(d.order, r.id)
	op := huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Tags: []string{r.tag},
		Summary: r.summary, Description: r.text,
		SkipValidateParams: true, SkipValidateBody: true,
		Responses: map[string]*huma.Response{},
	}
	if isProbe(r.path) {
		op.Security = []map[string][]string{}
	}
	content := map[string]*huma.MediaType{}
	if r.answer != nil {
		content["application/json"] = d.content(r.answer)
	}
	if r.answerAlso != "" {
		content[r.answerAlso] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}, Example: exampleText(r.id)}
	}
	if r.events != nil {
		content["text/event-stream"] = d.eventStream(r.events)
	}
	op.Responses["200"] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: content}
	d.failures(&op, r)
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return out, nil
	})
	d.finish(r, reflect.TypeFor[I]())
}

// content describes a JSON body of a type, with an example.
func (d *description) content(t reflect.Type) *huma.MediaType {
	return &huma.MediaType{Schema: d.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name()), Example: d.examples[t]}
}

// pages give the finished description, as JSON and as YAML. Each is written once, when somebody asks for
// it: that takes longer than all the rest of a server's start.
func (d *description) pages() (asJSON, asYAML http.HandlerFunc) {
	whole := sync.OnceValues(func() ([]byte, error) { return json.Marshal(d.api.OpenAPI()) })
	converted := sync.OnceValues(func() ([]byte, error) {
		data, err := whole()
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		err = yaml.Convert(&text, bytes.NewReader(data))
		return text.Bytes(), err
	})
	return page(whole, "application/json"), page(converted, "application/yaml")
}

// page serves what is written on demand; that it can be written is a matter of our own types.
func page(write func() ([]byte, error), contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		data, err := write()
		if err != nil {
			panic("the description cannot be written: " + err.Error())
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(data) // the client may have gone
	}
}
