package expression

import (
	"slices"
	"strings"
)

// kind is the family of a type. The zero value is "anything".
type kind uint8

const (
	anyKind kind = iota
	nilKind
	boolKind
	stringKind
	intKind
	numberKind
	durationKind
	timestampKind
	listKind
	mapKind
	recordKind
)

// Type is what is known about a value before the run. The zero value is Any. Types are immutable values.
type Type struct {
	kind   kind
	name   string   // what people call it where the kind's own name says less: path, size, uuid
	elem   *Type    // of a list or map; nil: anything
	fields []Field  // of a record, in order
	enum   []string // the only values of a string; nil: any
	absent *absence // nil: always there
	empty  bool     // the literal [] or {}: goes with every list or map
	weight int      // number of types inside, see maxWeight
}

// Field is a named member of a record or of a Scope.
type Field struct {
	Name string
	Type Type
}

// absence says why a value may be nil.
type absence struct {
	code   string // of the Problem of reading it carelessly
	reason string // "the step may be skipped"
	strict bool   // may not even be passed on as a whole without ??
}

// The types without parameters.
var (
	Any       = Type{}
	Nil       = Type{kind: nilKind}
	Bool      = Type{kind: boolKind}
	String    = Type{kind: stringKind}
	Int       = Type{kind: intKind}
	Size      = Type{kind: intKind, name: "size"} // bytes; an int in every respect but its name
	Number    = Type{kind: numberKind}
	Duration  = Type{kind: durationKind}
	Timestamp = Type{kind: timestampKind}
)

// Enum is a string that is one of values.
func Enum(values ...string) Type {
	return Type{kind: stringKind, enum: slices.Clone(values)}
}

// List is a list whose elements all have the type elem.
func List(elem Type) Type { return Type{kind: listKind, elem: &elem, weight: 1 + elem.weight} }

// Map is a map from any name to the type elem.
func Map(elem Type) Type { return Type{kind: mapKind, elem: &elem, weight: 1 + elem.weight} }

// Record has exactly the fields, in their order: another name is a compile error.
func Record(fields ...Field) Type { return RecordOf(slices.Clone(fields)) }

// RecordOf is Record of fields that nobody changes any more: it keeps the slice.
func RecordOf(fields []Field) Type {
	t := Type{kind: recordKind, fields: fields, weight: 1}
	for _, f := range fields {
		t.weight += 1 + f.Type.weight
	}
	return t
}

// MaybeSkipped is t that is absent when a step does not run. Reading a member without ?. or the whole without ?? is a
// Problem with the code maybe-skipped. The reason is a clause: "step take may be skipped".
func (t Type) MaybeSkipped(reason string) Type {
	t.absent = &absence{code: CodeMaybeSkipped, reason: reason, strict: true}
	return t
}

// MaybeUnset is t that nobody may have given. It may be passed on as a whole, but text, operators, functions and members
// need a fallback, else there is a Problem with the code unset-input.
func (t Type) MaybeUnset(reason string) Type {
	t.absent = &absence{code: CodeUnsetInput, reason: reason}
	return t
}

// maybe is t that may be absent for a reason that no other code fits.
func (t Type) maybe(reason string) Type {
	t.absent = &absence{code: CodeType, reason: reason}
	return t
}

// present is t once its absence has been dealt with.
func (t Type) present() Type {
	t.absent = nil
	return t
}

// Absent reports whether a value of the type may be nil, and why.
func (t Type) Absent() (reason string, absent bool) {
	if t.kind == nilKind {
		return "the value is nil", true
	}
	if t.absent == nil {
		return "", false
	}
	return t.absent.reason, true
}

// IsBool reports whether every value of the type is true or false.
func (t Type) IsBool() bool { return t.kind == boolKind && t.absent == nil }

// Iterable is the type of the elements when t is a list or map, and of the keys of a map: what a loop needs.
func (t Type) Iterable() (key, elem Type, ok bool) {
	switch t.kind {
	case listKind:
		return Int, t.element(), true
	case mapKind:
		return String, t.element(), true
	case recordKind:
		elem := Nil
		for i, f := range t.fields {
			if i == 0 {
				elem = f.Type
			} else {
				elem = unify(elem, f.Type)
			}
		}
		return Enum(t.names()...), elem, true
	}
	return Type{}, Type{}, false
}

// Field finds a field of a record.
func (t Type) Field(name string) (Type, bool) {
	for _, f := range t.fields {
		if f.Name == name {
			return f.Type, true
		}
	}
	return Type{}, false
}

func (t Type) names() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.Name
	}
	return names
}

func (t Type) element() Type {
	if t.elem == nil {
		return Any
	}
	return *t.elem
}

var kindNames = [...]string{"anything", "nil", "bool", "string", "int", "number", "duration", "timestamp", "list", "map", "object"}

// String is what a playbook author calls the type: "duration", "list of string", "map of size", "object".
func (t Type) String() string {
	switch {
	case t.name != "":
		return t.name
	case (t.kind == listKind || t.kind == mapKind) && t.element().kind != anyKind:
		return kindNames[t.kind] + " of " + t.elem.String()
	}
	return kindNames[t.kind]
}

// article is the type with "a" or "an" before it.
func (t Type) article() string {
	if t.kind == nilKind || t.kind == anyKind {
		return t.String()
	}
	name := t.String()
	if strings.ContainsRune("aeio", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

func (t Type) isNumber() bool { return t.kind == intKind || t.kind == numberKind }

// concrete reports whether nothing about the value's own kind is open, so that an operation on it cannot fail for it.
func (t Type) concrete() bool { return t.kind != anyKind && t.kind != nilKind && t.absent == nil }
