package expression

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEval(t *testing.T) {
	tests := []struct {
		text string
		want any
		typ  string
	}{
		{`1 + 2 * 3`, 7, "int"},
		{`7 / 2`, 3.5, "number"},
		{`7 % 4`, 3, "int"},
		{`2 ** 10`, 1024.0, "number"},
		{`-inputs.keep`, -5, "int"},
		{`"a" + 'b'`, "ab", "string"},
		{`inputs.retention > duration("7d")`, true, "bool"},
		{`run.started_at - duration("1h")`, started.Add(-time.Hour), "timestamp"},
		{`duration("1h") + run.started_at`, started.Add(time.Hour), "timestamp"},
		{`run.started_at - timestamp("2026-01-30T06:00:00Z")`, 24 * time.Hour, "duration"},
		{`run.started_at == timestamp("2026-01-31T07:00:00+01:00")`, true, "bool"},
		{`inputs.retention * 2`, 60 * 24 * time.Hour, "duration"},
		{`inputs.retention / 3`, 10 * 24 * time.Hour, "duration"},
		{`inputs.retention / duration("1d")`, 30.0, "number"},
		{`1.5 * duration("1h")`, 90 * time.Minute, "duration"},
		{`inputs.limit >= size("512MiB")`, true, "bool"},
		{`size("1GiB")`, 1 << 30, "size"},
		{`inputs.limit + 1`, 1<<30 + 1, "size"},
		{`steps.space.outputs.free_ratio > 0.05`, true, "bool"},
		{`steps.take.outputs?.count ?? 0`, 2, "int"},
		{`(steps.take.outputs?.count ?? 0) > 1`, true, "bool"},
		{`steps.take.outputs != nil && steps.take.outputs.count > 1`, true, "bool"},
		{`steps.take.outputs == nil || steps.take.outputs.count > 1`, true, "bool"},
		{`steps.take.outputs == nil ? 0 : steps.take.outputs.count`, 2, "int"},
		{`not (steps.take.outputs == nil) and steps.take.outputs.ok`, true, "bool"},
		{`steps.take.outputs?.snapshots[0].path ?? ""`, "/s/a", "string"},
		{`inputs.webhook == nil`, true, "bool"},
		{`inputs.webhook ?? "none"`, "none", "string"},
		{`inputs.webhook != nil && inputs.webhook startsWith "https"`, false, "bool"},
		{`inputs.webhook`, nil, "string"},
		{`inputs.scope in ["critical", "all"]`, true, "bool"},
		{`"a" in steps.space.outputs.labels`, true, "bool"},
		{`"x" not in inputs.names`, true, "bool"},
		{`steps.space.outputs.labels["a"] ?? "?"`, "x", "string"},
		{`steps.space.outputs.labels.zzz ?? "?"`, "?", "string"},
		{`vars.s[1:3]`, "él", "string"},
		{`inputs.names[-1]`, "home", "string"},
		{`inputs.names[:1]`, []any{"root"}, "list of string"},
		{`len(vars.s)`, 5, "int"},
		{`vars.s matches "^h.l+o$"`, true, "bool"},
		{`vars.s contains "l"`, true, "bool"},
		{`1..3`, []any{1, 2, 3}, "list of int"},
		{`1 < 2 < 3`, true, "bool"},
		{`let x = 2; x * x`, 4, "int"},
		{`if inputs.dry { 1 } else { 2 }`, 2, "int"},
		{`inputs.names | map(upper(#)) | join(", ")`, "ROOT, HOME", "string"},
		{`map(inputs.names, #index)`, []any{0, 1}, "list of int"},
		{`filter(steps.space.outputs.snapshots, .size > 20)[0].path`, "/s/b", "path"},
		{`map(steps.space.outputs.snapshots, ({path: .path, old: .created < run.started_at}))[0]`, map[string]any{"path": "/s/a", "old": true}, "object"},
		{`sum(steps.space.outputs.snapshots, .size)`, 40, "size"},
		{`sum([duration("1h"), duration("2h")])`, 3 * time.Hour, "duration"},
		{`sum([])`, 0, "anything"},
		{`sortBy(steps.space.outputs.snapshots, .size, "desc")[0].uuid`, "u2", "uuid"},
		{`groupBy(inputs.names, # == "root" ? "r" : "o")["r"] ?? []`, []any{"root"}, "list of string"},
		{`count(inputs.names, # != "root")`, 1, "int"},
		{`all(inputs.names, len(#) == 4)`, true, "bool"},
		{`one([1, 2, 3], # == 2)`, true, "bool"},
		{`find(steps.space.outputs.snapshots, .note != nil)?.path ?? ""`, "/s/b", "string"},
		{`findIndex([1, 2], # == 2)`, 1, "int"},
		{`max(1, 5, 3)`, 5, "int"},
		{`max(map(steps.space.outputs.snapshots, .created)) ?? run.started_at`, started, "timestamp"},
		{`min([]) ?? 7`, 7, "anything"},
		{`first([]) ?? "none"`, "none", "anything"},
		{`keys({b: 1, a: 2})`, []any{"a", "b"}, "list of string"},
		{`values({b: 1, a: 2})`, []any{2, 1}, "list of int"},
		{`sort(["b", "a"], "desc")`, []any{"b", "a"}, "list of string"},
		{`uniq([1, 1.0, 2])`, []any{1, 2}, "list of number"},
		{`concat([1], [2, 3])`, []any{1, 2, 3}, "list of int"},
		{`flatten([[1], [2, [3]]])`, []any{1, 2, 3}, "list"},
		{`split("a,b", ",")`, []any{"a", "b"}, "list of string"},
		{`replace("aXbX", "X", "-")`, "a-b-", "string"},
		{`indexOf("éa", "a")`, 1, "int"},
		{`int("12") + int(3.9)`, 15, "int"},
		{`float("2.5")`, 2.5, "number"},
		{`string(inputs.retention)`, "30d", "string"},
		{`toJSON({a: inputs.retention, b: [1, nil]})`, `{"a":"30d","b":[1,null]}`, "string"},
		{`fromJSON('{"a": [1, 2.5]}')`, map[string]any{"a": []any{1, 2.5}}, "anything"},
		{`fromBase64(toBase64("hi"))`, "hi", "string"},
		{`success() && !failure() && !cancelled() && always()`, true, "bool"},
		{`{"a": 1}.a`, 1, "int"},
		{`true ? 1 : 2.5`, 1, "number"},
		{`inputs.names == ["root", "home"]`, true, "bool"},
		{`get(inputs.names, 9) ?? "none"`, "none", "string"},
		{`timestamp(run.started_at)`, started, "timestamp"},
		{`vars.anything == "word"`, true, "bool"},
		{`[] == inputs.names`, false, "bool"},
		{`(steps.space.outputs.labels ?? {}).a ?? ""`, "x", "string"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			p := mustCompile(t, test.text)
			if got := p.Type().String(); got != test.typ {
				t.Errorf("type %s, want %s", got, test.typ)
			}
			got, err := p.Eval(context.Background(), testEnv())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestEvalErrors(t *testing.T) {
	tests := []struct {
		text, want string
		offset     int
	}{
		{`1 / 0`, "division by zero", 0},
		{`1 % 0`, "division by zero", 0},
		{`inputs.retention / 0`, "division by zero", 0},
		{`9223372036854775807 + 1`, "too large", 0},
		{`-9223372036854775807 - 2`, "too large", 0},
		{`9223372036854775807 * 2`, "too large", 0},
		{`10.0 ** 400`, "too large", 0},
		{`duration("90000d") * 1000`, "too large", 0},
		{`int(1e30)`, "too large", 0},
		{`1 + int("x")`, `"x" is not a whole number`, 4},
		{`inputs.names[5]`, "the list has 2 elements, there is none at 5", 0},
		{`vars.anything + 1`, "+ does not go between a string and an int", 0},
		{`vars.anything ? 1 : 2`, "needs true or false", 0},
		{`vars.anything.x`, "is a string and has no members", 0},
		{`vars.anything > 1`, "cannot compare a string with an int", 0},
		{`len(fromJSON("3"))`, "len takes a string, a list or a map here, this is an int", 4},
		{`duration(vars.s)`, `is not a duration`, 0},
		{`vars.s matches vars.s + "["`, "the pattern is wrong", 15},
		{`fromJSON("99999999999999999999")`, "not a whole number of at most 64 bits", 0},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			v, err := mustCompile(t, test.text).Eval(context.Background(), testEnv())
			var where *EvalError
			if !errors.As(err, &where) {
				t.Fatalf("got %v and error %v", v, err)
			}
			checkWords(t, test.text, where.Message)
			if !strings.Contains(where.Message, test.want) || where.Offset != test.offset {
				t.Errorf("got %q at %d, want %q at %d", where.Message, where.Offset, test.want, test.offset)
			}
		})
	}
}

// A step that was skipped although the check could not know: the message says so.
func TestEvalAbsent(t *testing.T) {
	scope := testScope
	scope.Names = append([]Field{{"error", Record(Field{"step", String})}}, scope.Names...)
	p, problems := CompileValue(`steps.space.outputs.count`, scope)
	if p == nil {
		t.Fatal(problems)
	}
	env := testEnv()
	env.Values["steps"].(map[string]any)["space"].(map[string]any)["outputs"] = nil
	_, err := p.Eval(context.Background(), env)
	if err == nil || err.Error() != "steps.space.outputs is absent" {
		t.Error(err)
	}
	p, problems = CompileValue(`steps.take.outputs != nil || steps.take.outputs == nil && steps.take.changed ? 1 : error.step`, scope)
	if p == nil {
		t.Fatal(problems)
	}
	env.Values["steps"].(map[string]any)["take"] = map[string]any{"changed": false}
	if _, err = p.Eval(context.Background(), env); err == nil || err.Error() != "error is absent" {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := mustCompile(t, `1 + 1`).Eval(ctx, Env{})
	if err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Error(err)
	}
}
