package expression

import "slices"

// unify is the narrowest type that holds every value of both: of the branches of a ?:, the elements of a list.
func unify(a, b Type) Type {
	absent := a.absent
	if absent == nil || b.absent != nil && b.absent.strict {
		absent = b.absent
	}
	switch {
	case a.kind == nilKind && b.kind == nilKind:
		return Nil
	case a.kind == nilKind:
		return orNil(b)
	case b.kind == nilKind:
		return orNil(a)
	}
	t := unifyPresent(a.present(), b.present())
	t.absent = absent
	return t
}

func orNil(t Type) Type {
	if t.absent == nil {
		t = t.maybe("it can be nil")
	}
	return t
}

func unifyPresent(a, b Type) Type {
	switch {
	case a.empty && (a.kind == b.kind || isObject(a) && isObject(b)):
		return b
	case b.empty && (a.kind == b.kind || isObject(a) && isObject(b)):
		return a
	case a.kind == intKind && b.kind == numberKind, a.kind == numberKind && b.kind == intKind:
		return Number
	case a.kind != b.kind:
		if a.kind == recordKind && b.kind == mapKind || a.kind == mapKind && b.kind == recordKind {
			_, ae, _ := a.Iterable()
			_, be, _ := b.Iterable()
			return Map(unify(ae, be))
		}
		return Any
	}
	switch a.kind {
	case stringKind, intKind:
		t := a
		if a.name != b.name {
			t.name = ""
		}
		t.enum = unionEnum(a.enum, b.enum)
		return t
	case listKind:
		return List(unify(a.element(), b.element()))
	case mapKind:
		return Map(unify(a.element(), b.element()))
	case recordKind:
		return unifyRecords(a, b)
	}
	return a
}

func unifyRecords(a, b Type) Type {
	var fields []Field
	for _, f := range a.fields {
		if other, ok := b.Field(f.Name); ok {
			f.Type = unify(f.Type, other)
		} else {
			f.Type = orNil(f.Type)
		}
		fields = append(fields, f)
	}
	for _, f := range b.fields {
		if _, ok := a.Field(f.Name); !ok {
			f.Type = orNil(f.Type)
			fields = append(fields, f)
		}
	}
	return Record(fields...)
}

func unionEnum(a, b []string) []string {
	if a == nil || b == nil {
		return nil
	}
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// disjoint reports whether a value of a can never equal a value of b, because of their legal values.
func disjoint(a, b Type) bool {
	if a.enum == nil || b.enum == nil {
		return false
	}
	return !slices.ContainsFunc(a.enum, func(s string) bool { return slices.Contains(b.enum, s) })
}

// canEqual reports whether == between the types can ever be true.
func canEqual(a, b Type) bool {
	switch {
	case a.kind == anyKind || b.kind == anyKind || a.kind == nilKind || b.kind == nilKind:
		return true
	case a.isNumber() && b.isNumber():
		return true
	case isObject(a) && isObject(b):
		return true
	case a.kind == listKind && b.kind == listKind:
		return canEqual(a.element(), b.element())
	}
	return a.kind == b.kind
}

func isObject(t Type) bool { return t.kind == mapKind || t.kind == recordKind }
