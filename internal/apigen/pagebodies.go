package apigen

import (
	"fmt"
	"slices"
	"strings"
)

// bodies writes what each type of a body holds.
func (p *page) bodies() {
	p.printf("\n## Bodies\n\nWhat is not marked as optional is always there. Members that are not known are to be passed over.\n")
	for _, name := range sorted(p.d.Components.Schemas) {
		schema := p.d.Components.Schemas[name]
		p.printf("\n### %s\n\n", name)
		if schema.Description != "" {
			p.printf("%s\n\n", schema.Description)
		}
		members := schema.Order
		if members == nil {
			members = sorted(schema.Properties)
		}
		if len(members) == 0 {
			p.printf("It has no members.\n")
			continue
		}
		p.printf("| member | type | what |\n| --- | --- | --- |\n")
		for _, member := range members {
			of, optional := schema.Properties[member], ""
			if !slices.Contains(schema.Required, member) {
				optional = " (optional)"
			}
			p.printf("| `%s`%s | %s | %s |\n", member, optional, typeOf(of), cell(of.Description))
		}
	}
}

// typeOf tells the type of a value in words.
func typeOf(s *schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return "[" + s.name() + "](#" + anchor(s.name()) + ")"
	case s.OneOf != nil:
		return alternatives(s.OneOf)
	case s.AnyOf != nil:
		return alternatives(s.AnyOf)
	case s.Enum != nil:
		var words []string
		for _, value := range s.Enum {
			words = append(words, fmt.Sprintf("`%v`", value))
		}
		return strings.Join(words, " ")
	}
	var words []string
	for _, one := range s.Type {
		switch {
		case one == "array":
			one = "list of " + typeOf(s.Items)
		case one == "object" && len(s.AdditionalProperties) > 1 && s.AdditionalProperties[0] == '{':
			one = "object of texts"
		case one == "string" && s.Format != "":
			one = "text, " + s.Format
		case one == "string":
			one = "text"
		case one == "integer" && (s.Minimum != nil || s.Maximum != nil):
			one += bounds(s)
		}
		words = append(words, one)
	}
	if words == nil {
		return "any"
	}
	return strings.Join(words, " or ")
}

func alternatives(list []*schema) string {
	var words []string
	for _, one := range list {
		words = append(words, typeOf(one))
	}
	return strings.Join(words, " or ")
}

// bounds tells between which numbers a value lies; what only keeps a number exact in JavaScript is left out.
func bounds(s *schema) string {
	const exact = "9007199254740991"
	switch {
	case s.Minimum != nil && s.Maximum != nil && s.Maximum.String() != exact:
		return " " + s.Minimum.String() + "–" + s.Maximum.String()
	case s.Minimum != nil && s.Minimum.String() == "0":
		return ""
	case s.Minimum != nil:
		return " from " + s.Minimum.String()
	}
	return ""
}
