package expression

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
)

// FromJSON turns JSON into the value that s describes: durations and timestamps are strings in JSON. null, and a member
// that may be left out, are nil. An integer beyond 64 bits, a member that s does not have and a required one that is
// missing are errors. Bounds, patterns and enums are not checked. A nil or zero s takes any JSON as it stands.
func (u Units) FromJSON(s *schema.Schema, data []byte) (any, error) {
	return u.FromPartialJSON(s, data, nil)
}

// FromPartialJSON is FromJSON where the JSON pointers (RFC 6901) of unknown name values that only the run will tell:
// each becomes Unknown, whether the JSON has something there or not.
func (u Units) FromPartialJSON(s *schema.Schema, data []byte, unknown []string) (any, error) {
	d := decoder{units: u, unknown: make(map[string]bool, len(unknown))}
	for _, p := range unknown {
		d.unknown[p] = true
	}
	if d.unknown[""] {
		return Unknown{}, nil
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	var raw any
	if err := in.Decode(&raw); err != nil {
		return nil, fmt.Errorf("the JSON cannot be read: %w", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, fmt.Errorf("the JSON has something after its value")
	}
	return d.value(s, raw, "", "")
}

// decoder knows which pointers are unknown.
type decoder struct {
	units   Units
	unknown map[string]bool
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// value decodes raw, which stands at the JSON pointer at and which people call label.
func (d decoder) value(s *schema.Schema, raw any, at, label string) (any, error) {
	if d.unknown[at] {
		return Unknown{}, nil
	}
	if raw == nil {
		return nil, nil
	}
	if s == nil {
		s = &schema.Schema{}
	}
	want := TypeOf(s)
	switch v := raw.(type) {
	case bool:
		if want.kind == boolKind || want.kind == anyKind {
			return v, nil
		}
	case string:
		return d.text(want, v, label)
	case json.Number:
		return number(want, v, label)
	case []any:
		if want.kind == listKind || want.kind == anyKind {
			return d.list(s, v, at, label)
		}
	case map[string]any:
		if isObject(want) || want.kind == anyKind {
			return d.object(s, v, at, label)
		}
	}
	return nil, wrong(want, raw, label)
}

func (d decoder) text(want Type, s, label string) (any, error) {
	var v any = s
	var err error
	switch want.kind {
	case stringKind, anyKind:
	case durationKind:
		v, err = d.units.ParseDuration(s)
	case timestampKind:
		v, err = d.units.ParseTimestamp(s)
	default:
		return nil, wrong(want, s, label)
	}
	if err != nil {
		return nil, fmt.Errorf("%s%w", prefix(label), err)
	}
	return v, nil
}

func number(want Type, n json.Number, label string) (any, error) {
	whole := !strings.ContainsAny(string(n), ".eE")
	switch {
	case want.kind == intKind || want.kind == anyKind && whole:
		i, err := strconv.Atoi(string(n))
		if err != nil {
			return nil, fmt.Errorf("%s%s is not a whole number of at most 64 bits", prefix(label), n)
		}
		return i, nil
	case want.kind == numberKind || want.kind == anyKind:
		f, err := n.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s%s is too large for a number", prefix(label), n)
		}
		return f, nil
	}
	return nil, wrong(want, 0, label)
}

func (d decoder) list(s *schema.Schema, raw []any, at, label string) (any, error) {
	out := make([]any, len(raw))
	for i, v := range raw {
		var err error
		if out[i], err = d.value(s.Items, v, fmt.Sprintf("%s/%d", at, i), fmt.Sprintf("%s[%d]", label, i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d decoder) object(s *schema.Schema, raw map[string]any, at, label string) (any, error) {
	out := make(map[string]any, len(raw))
	strict := s.Type == schema.Object && !isMap(s)
	for _, name := range sortedKeys(raw) {
		inner := s.Values
		if strict {
			if inner = s.Property(name); inner == nil {
				return nil, fmt.Errorf("%s%q is not one of the members %s", prefix(label), name, strings.Join(s.Names(), ", "))
			}
		}
		v, err := d.value(inner, raw[name], at+"/"+pointerEscape.Replace(name), memberLabel(label, name))
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	for _, p := range s.Properties {
		switch {
		case d.unknown[at+"/"+pointerEscape.Replace(p.Name)]:
			out[p.Name] = Unknown{}
		case out[p.Name] == nil && s.IsRequired(p.Name):
			return nil, fmt.Errorf("%s%s is required", prefix(label), p.Name)
		}
	}
	return out, nil
}

func memberLabel(label, name string) string {
	if label == "" {
		return name
	}
	return label + "." + name
}

func prefix(label string) string {
	if label == "" {
		return ""
	}
	return label + ": "
}

func wrong(want Type, found any, label string) error {
	return fmt.Errorf("%sexpected %s, found %s", prefix(label), want.article(), scalarShape(found).article())
}

// ToJSON is the reverse of FromJSON: members of a record come in the order of s, others sorted; a member that is nil is
// left out. A value of another kind than s describes, an unknown one, and a required member that is nil are errors.
func (u Units) ToJSON(s *schema.Schema, v any) ([]byte, error) {
	var b bytes.Buffer
	if err := u.write(&b, s, v, ""); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (u Units) write(b *bytes.Buffer, s *schema.Schema, v any, label string) error {
	if s == nil {
		s = &schema.Schema{}
	}
	want := TypeOf(s)
	if unknown(v) {
		return fmt.Errorf("%sthe value is only known after the run", prefix(label))
	}
	if f, ok := v.(float64); ok && want.kind == intKind && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		v = int(f)
	}
	if have := scalarShape(v); v != nil && want.kind != anyKind && have.kind != want.kind &&
		!(want.kind == numberKind && have.kind == intKind) && !(isObject(want) && isObject(have)) {
		return wrong(want, v, label)
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%sthe number is not finite", prefix(label))
		}
		if v == math.Trunc(v) && math.Abs(v) >= 1<<53 {
			// Written out it would be read as an int, and might not fit into one.
			b.Write(strconv.AppendFloat(nil, v, 'e', -1, 64))
			return nil
		}
		return encode(b, v)
	case string:
		return encode(b, v)
	case time.Duration:
		return encode(b, u.FormatDuration(v))
	case time.Time:
		return encode(b, v.UTC().Format(time.RFC3339Nano))
	case []any:
		return u.writeList(b, s, v, label)
	case map[string]any:
		return u.writeObject(b, s, v, label)
	default:
		return fmt.Errorf("%sa value of an unknown kind", prefix(label))
	}
	return nil
}

// encode writes a scalar as encoding/json does, without escaping < and >.
func encode(b *bytes.Buffer, v any) error {
	out := json.NewEncoder(b)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline
	return nil
}

func (u Units) writeList(b *bytes.Buffer, s *schema.Schema, list []any, label string) error {
	b.WriteByte('[')
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := u.write(b, s.Items, v, fmt.Sprintf("%s[%d]", label, i)); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func (u Units) writeObject(b *bytes.Buffer, s *schema.Schema, m map[string]any, label string) error {
	names := sortedKeys(m)
	strict := s.Type == schema.Object && !isMap(s)
	if strict {
		for _, name := range names {
			if s.Property(name) == nil {
				return fmt.Errorf("%s%q is not one of the members %s", prefix(label), name, strings.Join(s.Names(), ", "))
			}
		}
		names = s.Names()
	}
	b.WriteByte('{')
	first := true
	for _, name := range names {
		v, inner := m[name], s.Values
		if strict {
			inner = s.Property(name)
			if v == nil && s.IsRequired(name) {
				return fmt.Errorf("%s%s is required", prefix(label), name)
			}
			if v == nil {
				continue
			}
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		if err := encode(b, name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := u.write(b, inner, v, memberLabel(label, name)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}
