package playbook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// input reads the declaration of an input.
func (w *walker) input(e Entry, path string) Input {
	in := Input{Name: e.Key, Pos: e.KeyPos}
	if s, isScalar := e.Value.(Scalar); isScalar && s.Plain && s.Text == "" && !s.broken {
		w.report(diagnostic.Diagnostic{
			Pos: e.KeyPos, Length: len([]rune(e.Key)), Code: diagnostic.MissingKey, Path: path,
			Message: `an input needs the key "type"`, Suggestion: "write {type: string}",
		})
		return in
	}
	o, ok := w.object(e.Value, "an input", path, inputKeys)
	if !ok {
		return in
	}
	o.require("type")
	in.Type = o.typeName("type", Types())
	in.Description = o.text("description")
	in.Optional = o.bool("optional")
	in.Secret = o.secret()
	in.Items = o.itemType(in.Type)
	if in.Type == "" {
		return in // without a type nothing else can be checked
	}
	in.Pattern = o.pattern(in.elementType())
	in.Enum = o.enum(in.elementType())
	in.Min, in.Max = o.bound("min", in.Type), o.bound("max", in.Type)
	if in.Min != nil && in.Max != nil {
		lowest, _ := Convert(boundType(in.Type), *in.Min)
		highest, _ := Convert(boundType(in.Type), *in.Max)
		if compare(lowest, highest) > 0 {
			o.badValue(*in.Min, "min", fmt.Sprintf("min %s is above max %s", shorten(in.Min.Text), shorten(in.Max.Text)), "", nil)
			in.Min, in.Max = nil, nil
		}
	}
	in.Default = o.defaultValue(in)
	return in
}

// secret reads "secret". What is neither true nor false was reported and counts as true, so that nothing is shown.
func (o *object) secret() bool {
	v := o.converted("secret", BoolType)
	_, given := o.Get("secret")
	return given && v != false
}

// elementType is the type of the texts in a value of the input.
func (i Input) elementType() Type {
	if i.Type == ListType || i.Type == MapType {
		return i.Items
	}
	return i.Type
}

func (o *object) typeName(key string, legal []Type) Type {
	s, ok := o.scalar(key)
	if !ok {
		return ""
	}
	if !slices.Contains(legal, Type(s.Text)) {
		names := typeNames(legal)
		message := fmt.Sprintf("unknown type %q", shorten(s.Text))
		if slices.Contains(Types(), Type(s.Text)) {
			message = fmt.Sprintf("%q cannot be of type %s", key, s.Text)
		}
		o.badValue(s, key, message, MeantType(s.Text, names), names)
		return ""
	}
	return Type(s.Text)
}

// foreignTypes are what other languages call our types.
var foreignTypes = map[string]string{
	"str": "string", "text": "string", "secret": "string", "integer": "int", "int64": "int", "float": "number",
	"double": "number", "boolean": "bool", "time": "timestamp", "date": "timestamp", "datetime": "timestamp",
	"bytes": "size", "file": "path", "directory": "path", "folder": "path", "array": "list", "sequence": "list",
	"object": "map", "dict": "map", "fs": "filesystem", "device": "filesystem", "subvol": "subvolume",
}

// MeantType says which of the legal types was most likely meant, as a suggestion; "": none.
func MeantType(got string, legal []string) string {
	if ours := foreignTypes[strings.ToLower(got)]; slices.Contains(legal, ours) {
		return fmt.Sprintf("did you mean %q?", ours)
	}
	return diagnostic.DidYouMean(got, legal)
}

// itemType reads "items", which only lists and maps have.
func (o *object) itemType(t Type) Type {
	container := t == ListType || t == MapType
	e, given := o.Get("items")
	switch {
	case given && !container && t != "":
		o.notFor(e, t, "only a list or a map has items")
		return ""
	case given:
		if items := o.typeName("items", scalarTypes()); items != "" {
			return items
		}
	}
	if container {
		return StringType
	}
	return ""
}

// notFor reports a key that has no meaning for the type.
func (o *object) notFor(e Entry, t Type, why string) {
	o.report(diagnostic.Diagnostic{
		Pos: e.KeyPos, Length: len(e.Key), Code: diagnostic.BadValue, Path: o.at(e.Key),
		Message: fmt.Sprintf("%q does not apply to the type %s: %s", e.Key, t, why), Suggestion: "remove it",
	})
}

func (o *object) pattern(t Type) string {
	s, ok := o.scalar("pattern")
	if !ok {
		return ""
	}
	switch t {
	case StringType, PathType, FilesystemType, SubvolumeType:
	default:
		e, _ := o.Get("pattern")
		o.notFor(e, t, "a pattern is for text")
		return ""
	}
	if _, err := regexp.Compile(s.Text); err != nil {
		reason := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		o.badValue(s, "pattern", "the pattern is not a regular expression: "+shorten(reason), "the syntax is RE2", nil)
		return ""
	}
	return s.Text
}

// enum reads the legal values; they are of the element type and differ from each other.
func (o *object) enum(t Type) []Scalar {
	items, ok := o.items("enum", `"enum" is a list of values`)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		e, _ := o.Get("enum")
		o.report(diagnostic.Diagnostic{
			Pos: e.KeyPos, Length: len("enum"), Code: diagnostic.BadValue, Path: o.at("enum"),
			Message: `"enum" allows nothing`, Suggestion: "list the legal values, or remove the key",
		})
		return nil
	}
	var legal []Scalar
	var values []any
	for i, item := range items {
		path := fmt.Sprintf("%s[%d]", o.at("enum"), i)
		s, value, ok := o.element(item, t, path)
		if !ok {
			continue
		}
		if slices.ContainsFunc(values, func(v any) bool { return compare(v, value) == 0 }) {
			o.report(diagnostic.Diagnostic{
				Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadValue, Path: path,
				Message: fmt.Sprintf("the value %q stands twice", shorten(s.Text)),
			})
			continue
		}
		legal, values = append(legal, s), append(values, value)
	}
	return legal
}

// element reads a value that must be a text of a scalar type.
func (w *walker) element(v Value, t Type, path string) (s Scalar, value any, ok bool) {
	s, isScalar := v.(Scalar)
	if !isScalar || s.broken {
		w.wrongType(v, path, fmt.Sprintf("expected %s", t.article()), nil)
		return Scalar{}, nil, false
	}
	value, mistake := Convert(t, s)
	if mistake != nil {
		mistake.Path = path
		w.report(*mistake)
		return Scalar{}, nil, false
	}
	return s, value, true
}

// boundType is the type of min and max for an input type: its own where values have an order, a count where they have
// a length, "" where neither.
func boundType(t Type) Type {
	switch t {
	case IntType, NumberType, DurationType, SizeType, TimestampType:
		return t
	case StringType, ListType, MapType:
		return IntType
	}
	return ""
}

func (o *object) bound(key string, t Type) *Scalar {
	e, given := o.Get(key)
	if !given {
		return nil
	}
	bt := boundType(t)
	if bt == "" {
		o.notFor(e, t, "its values have no order")
		return nil
	}
	value := o.converted(key, bt)
	if value == nil {
		return nil
	}
	s, _ := o.scalar(key)
	if n, isInt := value.(int64); isInt && n < 0 && bt != t {
		o.badValue(s, key, fmt.Sprintf("%q is a length here; it cannot be negative", key), "", nil)
		return nil
	}
	return &s
}

// defaultValue reads the default, which must fit everything else that the input declares.
func (o *object) defaultValue(in Input) Value {
	e, given := o.Get("default")
	if !given {
		return nil
	}
	if in.Secret {
		o.report(diagnostic.Diagnostic{
			Pos: e.KeyPos, Length: len("default"), Code: diagnostic.SecretDefault, Path: o.at("default"),
			Message:    "a secret input cannot have a default: the secret would stand in the file",
			Suggestion: `remove it; "optional: true" lets the input be unset`, Conceal: true,
		})
		return nil
	}
	v, ok := o.value("default")
	if !ok {
		return nil
	}
	mistakes := in.Check(v)
	for _, d := range mistakes {
		d.Path = o.at("default") + d.Path
		o.report(d)
	}
	if mistakes.HasErrors() {
		return nil
	}
	return v
}
