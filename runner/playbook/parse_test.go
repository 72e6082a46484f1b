package playbook

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// TestLargeTexts feeds Parse large texts that are hard on parsers. A quadratic step in any of them would take minutes.
func TestLargeTexts(t *testing.T) {
	t.Parallel()
	const head = "version: 1\nname: x\n"
	const size = MaxFileSize / 32
	fill := func(before, unit, after string) string {
		return head + before + strings.Repeat(unit, size/len(unit)) + after
	}
	for name, text := range map[string]string{
		"open brackets":      fill("vars: ", "[", ""),
		"nested brackets":    fill("vars: {a: ", "[", strings.Repeat("]", 9000)),
		"comments":           fill("", "#\n", ""),
		"unknown keys":       fill("", "a: &x\n", ""),
		"bad steps":          fill("steps: [", "{timeout: x},", "]"),
		"bad wide steps":     fill("steps: [", "{timeout: ж},", "]"),
		"tags":               fill("vars: {a: [", "!t &x a,", "]}"),
		"long plain text":    fill("description: ", "word ", ""),
		"aliased long text":  fill("vars:\n  a: &a ", "word ", "\n") + "  b: [" + strings.Repeat("*a,", 5000) + "]\n",
		"aliased long uses":  fill("vars:\n  a: &a ", "w", "\n") + "steps: [" + strings.Repeat("{uses: *a},", 5000) + "]\n",
		"long key":           fill("vars: {? ", "k", " : [") + strings.Repeat("{a: &x},", 5000) + "]}\n",
		"bad enum":           fill("inputs: {a: {type: int, enum: [", "x,", "]}}"),
		"bad default":        fill("inputs: {a: {type: list, items: int, default: [", "x,", "]}}"),
		"same enum":          "version: 1\ninputs: {a: {type: int, enum: [" + strings.Repeat("1,", 5000) + "]}}",
		"same ids":           fill("steps:\n", "- {id: a, uses: b.c}\n", ""),
		"same action":        fill("steps:\n", "- {uses: b.c}\n", ""),
		"error on last line": fill("steps:\n", "- {uses: b.c}\n", " x: ]\n"),
		"bad anchors":        fill("vars: {a: [", "&a [*a,*a],", "]}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, found := Parse("large.yaml", []byte(text))
			if len(found) > maxFindings {
				t.Errorf("%d findings", len(found))
			}
			if p != nil {
				found.Text(p.Source)
			}
		})
	}
}

func TestFileSize(t *testing.T) {
	t.Parallel()
	text := []byte("version: 1\nname: x\nsteps: [{uses: a.b}]\n")
	text = append(text, bytes.Repeat([]byte("#"), MaxFileSize-len(text))...)
	if p, found := Parse("x.yaml", text); p == nil || len(found) > 0 {
		t.Errorf("a file of 1 MiB: %v", found)
	}
	p, found := Parse("x.yaml", append(text, '#'))
	want := "x.yaml: the file has 1048577 bytes; a playbook has at most 1048576 (1 MiB) [file-too-large]\n"
	if p != nil || found.Text() != want {
		t.Errorf("a larger file: %s", found.Text())
	}
}

// TestAliasBudget is exact: one value more is refused.
func TestAliasBudget(t *testing.T) {
	t.Parallel()
	text := func(aliases int) []byte {
		return fmt.Appendf(nil, "version: 1\nname: x\nvars:\n  a: &a [%s]\n  b: [%s]\nsteps: [{uses: a.b}]\n",
			strings.Repeat("1,", 99), strings.Repeat("*a,", aliases))
	}
	if _, found := Parse("x.yaml", text(maxAliasNodes/100)); len(found) > 0 {
		t.Errorf("%s", found.Text())
	}
	if _, found := Parse("x.yaml", text(maxAliasNodes/100+1)); len(found) != 1 || found[0].Code != diagnostic.AliasBudget {
		t.Errorf("%s", found.Text())
	}
}

func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	in := Input{Name: "token", Type: IntType, Secret: true}
	found := in.Check(Text("hunter2"))
	if !found.HasErrors() || strings.Contains(found.Text(), "hunter2") {
		t.Errorf("%s", found.Text())
	}
	for _, secret := range []string{"true", "yes", "", "[]"} {
		text := "version: 1\nname: x\ninputs: {t: {type: int, secret: " + secret + ", default: hunter2, wrong: key}}\nsteps: [{uses: a.b}]\n"
		p, found := Parse("x.yaml", []byte(text))
		if !found.HasErrors() || strings.Contains(found.Text(p.Source), "hunter2") {
			t.Errorf("%s", found.Text(p.Source))
		}
	}
}

func TestCutByComment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`a == "x # y"`: true, "a # b": true, "a": false, "a#b": false, `"a" # b`: false, "a\n    b # c": true,
	} {
		p, _ := Parse("x.yaml", []byte("version: 1\nname: x\nsteps:\n- uses: a.b\n  if: "+text+"\n"))
		if got := p.Steps[0].If.CutByComment(); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestPartial: what is right is there although other parts are wrong.
func TestPartial(t *testing.T) {
	t.Parallel()
	p, found := Parse("x.yaml", []byte("version: 9\nname: Wrong\ninputs: {a: {type: nope}, b: {type: int}}\nsteps:\n- id: one\n  uses: wrong\n- id: two\n  uses: a.b\n"))
	if !found.HasErrors() || p == nil {
		t.Fatal("expected mistakes and a playbook")
	}
	if len(p.Inputs) != 2 || p.Inputs[0].Type != "" || p.Inputs[1].Type != IntType {
		t.Errorf("inputs: %+v", p.Inputs)
	}
	if len(p.Steps) != 2 || p.Steps[0].ID != "one" || p.Steps[0].Uses.Plugin != "" || p.Steps[1].Uses.String() != "a.b" {
		t.Errorf("steps: %+v", p.Steps)
	}
}
