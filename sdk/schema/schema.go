// Package schema describes the inputs and outputs of actions: a subset of JSON
// Schema 2020-12 with one annotation of our own, x-coppice-type, that tells the
// product's own types (duration, size, …) apart from the JSON type that carries
// them.
//
// A Schema is a plain value: it is derived from a Go type by For, travels as
// JSON, and is what the runner types playbooks with. Order is kept: properties
// come back in the order in which the author declared them, so that generated
// pages, previews and errors do not change from run to run.
package schema

import "encoding/json"

// JSON types, as in JSON Schema's "type".
const (
	String  = "string"
	Integer = "integer"
	Number  = "number"
	Boolean = "boolean"
	Array   = "array"
	Object  = "object"
)

// Kinds are the values of x-coppice-type. Each says how a value of the JSON type
// beside it is written in a playbook and what it is in an expression.
const (
	Duration   = "duration"   // string: 90s, 6h, 30d, 1h30m
	Size       = "size"       // integer: bytes; written 512MiB, 10GB or as bytes
	Timestamp  = "timestamp"  // string: RFC 3339
	Path       = "path"       // string: an absolute path of the live system
	Filesystem = "filesystem" // string: UUID=…, LABEL=…, a device or any path on it
	Subvolume  = "subvolume"  // string: path from the filesystem's top level, or an absolute path
	UUID       = "uuid"       // string: 8-4-4-4-12 lower-case hex digits
)

// Schema is one node. The zero value accepts anything.
type Schema struct {
	Type        string          `json:"type,omitempty"`
	Kind        string          `json:"x-coppice-type,omitempty"`
	Description string          `json:"description,omitempty"`
	Enum        []string        `json:"enum,omitempty"` // of a string
	Default     json.RawMessage `json:"default,omitempty"`
	Minimum     *int64          `json:"minimum,omitempty"` // inclusive; of an integer or number
	Maximum     *int64          `json:"maximum,omitempty"` // inclusive
	MinLength   int             `json:"minLength,omitempty"`
	Pattern     string          `json:"pattern,omitempty"` // RE2, anchored by its author
	Secret      bool            `json:"writeOnly,omitempty"`

	// Of an array.
	Items    *Schema `json:"items,omitempty"`
	MinItems int     `json:"minItems,omitempty"`

	// Of an object. An object either lists its Properties (and then has no others)
	// or is a map whose values are all alike (Values), never both.
	Properties Properties `json:"properties,omitempty"`
	Required   []string   `json:"required,omitempty"`
	Values     *Schema    `json:"-"`

	// DeclaredBy, of the outputs of an action, names the input that declares further members of them, in the form that
	// Declare reads. In a playbook that input is written out: no expression stands in it.
	DeclaredBy string `json:"x-coppice-declared-by,omitempty"`
}

// Property is one named member of an object.
type Property struct {
	Name   string
	Schema *Schema
}

// Properties keep the order of their declaration.
type Properties []Property

// Property finds a member by name; nil when there is none.
func (s *Schema) Property(name string) *Schema {
	for _, p := range s.Properties {
		if p.Name == name {
			return p.Schema
		}
	}
	return nil
}

// Names are the names of the properties, in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Properties))
	for i, p := range s.Properties {
		names[i] = p.Name
	}
	return names
}

// IsRequired reports whether the property must be given.
func (s *Schema) IsRequired(name string) bool {
	for _, r := range s.Required {
		if r == name {
			return true
		}
	}
	return false
}

// TypeName is what a person calls the type: "duration", "list of string",
// "map of size", "object".
func (s *Schema) TypeName() string {
	if s == nil {
		return "anything"
	}
	if s.Kind != "" {
		return s.Kind
	}
	switch s.Type {
	case Integer:
		return "int"
	case Boolean:
		return "bool"
	case Array:
		if s.Items == nil {
			return "list"
		}
		return "list of " + s.Items.TypeName()
	case Object:
		if s.Values != nil {
			return "map of " + s.Values.TypeName()
		}
		return "object"
	case "":
		return "anything"
	}
	return s.Type
}
