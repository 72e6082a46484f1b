package playbook

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// walker reads Values by the schema of the language.
type walker struct {
	reporter
}

// object is a map whose keys the language defines.
type object struct {
	*walker
	Map
	what  string // "a step", for messages
	path  string
	meant []string // keys that an unknown key was most likely meant to be
}

// object reads v as a map with the legal keys, and reports every other key. It is not ok if v is no map.
func (w *walker) object(v Value, what, path string, legal []string) (o *object, ok bool) {
	m, ok := v.(Map)
	if !ok {
		w.wrongType(v, path, fmt.Sprintf("%s is a map", what), legal)
		return nil, false
	}
	o = &object{walker: w, Map: m, what: what, path: path}
	for _, e := range m.Entries {
		if slices.Contains(legal, e.Key) {
			continue
		}
		d := diagnostic.Diagnostic{
			Pos: e.KeyPos, Length: utf8.RuneCountInString(e.Key), Code: diagnostic.UnknownKey, Path: join(path, e.Key),
			Message: fmt.Sprintf("unknown key %q in %s", shorten(e.Key), what), Allowed: legal,
		}
		if near := meantKey(e.Key, legal); near != "" {
			d.Suggestion = fmt.Sprintf("did you mean %q?", near)
			o.meant = append(o.meant, near)
		}
		w.report(d)
	}
	return o, true
}

// foreignKeys are what other tools call our keys.
var foreignKeys = map[string]string{
	"when": "if", "condition": "if", "loop": "for_each", "foreach": "for_each", "with_items": "for_each",
	"module": "uses", "plugin": "uses", "run": "uses", "task": "uses", "args": "with", "params": "with",
	"parameters": "with", "ignore_errors": "continue_on_error", "title": "name", "label": "name",
	"variables": "vars", "env": "vars", "arguments": "inputs", "tasks": "steps", "jobs": "steps",
	"finally": "always", "catch": "rescue", "retries": "retry", "until": "retry", "parallel": "max_parallel", "throttle": "max_parallel", "cron": "calendar", "on_calendar": "calendar",
	"randomized_delay": "jitter", "minimum": "min", "maximum": "max", "regex": "pattern", "values": "enum", "choices": "enum",
}

func meantKey(key string, legal []string) string {
	if near := diagnostic.Suggest(key, legal); near != "" {
		return near
	}
	if ours := foreignKeys[strings.ToLower(key)]; slices.Contains(legal, ours) {
		return ours
	}
	return ""
}

// wrongType reports that v is not what expected says.
func (w *walker) wrongType(v Value, path, expected string, allowed []string) {
	s, isScalar := v.(Scalar)
	if isScalar && s.broken {
		return
	}
	d := diagnostic.Diagnostic{
		Pos: v.Position(), Length: 1, Code: diagnostic.WrongType, Path: path, Allowed: allowed,
		Message: fmt.Sprintf("%s; found %s", expected, describe(v)),
	}
	if isScalar {
		d.Length = s.Width()
	}
	w.report(d)
}

// require reports that a key is missing.
func (o *object) require(keys ...string) {
	for _, key := range keys {
		if _, given := o.Get(key); given || slices.Contains(o.meant, key) {
			continue
		}
		o.report(diagnostic.Diagnostic{
			Pos: o.Pos, Length: 1, Code: diagnostic.MissingKey, Path: o.path,
			Message: fmt.Sprintf("%s needs the key %q", o.what, key),
		})
	}
}

func (o *object) at(key string) string { return join(o.path, key) }

// value is the value of a key; an absent value ("key:") is reported.
func (o *object) value(key string) (v Value, ok bool) {
	e, given := o.Get(key)
	if !given {
		return nil, false
	}
	s, isScalar := e.Value.(Scalar)
	switch {
	case isScalar && s.broken:
		return nil, false
	case isScalar && s.Plain && s.Text == "":
		o.report(diagnostic.Diagnostic{
			Pos: e.KeyPos, Length: utf8.RuneCountInString(key), Code: diagnostic.WrongType, Path: o.at(key),
			Message: fmt.Sprintf("%q has no value", key), Suggestion: "give it one, or remove the key",
		})
		return nil, false
	}
	return e.Value, true
}

// scalar is the value of a key that must be a single text.
func (o *object) scalar(key string) (s Scalar, ok bool) {
	v, ok := o.value(key)
	if !ok {
		return Scalar{}, false
	}
	s, ok = v.(Scalar)
	if !ok {
		o.wrongType(v, o.at(key), fmt.Sprintf("%q is a single value", key), nil)
	}
	return s, ok
}

// text is the text of a key that holds a string that is not empty; "" if there is none.
func (o *object) text(key string) string {
	s, ok := o.scalar(key)
	if !ok {
		return ""
	}
	if strings.TrimSpace(s.Text) == "" {
		o.badValue(s, key, fmt.Sprintf("%q is empty", key), "", nil)
		return ""
	}
	return s.Text
}

// badValue reports that a text is not a legal one.
func (o *object) badValue(s Scalar, key, message, suggestion string, allowed []string) {
	o.report(diagnostic.Diagnostic{
		Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadValue, Path: o.at(key), Message: message,
		Suggestion: suggestion, Allowed: allowed,
	})
}

// bool is the value of a key that holds true or false; false if there is none.
func (o *object) bool(key string) bool {
	b, _ := o.converted(key, BoolType).(bool)
	return b
}

// duration is the value of a key that holds a duration above 0; 0 if there is none.
func (o *object) duration(key string) time.Duration {
	d, ok := o.converted(key, DurationType).(time.Duration)
	if ok && d == 0 {
		s, _ := o.scalar(key)
		o.report(diagnostic.Diagnostic{
			Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadDuration, Path: o.at(key),
			Message: fmt.Sprintf("%q must be longer than 0", key), Suggestion: "remove the key for none",
		})
	}
	return d
}

// converted is the value of a key as a type; nil if there is none or it was reported.
func (o *object) converted(key string, t Type) any {
	s, ok := o.scalar(key)
	if !ok {
		return nil
	}
	value, mistake := Convert(t, s)
	if mistake != nil {
		if strings.Contains(s.Text, "${{") {
			mistake.Suggestion = fmt.Sprintf("%q cannot be an expression; write the value itself", key)
		}
		mistake.Path = o.at(key)
		o.report(*mistake)
		return nil
	}
	return value
}

// items are the items of a key that holds a list.
func (o *object) items(key, expected string) (items []Value, ok bool) {
	v, ok := o.value(key)
	if !ok {
		return nil, false
	}
	list, ok := v.(List)
	if !ok {
		o.wrongType(v, o.at(key), expected, nil)
		return nil, false
	}
	return list.Items, true
}

// entries are the entries of a key that holds a map with keys of the author's choice. Names that are no identifiers
// are reported, and kept.
func (o *object) entries(key, what string) []Entry {
	v, ok := o.value(key)
	if !ok {
		return nil
	}
	m, ok := v.(Map)
	if !ok {
		o.wrongType(v, o.at(key), fmt.Sprintf("%q is a map of names to %s", key, what), nil)
		return nil
	}
	for _, e := range m.Entries {
		if !identifier().MatchString(e.Key) {
			o.report(diagnostic.Diagnostic{
				Pos: e.KeyPos, Length: utf8.RuneCountInString(e.Key), Code: diagnostic.BadID, Path: join(o.at(key), e.Key),
				Message:    fmt.Sprintf("%q cannot be a name: it starts with a-z or _ and goes on with a-z, 0-9 and _", shorten(e.Key)),
				Suggestion: writeInstead(e.Key, '_', identifier()),
			})
		}
	}
	return m.Entries
}
