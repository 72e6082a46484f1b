package editor

import (
	"slices"

	"github.com/hbohlen/coppice/sdk/schema"
)

// expression is text with ${{ }} in it, which can stand for a value of every type.
var expression = object{{"type", "string"}, {"pattern", `\$\{\{`}}

// value is how a value of an action's input can be written in a playbook.
func value(s *schema.Schema) object {
	o := object{}
	if s == nil {
		return o
	}
	text := s.Description
	if s.TypeName() != "" {
		text = join(text, "Type: "+s.TypeName()+".")
	}
	if text != "" {
		o = described(text)
	}
	if s.Default != nil {
		o = append(o, member{"default", s.Default})
	}
	typed := written(s)
	if len(typed) == 0 {
		return o
	}
	return o.with(member{"anyOf", []object{typed, expression}})
}

// written is the form of a value that is no expression. It is as lenient as coppice: a plain text is what the input says.
func written(s *schema.Schema) object {
	switch {
	case len(s.Enum) > 0:
		return object{{"enum", s.Enum}}
	case s.Kind == schema.Duration:
		return object{{"type", "string"}, {"pattern", `^[0-9]`}}
	case s.Kind == schema.Size:
		return object{{"type", []string{"string", "integer"}}, {"pattern", `^[0-9]`}}
	}
	switch s.Type {
	case schema.Integer, schema.Number:
		o := object{{"type", s.Type}}
		if s.Minimum != nil {
			o = append(o, member{"minimum", *s.Minimum})
		}
		if s.Maximum != nil {
			o = append(o, member{"maximum", *s.Maximum})
		}
		return o
	case schema.Boolean:
		return object{{"type", s.Type}}
	case schema.String:
		return plain
	case schema.Array:
		o := object{{"type", "array"}}
		if s.Items != nil {
			o = append(o, member{"items", value(s.Items)})
		}
		return o
	case schema.Object:
		return strict(object{{"type", "object"}}, s)
	}
	return nil
}

// plain is text as YAML's types may see it: `7` and `no` are text where text is asked for.
var plain = object{{"type", []string{"string", "number", "boolean", "null"}}}

// strict adds the members that an object has, or the values of a map.
func strict(o object, s *schema.Schema) object {
	if s.Values != nil {
		return append(o, member{"additionalProperties", value(s.Values)})
	}
	properties := object{}
	for _, p := range s.Properties {
		properties = append(properties, member{p.Name, value(p.Schema)})
	}
	o = append(o, member{"properties", properties}, member{"additionalProperties", false})
	if len(s.Required) > 0 {
		o = append(o, member{"required", slices.Clone(s.Required)})
	}
	return o
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "\n\n" + b
}
