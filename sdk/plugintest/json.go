package plugintest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// now is an instant as runs have them.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// encode is the inputs of a case as JSON; nil is an empty object.
func encode(inputs any) ([]byte, error) {
	if inputs == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(inputs)
}

// decode reads JSON with exact numbers.
//
//go:noinline
func decode(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// tree is a value as what its JSON is.
//
//go:noinline
func tree(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error() // broken raw JSON in it: two of the same are still the same
	}
	out, err := decode(data)
	if err != nil {
		return err.Error()
	}
	return out
}

// difference says where two trees differ first; "" when they do not. What the pointers in ignored lead to is left out.
//
//go:noinline
func difference(a, b any, at string, ignored []string) string {
	if slices.Contains(ignored, at) && at != "" {
		return ""
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			break
		}
		names := map[string]bool{}
		for name := range a {
			names[name] = true
		}
		for name := range b {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			x, inA := a[name]
			y, inB := b[name]
			place := at + "/" + schema.Escape(name)
			switch {
			case inA && inB:
				if d := difference(x, y, place, ignored); d != "" {
					return d
				}
			case !slices.Contains(ignored, place):
				return fmt.Sprintf("%s: %s, and then %s", place, show(x, inA), show(y, inB))
			}
		}
		return ""
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			break
		}
		for i := range a {
			if d := difference(a[i], b[i], at+"/"+strconv.Itoa(i), ignored); d != "" {
				return d
			}
		}
		return ""
	default:
		if a == b {
			return ""
		}
	}
	return fmt.Sprintf("%s: %s, and then %s", at, show(a, true), show(b, true))
}

//go:noinline
func show(v any, there bool) string {
	if !there {
		return "nothing"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return shorten(string(data), 200)
}

// at is the value that a JSON pointer leads to.
func at(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = schema.Unescape(token)
		switch inner := v.(type) {
		case map[string]any:
			next, ok := inner[token]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(inner) {
				return nil, false
			}
			v = inner[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// public is a plan without what only Apply gets to see.
func public(p *sdk.Plan) sdk.Plan {
	shown := *p
	shown.Private = nil
	return shown
}
