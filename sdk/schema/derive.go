package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Described is implemented by types that know their own schema.
type Described interface{ JSONSchema() Schema }

var (
	describedType = reflect.TypeFor[Described]()
	timeType      = reflect.TypeFor[time.Time]()
	rawType       = reflect.TypeFor[json.RawMessage]()
)

// For derives the schema of T, a struct, from its fields. Field tags:
//
//	json:"name"          the name; a field without a tag or with "-" is left out
//	json:"name,omitempty" the field may be left out
//	doc:"…"              one or more sentences for people
//	default:"…"          the value when left out, as written in a playbook
//	enum:"a|b"           the legal values of a string
//	min:"1" max:"9"      bounds of a number, the length of a string or list (min only)
//	pattern:"^…$"        RE2 pattern of a string
//	secret:"true"        never shown
//
// A pointer may be left out. It panics on types that have no schema: that is a
// mistake in the plugin's source, found by its first test.
func For[T any]() *Schema { return Of(reflect.TypeFor[T]()) }

// Of is For for a type that is a value.
func Of(t reflect.Type) *Schema { return derive(t) }

func derive(t reflect.Type) *Schema {
	if t.Kind() == reflect.Pointer {
		return derive(t.Elem())
	}
	if t.Implements(describedType) {
		s := reflect.Zero(t).Interface().(Described).JSONSchema()
		return &s
	}
	switch {
	case t == timeType:
		return &Schema{Type: String, Kind: Timestamp}
	case t == rawType:
		return &Schema{}
	}
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: String}
	case reflect.Bool:
		return &Schema{Type: Boolean}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return &Schema{Type: Integer}
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: Number}
	case reflect.Slice:
		return &Schema{Type: Array, Items: derive(t.Elem())}
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("schema: map key of %v is not a string", t))
		}
		return &Schema{Type: Object, Values: derive(t.Elem())}
	case reflect.Struct:
		return deriveStruct(t)
	}
	panic(fmt.Sprintf("schema: %v has no schema", t))
}

func deriveStruct(t reflect.Type) *Schema {
	s := &Schema{Type: Object, Properties: Properties{}}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			inner := deriveStruct(f.Type)
			s.Properties = append(s.Properties, inner.Properties...)
			s.Required = append(s.Required, inner.Required...)
			continue
		}
		if tag == "" || tag == "-" {
			continue
		}
		p := derive(f.Type)
		constrain(p, f)
		s.Properties = append(s.Properties, Property{Name: tag, Schema: p})
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") ||
			f.Type.Kind() == reflect.Pointer || p.Default != nil
		if !optional {
			s.Required = append(s.Required, tag)
		}
	}
	return s
}

// constrain applies the field's tags to its schema.
func constrain(s *Schema, f reflect.StructField) {
	get := f.Tag.Get
	if d := get("doc"); d != "" {
		s.Description = d
	}
	if e := get("enum"); e != "" {
		s.Enum = strings.Split(e, "|")
	}
	if p := get("pattern"); p != "" {
		s.Pattern = p
	}
	s.Secret = s.Secret || get("secret") == "true"
	bound := func(key string) *int64 {
		text := get(key)
		if text == "" {
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("schema: field %s: %s:%q is not an integer", f.Name, key, text))
		}
		return &n
	}
	if lo := bound("min"); lo != nil {
		switch s.Type {
		case String:
			s.MinLength = int(*lo)
		case Array:
			s.MinItems = int(*lo)
		default:
			s.Minimum = lo
		}
	}
	s.Maximum = bound("max")
	if d, ok := f.Tag.Lookup("default"); ok {
		s.Default = defaultJSON(s, d)
	}
}

// defaultJSON is the default's text as JSON of the schema's type.
func defaultJSON(s *Schema, text string) json.RawMessage {
	if s.Type == String {
		b, _ := json.Marshal(text)
		return b
	}
	if !json.Valid([]byte(text)) {
		panic(fmt.Sprintf("schema: default %q is not JSON", text))
	}
	return json.RawMessage(text)
}
