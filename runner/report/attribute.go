package report

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// unknown stands for a value that is known only after the run.
type unknown struct{}

const unknownText = "(known after run)"

// attributes puts those attributes of an update that differ: "value: 60 → 10".
func (f *form) attributes(p *page, indent int, c sdk.Change) {
	before, after := object(c.Before), object(c.After)
	keys := map[string]bool{}
	for _, o := range []map[string]any{before, after} {
		for k := range o {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		old, had := before[k]
		now, has := after[k]
		if had == has && reflect.DeepEqual(old, now) {
			continue
		}
		text := func(v any, is bool) string {
			if !is {
				return "(none)"
			}
			return f.value(v)
		}
		start := line{}.pad(indent).add(plain, f.clean(k)+": ").add(dim, text(old, had)).add(dim, " → ")
		p.put(start.add(bold, text(now, has)))
	}
}

// object decodes a JSON object, numbers as they are written; nil if it is none.
func object(raw json.RawMessage) map[string]any {
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var o map[string]any
	if d.Decode(&o) != nil {
		return nil
	}
	return o
}

// value renders a JSON value in one line, keys sorted; words are bare, other strings quoted.
func (f *form) value(v any) string {
	var b strings.Builder
	f.render(&b, v)
	return b.String()
}

func (f *form) render(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case unknown:
		b.WriteString(unknownText)
	case json.Number:
		b.WriteString(f.clean(v.String()))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		text := f.clean(v)
		if text == "" || strings.ContainsAny(text, " ,[]{}\"") {
			text = `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
		}
		b.WriteString(text)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			f.render(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.clean(k) + ": ")
			f.render(b, v[k])
		}
		b.WriteByte('}')
	default: // inputs may hold Go numbers and slices
		raw, err := Encode(v)
		if err != nil {
			b.WriteString("?")
			return
		}
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		var plainValue any
		if d.Decode(&plainValue) != nil {
			b.WriteString("?")
			return
		}
		f.render(b, plainValue)
	}
}
