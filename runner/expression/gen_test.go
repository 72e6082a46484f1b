package expression

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"
)

// gen writes random expressions of a wanted type; some do not compile.
type gen struct{ *rand.Rand }

func (g gen) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g gen) expr(typ string, depth int) string {
	if depth <= 0 {
		return g.pick(leaves[typ]...)
	}
	e := func(typ string) string { return g.expr(typ, depth-1) }
	if g.IntN(9) == 0 {
		return "(" + e("bool") + " ? " + e(typ) + " : " + e(typ) + ")"
	}
	switch typ {
	case "bool":
		switch g.IntN(11) {
		case 0:
			return "(" + e("bool") + g.pick(" && ", " || ") + e("bool") + ")"
		case 1:
			return "!" + e("bool")
		case 2:
			return "(" + e("int") + g.pick(" < ", " == ", " >= ", " != ") + e("int") + ")"
		case 3:
			return "(" + e("string") + g.pick(" == ", " contains ", " < ", " startsWith ", " != ") + e("string") + ")"
		case 4:
			return g.pick("all", "any", "none", "one") + "(" + e("list") + ", " + g.pick("# > ", "# == ", "# != ") + e("int") + ")"
		case 5:
			return g.pick("all", "any", "none", "one") + "(" + e("snaps") + ", " + g.pick(`.size > `, `.size == `) + e("int") + ")"
		case 6:
			return "(" + e("int") + " in " + e("list") + ")"
		case 7:
			return "(" + e("list") + " == " + e("list") + ")"
		case 8:
			return "(" + e("duration") + g.pick(" < ", " == ") + e("duration") + ")"
		case 9:
			return "(" + e("maybe") + g.pick(" == nil", " != nil") + ")"
		}
		return g.pick(leaves["bool"]...)
	case "int":
		switch g.IntN(9) {
		case 0:
			return "(" + e("int") + g.pick(" + ", " - ", " * ", " % ") + e("int") + ")"
		case 1:
			return "len(" + g.expr(g.pick("list", "string", "snaps", "map"), depth-1) + ")"
		case 2:
			return e("list") + "[" + e("int") + "]"
		case 3:
			return g.pick("sum", "count") + "(" + e("list") + ", # " + g.pick("* 2", "> 1") + ")"
		case 4:
			return "(" + g.pick("first", "last", "min", "max") + "(" + e("list") + ") ?? " + e("int") + ")"
		case 5:
			return "(" + e("maybe") + " ?? " + e("int") + ")"
		case 6:
			return "{a: " + e("int") + ", b: " + e("string") + "}.a"
		case 7:
			return "(let x" + fmt.Sprint(depth) + " = " + e("int") + "; " + e("int") + ")"
		}
		return "(findIndex(" + e("list") + ", # == " + e("int") + ") ?? " + e("int") + ")"
	case "string":
		switch g.IntN(5) {
		case 0:
			return "(" + e("string") + " + " + e("string") + ")"
		case 1:
			return g.pick("upper", "lower", "trim") + "(" + e("string") + ")"
		case 2:
			return "string(" + g.expr(g.pick("int", "bool", "duration"), depth-1) + ")"
		case 3:
			return "(find(" + e("snaps") + ", .size > " + e("int") + `)?.uuid ?? "none")`
		}
		return e("string") + "[" + e("int") + ":]"
	case "list":
		switch g.IntN(6) {
		case 0:
			return "[" + e("int") + ", " + e("int") + "]"
		case 1:
			return "filter(" + e("list") + ", # > " + e("int") + ")"
		case 2:
			return "map(" + e("list") + ", # + " + g.pick("#index", e("int")) + ")"
		case 3:
			return "map(" + e("snaps") + ", .size)"
		case 4:
			return g.pick("concat", "") + "(" + e("list") + ")"
		}
		return g.pick("sort", "reverse", "uniq") + "(" + e("list") + ")"
	case "snaps":
		return g.pick("sortBy(", "filter(") + e("snaps") + ", .size" + g.pick("", " > 2") + ")"
	case "duration":
		return "(" + e("duration") + g.pick(" + ", " - ") + e("duration") + ")"
	}
	return g.pick(leaves[typ]...)
}

var leaves = map[string][]string{
	"bool":     {"true", "false", "inputs.dry", "steps.space.outputs.ok", "success()", "failure()"},
	"int":      {"0", "1", "2", "inputs.keep", "vars.n", "steps.space.outputs.count", "steps.space.outputs.snapshots[0].size"},
	"string":   {`""`, `"a"`, "inputs.scope", "vars.s", "steps.space.outputs.snapshots[1].uuid", "steps.take.status"},
	"list":     {"[]", "[1, 2]", "1..3", "map(steps.space.outputs.snapshots, .size)"},
	"snaps":    {"steps.space.outputs.snapshots", "(steps.take.outputs?.snapshots ?? [])"},
	"map":      {"steps.space.outputs.labels", "{a: 1}"},
	"duration": {"inputs.retention", `duration("1h")`, "steps.space.outputs.age"},
	"maybe":    {"steps.take.outputs?.count", "steps.take.outputs?.snapshots[0].size", "first(map(steps.space.outputs.snapshots, .size))"},
}

// hide replaces random parts of v with Unknown.
func hide(r *rand.Rand, v any, odds int) any {
	if r.IntN(odds) == 0 {
		return Unknown{}
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = hide(r, v[i], odds)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for _, name := range sortedKeys(v) {
			out[name] = hide(r, v[name], odds)
		}
		return out
	}
	return v
}

// fill replaces every Unknown in v, of type t, with a random value of the type.
func fill(r *rand.Rand, v any, t Type) any {
	if unknown(v) {
		if t.absent != nil && r.IntN(3) == 0 {
			return nil
		}
		switch t.kind {
		case boolKind:
			return r.IntN(2) == 0
		case stringKind:
			if t.enum != nil {
				return t.enum[r.IntN(len(t.enum))]
			}
			return []string{"", "a", "xyz"}[r.IntN(3)]
		case intKind:
			return []int{0, 1, 2, 3, 30, -1, 1 << 62}[r.IntN(7)]
		case numberKind:
			return []float64{0, 0.5, 2, -3}[r.IntN(4)]
		case durationKind:
			return time.Duration(r.IntN(3)) * time.Hour
		case timestampKind:
			return started.Add(time.Duration(r.IntN(3)) * time.Hour)
		case listKind:
			list := make([]any, r.IntN(4))
			for i := range list {
				list[i] = fill(r, Unknown{}, t.element())
			}
			return list
		case mapKind:
			m := map[string]any{}
			for range r.IntN(3) {
				m[string(rune('a'+r.IntN(3)))] = fill(r, Unknown{}, t.element())
			}
			return m
		case recordKind:
			m := map[string]any{}
			for _, f := range t.fields {
				m[f.Name] = fill(r, Unknown{}, f.Type)
			}
			return m
		}
		return []any{nil, 1, "word", true, []any{1}}[r.IntN(5)]
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = fill(r, v[i], t.element())
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for _, name := range sortedKeys(v) {
			inner, ok := t.Field(name)
			if !ok {
				inner = t.element()
			}
			out[name] = fill(r, v[name], inner)
		}
		return out
	}
	return v
}

// fits reports whether a concrete value is one that the open value stands for.
func fits(open, concrete any) bool {
	switch o := open.(type) {
	case Unknown:
		return true
	case []any:
		c, ok := concrete.([]any)
		if !ok || len(c) != len(o) {
			return false
		}
		for i := range o {
			if !fits(o[i], c[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		c, ok := concrete.(map[string]any)
		if !ok {
			return false
		}
		for name := range o {
			if !fits(o[name], c[name]) {
				return false
			}
		}
		return len(o) >= len(c)
	}
	return reflect.DeepEqual(open, concrete)
}
