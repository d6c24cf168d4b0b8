// Package apigen writes what follows from the OpenAPI description of velador's API: the requests of
// package client, and the page docs/API.md. It reads the description alone and knows nothing of the
// server. docs/decisions/011-a-generator-of-our-own.md says why no other generator does it.
package apigen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// document is what both need of a description.
type document struct {
	Info struct{ Description string }
	Tags []struct{ Name, Description string }
	// Paths has the operations of each path by their method in lower case.
	Paths      map[string]map[string]*operation
	Components struct {
		Schemas         map[string]*schema
		Examples        map[string]*failure
		SecuritySchemes map[string]struct{ Type, Scheme, Name, Description string }
	}
	Order            []string `json:"x-order"` // ids of operations
	EveryCall        []string `json:"x-every-call"`
	EveryGuardedCall []string `json:"x-every-guarded-call"`
	EveryChange      []string `json:"x-every-change"`

	operations []*operation // in that order
}

type operation struct {
	ID          string `json:"operationId"`
	Summary     string
	Description string
	Tags        []string
	Parameters  []*parameter
	RequestBody *struct {
		Required bool
		Content  map[string]*content
	}
	Responses map[string]*struct{ Content map[string]*content }

	method, path string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               any
}

// content is a body in one content type.
type content struct {
	Schema   *schema
	Example  json.RawMessage
	Examples map[string]*struct{} // of errors, by code: their values stand in the components
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 types
	Format               string
	Description          string
	Enum                 []any
	Default              any
	Minimum, Maximum     *json.Number
	Items                *schema
	OneOf, AnyOf         []*schema
	Properties           map[string]*schema
	AdditionalProperties json.RawMessage
	Required             []string
	Order                []string `json:"x-order"`
	Events               []event  `json:"x-events"`
}

type event struct {
	Name, Description string
	Schema            *schema
}

// failure is the example of an error; its summary is the sentence.
type failure struct {
	Summary string
	Value   json.RawMessage
}

// types are the types that a value may have; a schema that allows one writes it without a list.
type types []string

func (t *types) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*t = make(types, 1)
		return json.Unmarshal(data, &(*t)[0])
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// read reads a description.
func read(description []byte) (*document, error) {
	d := new(document)
	dec := json.NewDecoder(bytes.NewReader(description))
	dec.UseNumber()
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("reading the description: %w", err)
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			if op.ID == "" || len(op.Tags) == 0 {
				return nil, fmt.Errorf("%s %s has no id, or no tag", op.method, path)
			}
			d.operations = append(d.operations, op)
		}
	}
	slices.SortFunc(d.operations, func(a, b *operation) int {
		return cmp.Or(cmp.Compare(slices.Index(d.Order, a.ID), slices.Index(d.Order, b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return d, nil
}

// body gives the JSON body of a request; nil when it has none.
func (o *operation) body() *content {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Content[mediaJSON]
}

// answer gives the answer in a content type; nil when there is none.
func (o *operation) answer(media string) *content {
	if o.Responses["200"] == nil {
		return nil
	}
	return o.Responses["200"].Content[media]
}

// The content types that are treated alike nowhere.
const (
	mediaJSON   = "application/json"
	mediaEvents = "text/event-stream"
)

// name gives the name of the schema that is referred to; "" when it is written out.
func (s *schema) name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }
