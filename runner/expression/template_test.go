package expression

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk/schema"
)

func TestParseTemplate(t *testing.T) {
	tests := []struct{ text, want string }{ // literals in quotes, expressions as they stand, with offset+length
		{``, ``},
		{`plain`, `"plain"0+5`},
		{`${{ a }}`, ` a 0+8`},
		{`é${{a}}b`, `"é"0+1 a1+6 "b"7+1`},
		{`$${{ a }}`, `"${{ a }}"0+9`},
		{`x$${{${{ a }}`, `"x${{"0+5  a 5+8`},
		{`${{ "}}" }}`, ` "}}" 0+11`},
		{`${{ '}}\'}}' }}`, ` '}}\'}}' 0+15`},
		{"${{ `}}``}}` }}", " `}}``}}` 0+15"},
		{`${{ {a: {b: 1}} }}`, ` {a: {b: 1}} 0+18`},
		{`${{{a: {b: 1}}}}`, `{a: {b: 1}}0+16`},
		{`${{ 1 /* }} */ }}`, ` 1 /* }} */ 0+17`},
		{`${{ 1 // it's }}`, ` 1 // it's 0+16`},
		{"${{ \"a\n }} \"", " \"a\n 0+10 \" \\\"\"10+2"},
		{`$ {{ } }} $`, `"$ {{ } }} $"0+11`},
		{`${{ a }`, `! ${{ is not closed`},
		{`x ${{ "}}`, `"x "0+2 ! ${{ is not closed`},
		{`${{ }}`, ` 0+6 ! the expression is empty`},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			template, problems := ParseTemplate(test.text)
			var got []string
			for _, p := range template.Parts {
				if p.IsExpr {
					got = append(got, fmt.Sprintf("%s%d+%d", p.Expr, p.Offset, p.Length))
				} else {
					got = append(got, fmt.Sprintf("%q%d+%d", p.Literal, p.Offset, p.Length))
				}
			}
			for _, p := range problems {
				got = append(got, "! "+p.Message)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), test.want)
			}
		})
	}
}

func TestTemplateValues(t *testing.T) {
	tests := []struct {
		text string
		want any
		typ  string
	}{
		{`plain`, "plain", "string"},
		{``, "", "string"},
		{`${{ inputs.keep }}`, 5, "int"},
		{` ${{ inputs.keep }}`, " 5", "string"},
		{`${{ inputs.names }}`, []any{"root", "home"}, "list of string"},
		{`${{ inputs.keep }}/${{ vars.f }}/${{ inputs.dry }}`, "5/1.5/false", "string"},
		{`keep ${{ inputs.retention }} from ${{ run.started_at }}`, "keep 30d from 2026-01-31T06:00:00Z", "string"},
		{`${{ timestamp("2026-01-31T07:00:00.5+01:00") }}.`, "2026-01-31T06:00:00.5Z.", "string"},
		{`at most ${{ inputs.limit }} bytes`, "at most 1073741824 bytes", "string"},
		{`${{ 4.0 }}|${{ 1e21 }}|${{ 1/3 }}`, "4|1000000000000000000000|0.3333333333333333", "string"},
		{`$${{ x }}`, "${{ x }}", "string"},
		{`$${{ ${{ vars.s }} }}`, "${{ héllo }}", "string"},
		{`${{ "${{ inputs.keep }}" }}`, "${{ inputs.keep }}", "string"}, // a value is data, never evaluated again
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			p, problems := CompileTemplate(test.text, testScope)
			if p == nil {
				t.Fatal(problems)
			}
			got, err := p.Eval(context.Background(), testEnv())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) || p.Type().String() != test.typ {
				t.Errorf("got %#v (%s), want %#v (%s)", got, p.Type(), test.want, test.typ)
			}
		})
	}
}

func TestTemplateProblems(t *testing.T) {
	tests := []struct{ text, want string }{
		{`x ${{ inputs.names }}`, `2+19 expression-type: a list cannot stand inside text; write join(inputs.names, ", ") or len(inputs.names)`},
		{`x ${{ steps.space.outputs.labels }}`, `2+33 expression-type: a map of string cannot stand inside text; choose one of its members, or write toJSON(steps.space.outputs.labels)`},
		{`${{ nil }}!`, `0+10 expression-type: nil cannot stand inside text`},
		{`${{ inputs.webhook }}!`, `0+21 unset-input: inputs.webhook may be absent: the input is optional; write ${{ inputs.webhook ?? "" }} or another fallback`},
		{`é ${{ steps.take.outputs?.count }}`, `2+32 maybe-skipped: steps.take.outputs.count may be absent: step take may be skipped; write ${{ steps.take.outputs?.count ?? "" }} or another fallback`},
		{`é ${{ inputs.keeep }}`, `13+5 unknown-name: unknown name inputs.keeep; did you mean "keep"?`},
		{strings.Repeat("${{1}}", 201), `1200+6 expression-limit: the text has more than 200 expressions`},
	}
	for _, test := range tests {
		_, problems := CompileTemplate(test.text, testScope)
		if len(problems) != 1 {
			t.Errorf("%s: %v", test.text, problems)
			continue
		}
		p := problems[0]
		if got := fmt.Sprintf("%d+%d %s: %s", p.Offset, p.Length, p.Code, p); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	p, _ := CompileTemplate(`n: ${{ vars.anything }}`, testScope)
	env := testEnv()
	env.Values["vars"].(map[string]any)["anything"] = []any{1}
	if _, err := p.Eval(context.Background(), env); err == nil || err.Error() != "vars.anything: a list cannot stand inside text" {
		t.Error(err)
	}
}

func TestRender(t *testing.T) {
	p, problems := CompileTemplate(`Snapshot ${{ len(steps.space.outputs.snapshots) }} of ${{ steps.space.outputs.count }} at ${{ 1 / vars.n }}`, testScope)
	if p == nil {
		t.Fatal(problems)
	}
	env := testEnv()
	env.Values["steps"].(map[string]any)["space"].(map[string]any)["outputs"].(map[string]any)["count"] = Unknown{}
	env.Values["vars"].(map[string]any)["n"] = 0
	want := "Snapshot 2 of (known after run) at (division by zero)"
	if got := p.Render(context.Background(), env); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if p, _ = CompileTemplate(`${{ steps.space.outputs.count }}!`, testScope); p.Type().String() != "string" {
		t.Error(p.Type())
	}
	if v, err := p.Eval(context.Background(), env); err != nil || v != any(Unknown{}) {
		t.Error(v, err)
	}
}

func TestAssignable(t *testing.T) {
	str := &schema.Schema{Type: schema.String}
	kind := func(typ, kind string) *schema.Schema { return &schema.Schema{Type: typ, Kind: kind} }
	list := func(s *schema.Schema) *schema.Schema { return &schema.Schema{Type: schema.Array, Items: s} }
	mode := &schema.Schema{Type: schema.String, Enum: []string{"all", "critical"}}
	tests := []struct {
		text string
		to   *schema.Schema
		want string
	}{
		{`${{ inputs.filesystem }}`, str, ``},
		{`${{ vars.s }}`, kind(schema.String, schema.Path), ``},
		{`${{ vars.s }}`, kind(schema.String, schema.UUID), ``},
		{`/srv/${{ vars.s }}`, kind(schema.String, schema.Subvolume), ``},
		{`${{ inputs.keep }}`, kind(schema.Number, ""), ``},
		{`${{ inputs.keep }}`, kind(schema.Integer, schema.Size), ``},
		{`${{ vars.f }}`, kind(schema.Integer, ""), `expected an int, found a number; int(…) makes one`},
		{`${{ inputs.keep }}`, str, `expected a string, found an int; string(…) makes one`},
		{`30d`, kind(schema.String, schema.Duration), `expected a duration, found a string; duration(…) makes one`},
		{`${{ inputs.retention }}`, kind(schema.String, schema.Duration), ``},
		{`${{ inputs.scope }}`, mode, ``},
		{`${{ inputs.dry ? "all" : "none" }}`, mode, `"none" is not one of all, critical`},
		{`none`, mode, `"none" is not one of all, critical`},
		{`${{ ["all", "x"] }}`, list(mode), `[]: "x" is not one of all, critical`},
		{`${{ [1, 2] }}`, list(str), `[]: expected a string, found an int; string(…) makes one`},
		{`${{ [] }}`, list(str), ``},
		{`${{ {} }}`, outputs, `snapshots is required`},
		{`${{ {a: "x"} }}`, &schema.Schema{Type: schema.Object, Values: str}, ``},
		{`${{ {a: 1} }}`, &schema.Schema{Type: schema.Object, Values: str}, `a: expected a string, found an int; string(…) makes one`},
		{`${{ steps.space.outputs.snapshots }}`, list(snapshot), ``},
		{`${{ steps.space.outputs.snapshots[0] }}`, snapshot, ``},
		{`${{ {path: "", uuid: "", size: 1, created: run.started_at, x: 1} }}`, snapshot, `x is not one of the members path, uuid, size, created, note`},
		{`${{ vars.anything }}`, str, ``},
		{`${{ vars.anything }}`, nil, ``},
		{`${{ inputs.webhook }}`, str, ``},
	}
	for _, test := range tests {
		p, problems := CompileTemplate(test.text, testScope)
		if p == nil {
			t.Fatal(test.text, problems)
		}
		ok, why := p.AssignableTo(test.to)
		if why != test.want || ok != (why == "") {
			t.Errorf("%s: got %q, want %q", test.text, why, test.want)
		}
	}
	p, _ := CompileTemplate(`${{ inputs.webhook }}`, testScope)
	if reason, absent := p.Type().Absent(); !absent || reason != "the input is optional" {
		t.Error(reason, absent)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{``, `a ${{ "}}" }} $${{ b`, `${{ {a: {b: 1}} }}`, "${{ `}}``` }}", `$$${{${{}}`, "\xff${{\xff}}", `${{ // }}`, `${{/*`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		template, problems := ParseTemplate(text)
		end := 0
		for _, p := range template.Parts {
			if p.Offset != end || p.Length < 1 {
				t.Fatalf("%q: part %+v does not follow %d", text, p, end)
			}
			end = p.Offset + p.Length
		}
		total := utf8.RuneCountInString(text)
		for _, p := range problems {
			if p.Offset < 0 || p.Offset+p.Length > total {
				t.Fatalf("%q: problem outside: %+v", text, p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if end != total {
			t.Fatalf("%q: the parts end at %d of %d", text, end, total)
		}
		printed := template.String()
		if printed != text {
			t.Fatalf("%q printed as %q", text, printed)
		}
		if again, _ := ParseTemplate(printed); !reflect.DeepEqual(again, template) {
			t.Fatalf("%q: parsed again: %v, before: %v", text, again, template)
		}
	})
}
