package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Words of a declaration, beside the names of kinds and types.
const (
	declaredList   = "list"
	declaredMap    = "map"
	declaredObject = "object"
	declaredAny    = "any"
)

// declarable are the types that a declaration can name.
var declarable = map[string]Schema{
	"string": {Type: String}, "int": {Type: Integer}, "number": {Type: Number}, "bool": {Type: Boolean},
	Duration: {Type: String, Kind: Duration}, Size: {Type: Integer, Kind: Size}, Timestamp: {Type: String, Kind: Timestamp},
	Path: {Type: String, Kind: Path}, Filesystem: {Type: String, Kind: Filesystem}, Subvolume: {Type: String, Kind: Subvolume},
	declaredList: {Type: Array}, declaredMap: {Type: Object}, declaredObject: {Type: Object}, declaredAny: {},
}

// DeclaredTypes are the types that a declaration can name, in the order to show them. The caller owns the slice.
func DeclaredTypes() []string {
	return []string{"string", "int", "number", "bool", Duration, Size, Timestamp, Path, Filesystem, Subvolume, declaredList,
		declaredMap, declaredObject, declaredAny}
}

// declarationKeys are the keys of a declaration that is a map.
var declarationKeys = []string{"type", "items", "fields", "optional", "description"}

// maxDeclared is how deep declarations can be nested.
const maxDeclared = 20

// Misdeclared is a mistake in a declaration.
type Misdeclared struct {
	Path    string // JSON pointer into the declaration
	Key     bool   // it is about the name at Path, not about what stands there
	Missing bool   // a key is not there
	Message string
	Allowed []string // legal values; nil: none to name
}

// Declare makes the schema of an object from a declaration of its members: a map of their names to their types. It is
// decoded JSON. A type is a name, "size", or a map: {type: list, items: TYPE}, {type: map, items: TYPE},
// {type: object, fields: {NAME: TYPE, …}}, each with "optional: true" for a member that may be left out, and with a
// "description". Without items a list or map holds anything. The members are sorted by name. The schema is nil when there is
// a mistake.
func Declare(declaration any) (*Schema, []Misdeclared) {
	d := &declarer{}
	s := d.fields(declaration, nil)
	if len(d.wrong) > 0 {
		return nil, d.wrong
	}
	return s, nil
}

type declarer struct{ wrong []Misdeclared }

func (d *declarer) add(at []string, m Misdeclared) {
	var path strings.Builder
	for _, name := range at {
		path.WriteString("/" + Escape(name))
	}
	m.Path = path.String()
	d.wrong = append(d.wrong, m)
}

func (d *declarer) fields(v any, at []string) *Schema {
	s := &Schema{Type: Object}
	members, ok := v.(map[string]any)
	if !ok {
		d.add(at, Misdeclared{Message: "is a map of names to types, found " + describe(v)})
		return s
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		here := append(slices.Clip(at), name)
		if name == "" {
			d.add(here, Misdeclared{Key: true, Message: "a name is empty"})
			continue
		}
		member, optional := d.one(members[name], here)
		s.Properties = append(s.Properties, Property{Name: name, Schema: member})
		if !optional {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

// one reads a type.
func (d *declarer) one(v any, at []string) (s *Schema, optional bool) {
	s = &Schema{}
	if len(at) > maxDeclared {
		d.add(at, Misdeclared{Message: fmt.Sprintf("is nested deeper than %d", maxDeclared)})
		return s, false
	}
	if name, ok := v.(string); ok {
		return d.named(name, at), false
	}
	o, ok := v.(map[string]any)
	if !ok {
		d.add(at, Misdeclared{Message: "is a type, or a map with the key \"type\"; found " + describe(v), Allowed: DeclaredTypes()})
		return s, false
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(declarationKeys, key) {
			d.add(append(slices.Clip(at), key), Misdeclared{Key: true, Message: fmt.Sprintf("unknown key %q in a declaration", key), Allowed: declarationKeys})
		}
	}
	name, isText := o["type"].(string)
	if _, given := o["type"]; !given {
		d.add(at, Misdeclared{Missing: true, Message: "a declaration needs the key \"type\""})
	} else if !isText {
		d.add(append(slices.Clip(at), "type"), Misdeclared{Message: "is the name of a type, found " + describe(o["type"]), Allowed: DeclaredTypes()})
	} else {
		s = d.named(name, append(slices.Clip(at), "type"))
	}
	d.inside(s, o, name, at)
	if given, ok := o["optional"]; ok {
		if optional, ok = given.(bool); !ok {
			d.add(append(slices.Clip(at), "optional"), Misdeclared{Message: "is true or false, found " + describe(given)})
		}
	}
	if given, ok := o["description"]; ok {
		if s.Description, ok = given.(string); !ok {
			d.add(append(slices.Clip(at), "description"), Misdeclared{Message: "is a text, found " + describe(given)})
		}
	}
	return s, optional
}

// inside reads what a list, a map or an object holds.
func (d *declarer) inside(s *Schema, o map[string]any, name string, at []string) {
	items, hasItems := o["items"]
	fields, hasFields := o["fields"]
	itemsAt, fieldsAt := append(slices.Clip(at), "items"), append(slices.Clip(at), "fields")
	switch {
	case hasItems && name != declaredList && name != declaredMap:
		d.add(itemsAt, Misdeclared{Key: true, Message: "only a list or a map has items"})
	case hasFields && name != declaredObject:
		d.add(fieldsAt, Misdeclared{Key: true, Message: "only an object has fields"})
	case name == declaredObject && !hasFields:
		d.add(at, Misdeclared{Missing: true, Message: "an object needs the key \"fields\"; one of any names is a map"})
	case name == declaredObject:
		*s = *d.fields(fields, fieldsAt)
		if len(s.Properties) == 0 && len(d.wrong) == 0 {
			d.add(fieldsAt, Misdeclared{Message: "has no field"})
		}
	case hasItems && name == declaredList:
		s.Items, _ = d.one(items, itemsAt)
	case hasItems:
		s.Values, _ = d.one(items, itemsAt)
	}
}

func (d *declarer) named(name string, at []string) *Schema {
	s, ok := declarable[name]
	if !ok {
		d.add(at, Misdeclared{Message: fmt.Sprintf("unknown type %q", name), Allowed: DeclaredTypes()})
	}
	if name == declaredMap {
		s.Values = &Schema{}
	}
	if name == declaredObject && len(at) > 0 && at[len(at)-1] != "type" {
		d.add(at, Misdeclared{Message: "an object is declared with its fields: {type: object, fields: {…}}"})
	}
	return &s
}

// Prune takes out of a decoded JSON value what the schema has no place for: members that it does not list. It changes v.
func (s *Schema) Prune(v any) {
	switch v := v.(type) {
	case []any:
		if s.Items != nil {
			for _, item := range v {
				s.Items.Prune(item)
			}
		}
	case map[string]any:
		if s.Values != nil {
			for _, member := range v {
				s.Values.Prune(member)
			}
		}
		if s.Values != nil || len(s.Properties) == 0 {
			return
		}
		for name, member := range v {
			if p := s.Property(name); p != nil {
				p.Prune(member)
			} else {
				delete(v, name)
			}
		}
	}
}

// Zero is a decoded JSON value that fits the schema, for a place that nobody knows yet: it says nothing.
func (s *Schema) Zero() any {
	switch s.Kind {
	case Duration:
		return "0s"
	case Timestamp:
		return "1970-01-01T00:00:00Z"
	case Path, Filesystem, Subvolume:
		return "/"
	case UUID:
		return "00000000-0000-0000-0000-000000000000"
	}
	switch s.Type {
	case String:
		return ""
	case Integer, Number:
		return json.Number("0")
	case Boolean:
		return false
	case Array:
		return []any{}
	case Object:
		members := map[string]any{}
		for _, name := range s.Required {
			members[name] = s.Property(name).Zero()
		}
		return members
	}
	return nil
}
