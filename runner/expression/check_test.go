package expression

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// The range of each problem is marked with ‹ ›; want is code, message, suggestion.
func TestProblems(t *testing.T) {
	tests := []struct{ text, want string }{
		{`inputs.‹retenton› > duration("7d")`, `unknown-name: unknown name inputs.retenton; did you mean "retention"?`},
		{`‹input›.keep`, `unknown-name: unknown name input; did you mean "inputs"?`},
		{`steps.‹tke›.changed`, `unknown-name: unknown name steps.tke; did you mean "take"?`},
		{`steps.space.outputs.‹snapshot›`, `unknown-name: unknown name steps.space.outputs.snapshot; did you mean "snapshots"?`},
		{`inputs["‹kep›"]`, ``},
		{`map(steps.space.outputs.snapshots, .‹sizes›)`, `unknown-name: unknown name sizes; did you mean "size"?`},
		{`inputs.scope == ‹critical›`, `unknown-name: unknown name critical; text stands in quotes: "critical"`},
		{`‹success› && inputs.dry`, `unknown-name: unknown name success; success is a function: write success(…)`},
		{`inputs.keep ‹=› 5`, `bad-expression: unexpected "="; use == to compare`},
		{`inputs.dry ‹&› true`, `bad-expression: unexpected "&"; use && for and`},
		{`inputs.keep ‹>›`, ``},
		{`‹"abc›`, ``},
		{`inputs.keep ‹§› 1`, `bad-expression: unexpected "§"`},
		{`inputs.webhook ?? "" ‹==› ""`, `bad-expression: ?? stands beside another operator without parentheses; write (a ?? b) in parentheses`},
		{`‹› `, ``},
		{`inputs.‹› `, ``},
		{`‹inputs.retention > "7d"›`, `expression-type: cannot compare a duration with a string; write duration("7d")`},
		{`‹"1GiB" < inputs.limit›`, `expression-type: cannot compare a string with a size; write size("1GiB")`},
		{`‹run.started_at == "2026-01-31"›`, `expression-type: cannot compare a timestamp with a string; write timestamp("2026-01-31")`},
		{`‹inputs.keep == "5"›`, `expression-type: cannot compare an int with a string; write the number without quotes`},
		{`‹inputs.scope == "crtical"›`, `expression-type: inputs.scope is never "crtical"; did you mean "critical"?`},
		{`‹steps.space.status == "OK!"›`, `expression-type: steps.space.status is never "OK!"; did you mean "ok"?`},
		{`‹inputs.scope in ["some"]›`, `expression-type: inputs.scope is never one of some`},
		{`‹"n: " + inputs.keep›`, `expression-type: + does not go between a string and an int; string(…) makes a string of a value`},
		{`‹inputs.retention * inputs.retention›`, `expression-type: * does not go between a duration and a duration`},
		{`‹inputs.names contains "x"›`, `expression-type: contains stands between strings, this is a list of string; write "x" in inputs.names`},
		{`‹"x" in "xyz"›`, `expression-type: in looks into lists and maps, not into strings; write text contains part`},
		{`inputs.dry && ‹inputs.names›`, `expression-type: && needs true or false on either side, this is a list of string; compare it with something`},
		{`!‹inputs.keep›`, `expression-type: ! needs true or false, this is an int; compare it with something`},
		{`‹steps.take.outputs›.count`, `maybe-skipped: steps.take.outputs may be absent: step take may be skipped; write (steps.take.outputs?.count ?? a fallback)`},
		{`‹steps.take.outputs›`, `maybe-skipped: steps.take.outputs may be absent: step take may be skipped; write (steps.take.outputs ?? a fallback)`},
		{`‹steps.take.outputs?.count› > 1`, `maybe-skipped: steps.take.outputs.count may be absent: step take may be skipped; write (steps.take.outputs?.count ?? a fallback)`},
		{`‹steps.take.outputs?.snapshots[0].size› > 1`, `maybe-skipped: steps.take.outputs?.snapshots[0].size may be absent: step take may be skipped; write (steps.take.outputs?.snapshots[0].size ?? a fallback)`},
		{`len(‹steps.take.outputs?.snapshots›)`, `maybe-skipped: steps.take.outputs.snapshots may be absent: step take may be skipped; write (steps.take.outputs?.snapshots ?? a fallback)`},
		{`[‹steps.take.outputs›]`, `maybe-skipped: steps.take.outputs may be absent: step take may be skipped; write (steps.take.outputs ?? a fallback)`},
		{`steps.take.outputs == nil && ‹steps.take.outputs›.ok`, `maybe-skipped: steps.take.outputs may be absent: step take may be skipped; write (steps.take.outputs?.ok ?? a fallback)`},
		{`"x" + ‹inputs.webhook›`, `unset-input: inputs.webhook may be absent: the input is optional; write (inputs.webhook ?? a fallback)`},
		{`upper(‹steps.space.outputs.labels.a›)`, `expression-type: steps.space.outputs.labels.a may be absent: the map may not have it; write (steps.space.outputs.labels.a ?? a fallback)`},
		{`‹first(inputs.names)› + "x"`, `expression-type: first(inputs.names) may be absent: the list may be empty; write (first(inputs.names) ?? a fallback)`},
		{`‹$env›`, `unknown-name: unknown name $env; text stands in quotes: "$env"`},
		{`‹$env›["inputs"]`, ``},
		{`‹now›()`, `unknown-name: now() is not available in playbooks; it would differ between plan and run: use run.started_at`},
		{`‹date("2026-01-01")›`, `unknown-name: date() is not available in playbooks; use timestamp(…)`},
		{`‹timezone("UTC")›`, `unknown-name: timezone() is not available in playbooks; timestamps are in UTC`},
		{`‹reduce(1..28, #acc + #acc, "x")›`, `unknown-name: reduce() is not available in playbooks; use sum, count, join or filter`},
		{`‹repeat("x", 1000)›`, `unknown-name: repeat() is not available in playbooks; its result has no bound`},
		{`‹lenn›("x")`, `unknown-name: unknown function lenn; did you mean "len"?`},
		{`"x" | ‹uper›()`, `unknown-name: unknown function uper; did you mean "upper"?`},
		{`‹len(1, 2)›`, `expression-type: len takes 1 argument, found 2`},
		{`len(‹5›)`, `expression-type: len takes a string, a list or a map here, this is an int`},
		{`join(‹[1, 2]›)`, `expression-type: join takes a list of string here, this is a list of int`},
		{`duration(‹"30x"›)`, `expression-type: "30x" is not a duration`},
		{`size(‹"1 potato"›)`, `expression-type: "1 potato" is not a size`},
		{`timestamp(‹"soon"›)`, `expression-type: "soon" is not a timestamp`},
		{`vars.s matches ‹"["›`, "expression-type: the pattern is wrong: missing closing ]: `[`"},
		{`filter(inputs.names, ‹len(#)›)`, `expression-type: filter needs true or false for each element, this is an int; compare it with something`},
		{`map(‹steps.space.outputs.labels›, #)`, `expression-type: map takes a list, this is a map of string; values(…) is a list of the values of a map`},
		{`‹run.started_at.Format("x")›`, `expression-type: only functions can be called, and a value has none of its own`},
		{`inputs.keep.‹x›`, `expression-type: inputs.keep is an int and has no member x`},
		{`‹vars.s[0]›`, `expression-type: a string has no elements; write s[0:1] for a letter of a string`},
		{`inputs.names[‹"a"›]`, `expression-type: inputs.names is a list of string and has no member a`},
		{`‹1; 2›`, `bad-expression: an expression is a single value; remove the ;`},
		{`{a: 1, ‹a›: 2}`, `bad-expression: the key a stands twice; remove one of them`},
		{`‹b"x"›`, `expression-type: byte strings are not part of the language; remove the b before the string`},
		{`let len = ‹1›; 2`, `expression-type: len is the name of a function; choose another name`},
		{`‹nil› + 1`, `expression-type: nil cannot be used here`},
		{`sortBy(inputs.names, #, ‹"up"›)`, `expression-type: the order is "asc" or "desc"`},
		{`sum(‹inputs.names›)`, `expression-type: sum adds numbers or durations, this is a string`},
		{`‹99999999999999999999›`, ``},
		{`"a‹\q›"`, ``},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			text := strings.NewReplacer("‹", "", "›", "").Replace(test.text)
			p, problems := CompileValue(text, testScope)
			if p != nil || len(problems) == 0 {
				t.Fatal("compiled")
			}
			for _, p := range problems {
				checkWords(t, text, p.String())
				if p.Offset < 0 || p.Length < 0 || p.Offset+p.Length > utf8.RuneCountInString(text) {
					t.Errorf("the problem stands outside: %+v", p)
				}
			}
			if test.want == "" {
				t.Log(problems)
				return
			}
			first := problems[0]
			if got := first.Code + ": " + first.String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			runes := []rune(text)
			marked := string(runes[:first.Offset]) + "‹" + string(runes[first.Offset:first.Offset+first.Length]) + "›" + string(runes[first.Offset+first.Length:])
			if marked != test.text {
				t.Errorf("the problem stands at\n%s, want\n%s", marked, test.text)
			}
			if len(problems) > 1 {
				t.Errorf("one mistake, %d problems: %v", len(problems), problems)
			}
		})
	}
}

// A step id with a dash parses as a subtraction.
func TestDashInID(t *testing.T) {
	_, problems := CompileValue(`steps.my-step.outputs.x`, testScope)
	want := `ids have no -, my-step reads as a subtraction: name it my_step`
	if len(problems) != 1 || problems[0].Suggestion != want {
		t.Errorf("%v", problems)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, problems := CompileTemplate(`${{ inputs.a }} and ${{ 1 + }} and ${{ inputs.names }} and ${{ x + y }} é ${{ }} ${{ now() `, testScope)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Offset, p.Code))
	}
	want := "11 unknown-name, 27 bad-expression, 35 expression-type, 63 unknown-name, 67 unknown-name, 74 bad-expression, 81 bad-expression"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestCondition(t *testing.T) {
	tests := []struct{ text, want string }{
		{`inputs.dry`, ``},
		{`success() && steps.space.outputs.free_ratio > 0.05`, ``},
		{`vars.s contains "}}"`, ``},
		{`{a: {b: true}}.a.b`, ``},
		{`${{ inputs.dry }}`, `braces-in-condition: a condition is a bare expression, without ${{ }}; write inputs.dry`},
		{`${{ inputs.scope }} == "all"`, `braces-in-condition: a condition is a bare expression, without ${{ }}; write inputs.scope == "all"`},
		{`"${{ inputs.scope }}" == "all"`, `braces-in-condition: a condition is a bare expression, without ${{ }}; write inputs.scope == "all"`},
		{`${{ inputs.keep > 1 }} && true`, `braces-in-condition: a condition is a bare expression, without ${{ }}; write (inputs.keep > 1) && true`},
		{`${{ inputs.dry`, `braces-in-condition: a condition is a bare expression, without ${{ }}`},
		{`inputs.names`, `not-boolean: a condition must be true or false, this is a list of string; compare its length: len(…) > 0`},
		{`inputs.scope`, `not-boolean: a condition must be true or false, this is a string; compare it: … == "text"`},
		{`vars.anything`, `not-boolean: a condition must be true or false, this is anything; compare it: … == true`},
		{`inputs.keep`, `not-boolean: a condition must be true or false, this is an int; compare it: … > 0`},
		{`steps.take.outputs?.ok`, `maybe-skipped: steps.take.outputs.ok may be absent: step take may be skipped; write steps.take.outputs?.ok ?? false`},
		{`nil`, `not-boolean: a condition must be true or false, this is nil`},
		{``, `bad-expression: the expression is empty`},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			p, problems := CompileCondition(test.text, testScope)
			got := ""
			for _, p := range problems {
				got += p.Code + ": " + p.String()
			}
			if got != test.want || (p == nil) != (test.want != "") {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestStatusFunctions(t *testing.T) {
	scope := testScope
	scope.Status = nil
	_, problems := CompileValue(`inputs.dry || failure()`, scope)
	if len(problems) != 1 || problems[0].Message != "failure() cannot be used here" {
		t.Errorf("%v", problems)
	}
	if !mustCompile(t, `always()`).UsesStatus() || mustCompile(t, `inputs.dry`).UsesStatus() {
		t.Error("UsesStatus")
	}
}

func TestReferences(t *testing.T) {
	p := mustCompile(t, `steps.space.outputs.count + len(filter(inputs["names"], # == vars.s && inputs.names[0] == #)) + (let k = vars.n; k + steps.take.outputs?.count ?? 0)`)
	want := "[[steps space outputs count] [inputs names] [vars s] [vars n] [steps take outputs count]]"
	if got := fmt.Sprint(p.References()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
