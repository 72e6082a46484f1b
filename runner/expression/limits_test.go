package expression

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Expressions that are meant to take all memory or time. Each fails, soon.
func TestHostile(t *testing.T) {
	doubling := func(step string, n int) string {
		var b strings.Builder
		b.WriteString(`let a0 = ["x"]; `)
		for i := 1; i <= n; i++ {
			b.WriteString(fmt.Sprintf(strings.ReplaceAll(step, "_", "%[1]d")+"; ", i, i-1))
		}
		return b.String() + fmt.Sprintf("a%d", n)
	}
	tests := map[string]string{
		"strings":    strings.Replace(doubling(`let a_ = a%[2]d + a%[2]d`, 28), `["x"]`, `"x"`, 1),
		"lists":      doubling(`let a_ = concat(a%[2]d, a%[2]d)`, 28),
		"shared":     doubling(`let a_ = vars.n == 1 ? 1 : [a%[2]d, a%[2]d]`, 24),
		"types":      doubling(`let a_ = {x: a%[2]d, y: a%[2]d}`, 28),
		"flattened":  `flatten(` + doubling(`let a_ = [a%[2]d, a%[2]d]`, 24) + `)`,
		"range":      `1..9000000000000000000`,
		"ranges":     `map(1..100000, 1..100000)`,
		"nested":     `all(1..10000, all(1..10000, all(1..10000, true)))`,
		"replace":    `let x = join(map(1..50000, "a")); replace(x, "a", x)`,
		"join":       `let x = join(map(1..50000, "a")); join(map(1..50000, "a"), x)`,
		"uniq":       `uniq(1..100000)`,
		"elvis":      strings.Repeat("(", 60) + "true" + strings.Repeat(" ?: true)", 60) + strings.Repeat(" && true", 10),
		"comparison": strings.Repeat("(1 < ", 40) + "2" + strings.Repeat(" < 3 ? 1 : 2)", 40),
		"deep":       strings.Repeat("(", 4000),
		"minus":      strings.Repeat("-", 4000) + "1",
		"long":       `"` + strings.Repeat("x", 5000) + `"`,
		"nodes":      `[` + strings.Repeat("1,", 400) + `1]`,
		"power":      `2 ** 2 ** 2 ** 2 ** 2 ** 2`,
		"pattern":    `vars.s matches "(((a{100}){100}){100})"`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			p, problems := CompileValue(text, testScope)
			outcome := fmt.Sprint(problems)
			if p != nil {
				v, err := p.Eval(context.Background(), testEnv())
				if outcome = fmt.Sprint(err); err == nil && name != "elvis" && name != "comparison" {
					t.Errorf("it has a value of kind %s", shape(v))
				}
			}
			checkWords(t, text, outcome)
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %v", took)
			}
			if len(outcome) < 200 {
				t.Log(outcome)
			}
		})
	}
}

func TestTooExpensiveIsNotUnknown(t *testing.T) {
	for _, text := range []string{
		`steps.space.outputs.ok && all(1..10000, all(1..10000, true))`,
		`steps.space.outputs.ok ? len(concat(1..600000, 1..600000)) : 1`,
		`steps.take.outputs?.count ?? len(concat(1..600000, 1..600000))`,
	} {
		v, err := mustCompile(t, text).Eval(context.Background(), openEnv())
		if err == nil {
			t.Errorf("%s: %v", text, v)
		}
	}
}

// Whatever the text: no panic, positions inside, no Go words, and a program or problems but not both.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`inputs.keep > 3`, `map(inputs.names, {{a: #}})`, `a?.b[0].c ?? 1`, `let x = 1; x`, `if true {1} else {2}`, `steps.my-step.x`, `"\u{61}"`, "`a``b`",
		`1..3 | sum(# * 2)`, `{(vars.s): 1}`, `sum(steps.take.outputs?.snapshots ?? [], .size)`, `vars.anything.x[0]?.y`, `::len("x")`, `b"x"`, `#`, `.a`, `x.y()`, `not in`, "\xff", `1 /* x`, `duration("1h") * 3 > inputs.retention`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		watch := time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("%q takes too long", text)) })
		defer watch.Stop()
		p, problems := CompileTemplate("${{"+text+"}}", testScope)
		if (p == nil) == (len(problems) == 0) {
			t.Fatalf("%q: program %v and problems %v", text, p, problems)
		}
		total := utf8.RuneCountInString(text) + 5
		for _, problem := range problems {
			if problem.Offset < 0 || problem.Length < 0 || problem.Offset+problem.Length > total || problem.Code == "" || problem.Message == "" {
				t.Fatalf("%q: %+v", text, problem)
			}
		}
		if p == nil {
			return
		}
		for _, env := range []Env{testEnv(), openEnv(), {}} {
			v, err := p.Eval(context.Background(), env)
			if err != nil && strings.Contains(err.Error(), "runtime error") {
				t.Fatalf("%q: %v", text, err)
			}
			if _, inside := v.(failing); inside {
				t.Fatalf("%q: an inner value got out", text)
			}
			p.Render(context.Background(), env)
			p.References()
		}
	})
}
