package expression

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/expr-lang/expr"
)

// expr's own virtual machine is the oracle for what expressions mean. Left out is what differs on purpose: durations and
// sizes, absent values (an error here, and false or nil there), whole numbers that overflow, positions in strings (letters
// here, bytes there), functions that evaluate their expression for every element.
func TestOracle(t *testing.T) {
	options := []expr.Option{
		// findLast leaves a value behind when it finds nothing: expr 1.17.8 makes [1, findLast([0], # > 5) ?? 0] to
		// [false, 0]. Its optimizer turns last(filter(…)) into findLast.
		expr.Optimize(false),
		expr.Function("success", func(...any) (any, error) { return true, nil }, new(func() bool)),
		expr.Function("failure", func(...any) (any, error) { return false, nil }, new(func() bool)),
	}
	agreed := 0
	check := func(text string) {
		p, _ := CompileValue(text, testScope)
		if p == nil {
			return
		}
		got, err := p.Eval(context.Background(), testEnv())
		if err != nil {
			return
		}
		program, err := expr.Compile(text, options...)
		if err != nil {
			t.Errorf("%s: expr refuses it: %v", text, err)
			return
		}
		want, err := expr.Run(program, testEnv().Values)
		if err != nil {
			t.Errorf("%s: got %v, expr fails: %v", text, got, err)
			return
		}
		if !reflect.DeepEqual(plain(got), plain(want)) {
			t.Errorf("%s: got %#v, expr says %#v", text, got, want)
		}
		agreed++
	}
	for _, text := range []string{
		`1 + 2 * 3 - 4 % 3`, `2 ** 3 ** 2`, `-2 ** 2`, `7 / 2 + 1`, `1.5 * 2`, `not true || true and false`, `1 < 2 < 3`, `3 > 2 > 2`,
		`"a" + "b" == "ab"`, `"abc" matches "^a"`, `"abc" not contains "z"`, `"abc" endsWith "c"`, `5 in 1..9`, `1..0`,
		`[1, 2.0] == [1.0, 2]`, `{a: 1}.a`, `{"b c": 1}["b c"]`, `inputs.names[-1]`, `inputs.names[1:]`, `inputs.names[:-1]`, `inputs.names[5:9]`,
		`steps.space.outputs.labels["a"]`, `inputs.keep > 3 ? "many" : "few"`, `if inputs.dry {1} else if inputs.keep > 3 {2} else {3}`,
		`let x = 5; let y = x + 1; x * y`, `filter(1..9, # % 2 == 0)`, `map(1..3, # * #index)`, `map(["a"], ({k: #}))[0].k`,
		`all([], false)`, `any([], true)`, `none([1], # == 1)`, `one([1, 2], # > 1)`, `count([1, 2, 3], # > 1)`, `count([true, false])`,
		`find([1, 2, 3], # > 1)`, `find([1], # > 1)`, `findLast([1, 2, 3], # < 3)`, `findIndex([1, 2], # == 2)`, `findLastIndex([1, 1], # == 1)`, `findIndex([1], # == 2)`,
		`sum([1, 2])`, `sum([1, 2.5])`, `sum(["a", "bc"], len(#))`, `sum([])`, `sortBy([3, 1, 2], -#)`, `sortBy(["bb", "a"], len(#), "desc")`,
		`abs(-3)`, `abs(2.5)`, `ceil(1.2)`, `floor(-1.2)`, `round(2.5)`, `int("7")`, `int(7.9)`, `float("1.5")`, `float(2)`, `string(3)`, `string(true)`, `string(1.5)`,
		`upper("aé")`, `lower("AÉ")`, `trim("  a ")`, `trim("xax", "x")`, `trimPrefix("aab", "a")`, `trimSuffix("abb", "b")`, `hasPrefix("ab", "a")`, `hasSuffix("ab", "a")`,
		`indexOf("abc", "c")`, `lastIndexOf("abab", "b")`, `indexOf("a", "z")`, `split("a,b,c", ",")`, `split("a,b,c", ",", 2)`, `replace("aaa", "a", "b")`, `replace("aaa", "a", "b", 2)`,
		`join(["a", "b"], "-")`, `join(["a", "b"])`, `toBase64("hé")`, `fromBase64("aMOp")`, `fromJSON('{"a": [1.5, "x", null, true]}')`,
		`first([1, 2])`, `last([1, 2])`, `first([])`, `last([])`, `get([1, 2], 1)`, `get([1], 5)`, `get({a: 1}, "a")`, `get({a: 1}, "b")`, `take([1, 2, 3], 2)`, `take([1], 5)`,
		`reverse([1, 2])`, `uniq([1, 2, 1])`, `concat([1], [2], [])`, `flatten([1, [2, [3]]])`, `sort([3, 1, 2])`, `sort(["b", "a"], "desc")`, `sort([1.5, 1])`,
		`max(1, 3, 2)`, `min([4, 2.5])`, `max([1])`, `len("hé")`, `len([1])`, `len({a: 1})`, `keys({a: 1})`, `values({a: 1})`, `1 == 1.0`, `"1" in ["1"]`, `nil == nil`, `nil ?? 1`,
		`steps.take?.status`, `inputs.names | len()`, `inputs.names | map(# + "!") | join(",")`, "`a``b`", `"é\n\u00e9"`, `0x10 + 0b11 + 1_000`, `1e3`, `.5`,
	} {
		before := agreed
		check(text)
		if agreed == before && !t.Failed() {
			t.Errorf("%s has no value", text)
		}
	}
	for seed := range 3000 {
		r := rand.New(rand.NewPCG(11, uint64(seed)))
		types := []string{"bool", "int", "list"}
		check(gen{r}.expr(types[r.IntN(len(types))], 1+r.IntN(4)))
	}
	if agreed < 1000 {
		t.Errorf("only %d comparisons", agreed)
	}
	t.Logf("%d comparisons", agreed)
}

// plain gives lists of any kind one form.
func plain(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice:
		out := make([]any, r.Len())
		for i := range out {
			out[i] = plain(r.Index(i).Interface())
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, k := range r.MapKeys() {
			out[fmt.Sprint(k.Interface())] = plain(r.MapIndex(k).Interface())
		}
		return out
	}
	return v
}
