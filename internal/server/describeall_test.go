package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// whole is the description, with what makes it complete.
type whole struct {
	Servers  []struct{ URL, Description string }
	Security []map[string][]string
	Tags     []struct{ Name, Description string }
	Paths    map[string]map[string]struct {
		OperationID, Summary, Description string
		Tags                              []string
		Security                          *[]map[string][]string
		Parameters                        []struct {
			Name, In, Description string
			Schema                struct {
				Type     string
				Examples []any
			}
			Example any
		}
		RequestBody *struct{ Content map[string]exampled }
		Responses   map[string]struct{ Content map[string]exampled }
	}
	Components struct {
		Schemas map[string]struct {
			Properties map[string]map[string]any
		}
		Examples        map[string]struct{ Value json.RawMessage }
		SecuritySchemes map[string]struct{ Type, Scheme, In, Name, Description string }
	}
}

type exampled struct {
	Example  json.RawMessage
	Examples map[string]struct {
		Ref string `json:"$ref"`
	}
}

func describeWhole(t *testing.T) (w whole) {
	t.Helper()
	data, err := Describe("1.2.3")
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestTheDescriptionIsValidOpenAPI asks a validator that nobody here wrote.
func TestTheDescriptionIsValidOpenAPI(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"the whole": func() string { data, _ := Describe("1.2.3"); return string(data) }(), "a server's own": build(t).get("/openapi.json").body,
	} {
		document, err := libopenapi.NewDocument([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		v, faults := validator.NewValidator(document)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", name, faults)
		}
		if ok, faults := v.ValidateDocument(); !ok {
			t.Errorf("%s is no valid description:%s", name, tell(faults))
		}
	}
}

func TestTheDescriptionLeavesNothingUnsaid(t *testing.T) {
	t.Parallel()
	w := describeWhole(t)
	ids := map[string]bool{}
	for path, methods := range w.Paths {
		for method, op := range methods {
			call := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || op.Description == "" || len(op.Tags) != 1 {
				t.Errorf("%s: %+v", call, op)
			}
			ids[op.OperationID] = true
			if !slices.ContainsFunc(w.Tags, func(tag struct{ Name, Description string }) bool {
				return tag.Name == op.Tags[0] && tag.Description != ""
			}) {
				t.Errorf("%s has the tag %v, which is not explained", call, op.Tags)
			}
			if open := op.Security != nil && len(*op.Security) == 0; open != isProbe(path) {
				t.Errorf("%s: security %v", call, op.Security)
			}
			for _, p := range op.Parameters {
				if p.Description == "" || p.Schema.Type == "" || p.Example == nil && len(p.Schema.Examples) != 1 {
					t.Errorf("%s: %+v", call, p)
				}
			}
			if method == "post" && len(op.RequestBody.Content["application/json"].Example) == 0 {
				t.Errorf("%s shows no body", call)
			}
			for status, answer := range op.Responses {
				for media, content := range answer.Content {
					if status == "200" && len(content.Example) == 0 {
						t.Errorf("%s shows no answer in %s", call, media)
					}
					if status != "200" && len(content.Examples) == 0 {
						t.Errorf("%s shows no error %s", call, status)
					}
					for code, example := range content.Examples {
						if _, shown := w.Components.Examples[code]; !shown || example.Ref != "#/components/examples/"+code {
							t.Errorf("%s refers to %q for %s", call, example.Ref, code)
						}
					}
				}
			}
		}
	}
	for name, schema := range w.Components.Schemas {
		for member, property := range schema.Properties {
			if property["$ref"] == nil && property["description"] == nil {
				t.Errorf("%s.%s is not explained", name, member)
			}
		}
	}
	for code, example := range w.Components.Examples {
		if text := string(example.Value); strings.Contains(text, "…") || !strings.Contains(text, `"code":"`+code+`"`) {
			t.Errorf("%s is shown as %s", code, text)
		}
	}
	if s := w.Components.SecuritySchemes; s["token"].Scheme != "bearer" || s["session"].In != "cookie" || s["session"].Name != sessionCookie || len(w.Security) != 2 {
		t.Errorf("who may ask is said by %v: %v", s, w.Security)
	}
	if len(w.Servers) != 1 || w.Servers[0].Description == "" {
		t.Errorf("the servers are %v", w.Servers)
	}
}

// TestTheExamplesAreWhatTheySayTheyAre holds each against the schema that stands beside it.
func TestTheExamplesAreWhatTheySayTheyAre(t *testing.T) {
	t.Parallel()
	j, err := theReferee()
	if err != nil {
		t.Fatal(err)
	}
	w := describeWhole(t)
	header := http.Header{"Content-Type": {"application/json"}}
	for path, methods := range w.Paths {
		for method, op := range methods {
			method, filled := strings.ToUpper(method), strings.NewReplacer("{id}", "7", "{table}", "gaps").Replace(path)
			for status, answer := range op.Responses {
				number, err := strconv.Atoi(status)
				if err != nil {
					t.Fatal(err)
				}
				for media, content := range answer.Content {
					switch {
					case status != "200":
						for name := range content.Examples {
							j.body(t, method, filled, number, header, string(w.Components.Examples[name].Value))
						}
					case media == "application/json":
						j.body(t, method, filled, number, header, string(content.Example))
					case media == "text/event-stream":
						var text string
						if err := json.Unmarshal(content.Example, &text); err != nil {
							t.Fatal(err)
						}
						j.answer(t, method, filled, reply{200, http.Header{"Content-Type": {media}}, text})
					}
				}
			}
		}
	}
}
