package server

import (
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"velador/api"
)

// eventStream describes Server-Sent Events: in words, by an example, and in x-events for programs, since
// OpenAPI 3.1 knows nothing of them.
func (d *description) eventStream(events []event) *huma.MediaType {
	type described struct {
		Name        string       `json:"name"`
		Description string       `json:"description"`
		Schema      *huma.Schema `json:"schema"`
	}
	registry := d.api.OpenAPI().Components.Schemas
	var list []described
	var said, shown []string
	for _, e := range append(events[:len(events):len(events)], event{"error", nil, "it broke off, for a reason that the data names"}) {
		one, words := described{e.name, e.text, &huma.Schema{Type: "string"}}, e.name+" (text)"
		if e.name == "" {
			one.Name, words = "message", "message (text)" // what a browser calls those without a name
		}
		switch {
		case e.data != nil:
			one.Schema, words = registry.Schema(e.data, true, e.data.Name()), e.name+" ("+e.data.Name()+")"
		case e.name == "trouble" || e.name == "error":
			one.Schema, words = errorSchema(registry), e.name+" (ErrorAnswer)"
		}
		list, said = append(list, one), append(said, words)
		shown = append(shown, d.showEvent(e))
	}
	return &huma.MediaType{
		Schema: &huma.Schema{
			Type:        "string",
			Description: "Server-Sent Events: " + strings.Join(said, ", ") + ". Lines that begin with a colon are signs of life.",
			Extensions:  map[string]any{"x-events": list},
		},
		// error is not shown: it would stand behind an end.
		Example: ": velador\n\n" + strings.Join(shown[:len(shown)-1], ""),
	}
}

// showEvent gives an event as a client sees it.
func (d *description) showEvent(e event) string {
	var value any
	switch {
	case e.name == "end":
		return eventText("end", "")
	case e.name == "":
		return eventText("", "12:00:00 INFO live series=ETHUSDT/1m")
	case e.data == nil:
		value = exampleOfFailure(api.CodeDatabaseUnavailable).Value
	default:
		value = d.examples[e.data]
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "" // the types of package api can be written
	}
	text := eventText(e.name, string(data))
	if c, ok := value.(api.Candle); ok && e.name == "closed" {
		text = "id: " + itoa(c.OpenTime) + "\n" + text
	}
	return text
}
