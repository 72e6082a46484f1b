package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk/schema"
)

// TypeOf is the type of the values that s describes. A property that is neither required nor has a default may be
// absent. A nil or zero schema is Any.
func TypeOf(s *schema.Schema) Type {
	if s == nil {
		return Any
	}
	switch s.Type {
	case schema.String:
		switch s.Kind {
		case schema.Duration:
			return Duration
		case schema.Timestamp:
			return Timestamp
		}
		return Type{kind: stringKind, name: s.Kind, enum: s.Enum}
	case schema.Integer:
		return Type{kind: intKind, name: s.Kind}
	case schema.Number:
		return Number
	case schema.Boolean:
		return Bool
	case schema.Array:
		return List(TypeOf(s.Items))
	case schema.Object:
		if isMap(s) {
			return Map(TypeOf(s.Values))
		}
		fields := make([]Field, len(s.Properties))
		for i, p := range s.Properties {
			t := TypeOf(p.Schema)
			if optional(s, p) {
				t = t.maybe("it may be left out")
			}
			fields[i] = Field{p.Name, t}
		}
		return Record(fields...)
	}
	return Any
}

// isMap: an object without properties is a map of anything, since an empty list of them does not survive JSON.
func isMap(s *schema.Schema) bool { return s.Values != nil || len(s.Properties) == 0 }

func optional(s *schema.Schema, p schema.Property) bool {
	return !s.IsRequired(p.Name) && (p.Schema == nil || p.Schema.Default == nil)
}

// AssignableTo reports whether every value of the type may stand where s describes the value, and if not, why: a clause
// in plain words. Anything, and a value that may be absent, pass: the first is checked when it is known, the second is
// for the caller, who knows whether the place may stay empty (see Absent). Bounds, lengths and patterns are not checked.
func (t Type) AssignableTo(s *schema.Schema) (ok bool, why string) {
	why = t.mismatch(s, "")
	return why == "", why
}

func (t Type) mismatch(s *schema.Schema, at string) string {
	if s == nil || s.Type == "" || t.kind == anyKind || t.kind == nilKind {
		return ""
	}
	want := TypeOf(s)
	switch {
	case t.kind == intKind && want.kind == numberKind:
		return ""
	case t.kind == recordKind && want.kind == recordKind:
		return t.mismatchFields(s, at)
	case t.kind == recordKind && want.kind == mapKind:
		for _, f := range t.fields {
			if why := f.Type.mismatch(s.Values, at+"."+f.Name); why != "" {
				return why
			}
		}
		return ""
	case t.kind != want.kind:
		return place(at) + fmt.Sprintf("expected %s, found %s%s", want.article(), t.article(), convert(t, want))
	case t.kind == listKind:
		return t.element().mismatch(s.Items, at+"[]")
	case t.kind == mapKind:
		return t.element().mismatch(s.Values, at+"[]")
	case t.kind == stringKind && s.Enum != nil && t.enum != nil:
		for _, v := range t.enum {
			if !slices.Contains(s.Enum, v) {
				return place(at) + fmt.Sprintf("%q is not one of %s", v, strings.Join(s.Enum, ", "))
			}
		}
	}
	return ""
}

func (t Type) mismatchFields(s *schema.Schema, at string) string {
	for _, f := range t.fields {
		p := s.Property(f.Name)
		if p == nil {
			return place(at) + fmt.Sprintf("%s is not one of the members %s", f.Name, strings.Join(s.Names(), ", "))
		}
		if why := f.Type.mismatch(p, at+"."+f.Name); why != "" {
			return why
		}
	}
	for _, p := range s.Properties {
		have, ok := t.Field(p.Name)
		if _, absent := have.Absent(); !optional(s, p) && p.Schema.Default == nil && (!ok || absent) {
			return place(at) + p.Name + " is required"
		}
	}
	return ""
}

func place(at string) string {
	if at == "" {
		return ""
	}
	return strings.TrimPrefix(at, ".") + ": "
}

// convert says how to get from one type to another, where there is a way.
func convert(from, to Type) string {
	switch {
	case from.kind == stringKind && to.kind == durationKind:
		return "; duration(…) makes one"
	case from.kind == stringKind && to.kind == timestampKind:
		return "; timestamp(…) makes one"
	case from.kind == stringKind && to.name == "size":
		return "; size(…) makes one"
	case from.kind == stringKind && to.kind == intKind, from.kind == numberKind && to.kind == intKind:
		return "; int(…) makes one"
	case from.kind == stringKind && to.kind == numberKind:
		return "; float(…) makes one"
	case to.kind == stringKind && from.kind == listKind:
		return `; join(…, ", ") makes one`
	case to.kind == stringKind && !isObject(from):
		return "; string(…) makes one"
	}
	return ""
}
