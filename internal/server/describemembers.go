package server

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// finish adds to a call what huma does not know: its body, which to huma is any bytes, an example where it
// has found the answer itself, and of its parameters what follows from the tags of input.
func (d *description) finish(r route, input reflect.Type) {
	item := d.api.OpenAPI().Paths[r.path]
	op := item.Get
	if r.method == http.MethodPost {
		op = item.Post
	}
	if r.body != nil {
		op.RequestBody = &huma.RequestBody{Required: !r.bodyOptional, Content: map[string]*huma.MediaType{"application/json": d.content(r.body)}}
	}
	registry := d.api.OpenAPI().Components.Schemas
	for _, content := range op.Responses["200"].Content {
		if content.Example == nil && content.Schema != nil && content.Schema.Ref != "" {
			content.Example = d.examples[registry.TypeFromRef(content.Schema.Ref)]
		}
	}
	for _, field := range reflect.VisibleFields(input) {
		for _, p := range op.Parameters {
			if p.Name == field.Tag.Get(p.In) {
				describeParameter(p, field.Tag.Get("unset"))
			}
		}
	}
}

// describeParameter tells the type of a parameter, which to huma is a text: one with a least value is a
// whole number, and one that is false or true is a boolean. unset is what is meant where it is left out.
func describeParameter(p *huma.Param, unset string) {
	read := func(text string) any { return text }
	switch schema := p.Schema; {
	case schema.Minimum != nil:
		schema.Type = huma.TypeInteger
		read = func(text string) any { return json.Number(text) }
	case len(schema.Enum) == 2 && schema.Enum[0] == "false":
		schema.Type, schema.Enum = huma.TypeBoolean, nil
		read = func(text string) any { return text == "true" }
	}
	if unset != "" {
		p.Schema.Default = read(unset)
	}
	for i, example := range p.Schema.Examples {
		text, _ := example.(string)
		p.Schema.Examples[i] = read(text)
	}
	if p.Required { // the page of /docs asks with the examples that stand at parameters
		p.Example, p.Schema.Examples = p.Schema.Examples[0], nil
	}
	p.Schema.Description = "" // it stands at the parameter
}

// complete ends a description, when all calls are in it: it notes how they, and the members of each schema,
// follow each other, which JSON objects do not tell.
func (d *description) complete() {
	d.api.OpenAPI().Extensions["x-order"] = d.order
	registry := d.api.OpenAPI().Components.Schemas
	delete(registry.Map(), "ErrorModel") // huma's own errors, of which none is answered
	delete(registry.Map(), "ErrorDetail")
	for name, schema := range registry.Map() {
		t := registry.TypeFromRef("#/components/schemas/" + name)
		if t == nil || t.Kind() != reflect.Struct || len(schema.Properties) < 2 {
			continue
		}
		var names []string
		for _, field := range reflect.VisibleFields(t) {
			member, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if _, known := schema.Properties[member]; known {
				names = append(names, member)
			}
		}
		if names != nil {
			schema.Extensions = map[string]any{"x-order": names}
		}
	}
}

// alsoMillis lets a text member of a request be a number of epoch milliseconds too.
func (d *description) alsoMillis(request reflect.Type, member string) {
	text := d.api.OpenAPI().Components.Schemas.Map()[request.Name()].Properties[member]
	text.Type = ""
	text.OneOf = []*huma.Schema{{Type: "string"}, {Type: "integer", Format: "int64"}}
}
