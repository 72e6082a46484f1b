package plugintest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/hbohlen/coppice/sdk/schema"
)

// checkSchema holds a schema against JSON Schema 2020-12 as far as coppice uses it, and says all that is wrong.
func checkSchema(what string, text []byte) []string {
	if len(text) == 0 {
		return []string{what + ": there is no schema"}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return []string{what + ": " + err.Error()}
	}
	m := metaChecker{}
	m.schema(what, v)
	if root, ok := v.(map[string]any); ok && root["type"] != schema.Object {
		m.add(what, "type must be \"object\" at the top")
	}
	if len(m.problems) > 0 {
		return m.problems
	}
	var s schema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		return []string{what + ": " + err.Error()}
	}
	m.defaults(what, &s)
	return m.problems
}

type metaChecker struct{ problems []string }

func (m *metaChecker) add(at, format string, args ...any) {
	m.problems = append(m.problems, at+": "+fmt.Sprintf(format, args...))
}

// Keywords by what their values are: https://json-schema.org/draft/2020-12/schema and the vocabularies that it names.
var (
	textKeywords   = []string{"title", "description", "$comment", "$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "format", "contentEncoding", "contentMediaType"}
	flagKeywords   = []string{"readOnly", "writeOnly", "deprecated", "uniqueItems"}
	numberKeywords = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
	countKeywords  = []string{"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"}
	schemaKeywords = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"}
	mapKeywords    = []string{"properties", "patternProperties", "$defs", "dependentSchemas"}
	listKeywords   = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	types          = []string{schema.String, schema.Integer, schema.Number, schema.Boolean, schema.Array, schema.Object, "null"}
)

// kinds are the product's own types, by the JSON type that carries them.
var kinds = map[string]string{schema.Duration: schema.String, schema.Size: schema.Integer, schema.Timestamp: schema.String, schema.Path: schema.String,
	schema.Filesystem: schema.String, schema.Subvolume: schema.String, schema.UUID: schema.String}

func (m *metaChecker) schema(at string, v any) {
	if _, ok := v.(bool); ok {
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		m.add(at, "a schema is an object, or true or false")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		m.keyword(at, key, object[key])
	}
	if properties, ok := object["properties"].(map[string]any); ok {
		for _, name := range m.names(at, "required", object["required"]) {
			if _, ok := properties[name]; !ok {
				m.add(at, "required names %q, which is no property", name)
			}
		}
	}
	if kind, ok := object["x-coppice-type"]; ok {
		name, _ := kind.(string)
		switch carrier, ok := kinds[name]; {
		case !ok:
			m.add(at, "x-coppice-type is %v: it must be one of %v", kind, slices.Sorted(maps.Keys(kinds)))
		case object["type"] != carrier:
			m.add(at, "the x-coppice-type %s is carried by the type %s, not %v", name, carrier, object["type"])
		}
	}
}

func (m *metaChecker) keyword(at, key string, v any) {
	expect := func(ok bool, what string) {
		if !ok {
			m.add(at, "%s must be %s", key, what)
		}
	}
	switch {
	case key == "type":
		for _, t := range m.types(at, v) {
			expect(slices.Contains(types, t), fmt.Sprintf("one of %v, not %q", types, t))
		}
	case key == "pattern":
		text, ok := v.(string)
		expect(ok, "a string")
		if _, err := regexp.Compile(text); err != nil {
			m.add(at, "pattern %q: coppice uses RE2: %v", text, err)
		}
	case key == "enum":
		_, ok := v.([]any)
		expect(ok, "a list")
	case key == "required":
		m.names(at, key, v)
	case slices.Contains(textKeywords, key):
		_, ok := v.(string)
		expect(ok, "a string")
	case slices.Contains(flagKeywords, key):
		_, ok := v.(bool)
		expect(ok, "true or false")
	case slices.Contains(numberKeywords, key):
		_, ok := v.(json.Number)
		expect(ok, "a number")
	case slices.Contains(countKeywords, key):
		n, _ := v.(json.Number)
		i, err := n.Int64()
		expect(err == nil && i >= 0, "a whole number, 0 or more")
	case slices.Contains(schemaKeywords, key):
		m.schema(at+"/"+key, v)
	case slices.Contains(mapKeywords, key):
		object, ok := v.(map[string]any)
		expect(ok, "an object of schemas")
		for _, name := range slices.Sorted(maps.Keys(object)) {
			m.schema(at+"/"+key+"/"+schema.Escape(name), object[name])
		}
	case slices.Contains(listKeywords, key):
		list, ok := v.([]any)
		expect(ok && len(list) > 0, "a list of schemas")
		for i, s := range list {
			m.schema(fmt.Sprintf("%s/%s/%d", at, key, i), s)
		}
	}
}

// types are the names in a keyword type, which is one or a list of several.
func (m *metaChecker) types(at string, v any) []string {
	if name, ok := v.(string); ok {
		return []string{name}
	}
	return m.names(at, "type", v)
}

// names are the different strings of a list.
func (m *metaChecker) names(at, key string, v any) []string {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	var names []string
	for _, item := range list {
		name, isText := item.(string)
		ok = ok && isText && !slices.Contains(names, name)
		names = append(names, name)
	}
	if !ok {
		m.add(at, "%s must be a list of different strings", key)
	}
	return names
}

// defaults checks that each default fits its own schema.
func (m *metaChecker) defaults(at string, s *schema.Schema) {
	if s == nil {
		return
	}
	if s.Default != nil {
		dec := json.NewDecoder(bytes.NewReader(s.Default))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			m.add(at, "default: %v", err)
		} else {
			for _, wrong := range s.Check(v) {
				m.add(at, "default%s %s", wrong.Path, wrong.Message)
			}
		}
	}
	for _, p := range s.Properties {
		m.defaults(at+"/properties/"+schema.Escape(p.Name), p.Schema)
	}
	m.defaults(at+"/items", s.Items)
	m.defaults(at+"/additionalProperties", s.Values)
}
