package playbook

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

// each runs a test for every *.yaml of a folder.
func each(t *testing.T, folder string, run func(t *testing.T, name string, data []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", folder, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(folder+"/"+name, func(t *testing.T) {
			t.Parallel()
			run(t, name, data)
		})
	}
}

func TestBad(t *testing.T) {
	t.Parallel()
	each(t, "bad", func(t *testing.T, name string, data []byte) {
		file := name + ".yaml"
		p, found := Parse(file, data)
		if !found.HasErrors() {
			t.Error("nothing was reported")
		}
		source := diagnostic.NewSource(file, data)
		if p != nil {
			source = p.Source
		}
		golden.Check(t, filepath.Join("testdata", "bad", name+".out"), found.Text(source))
	})
}

func TestGood(t *testing.T) {
	t.Parallel()
	each(t, "good", func(t *testing.T, name string, data []byte) {
		p, found := Parse(name+".yaml", data)
		if len(found) > 0 {
			t.Fatalf("unexpected:\n%s", found.Text(diagnostic.NewSource(name+".yaml", data)))
		}
		golden.Check(t, filepath.Join("testdata", "good", name+".out"), printed(p))
	})
}

// TestEveryCodeHasABadPlaybook finds the codes that the package mentions in its source and looks for each of them in
// what the bad playbooks produce.
func TestEveryCodeHasABadPlaybook(t *testing.T) {
	t.Parallel()
	constants := codeConstants(t)
	produced := make(map[diagnostic.Code]bool)
	for name, data := range generated() {
		_, found := Parse(name, data)
		for _, d := range found {
			produced[d.Code] = true
		}
	}
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 35 {
		t.Errorf("only %d bad playbooks", len(files))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, found := Parse(file, data)
		for _, d := range found {
			produced[d.Code] = true
		}
	}
	for _, code := range calls(t) {
		produced[code] = true
	}
	for name, code := range constants {
		if !produced[code] {
			t.Errorf("diagnostic.%s (%s) has no bad playbook", name, code)
		}
	}
}

// calls are the codes of what goes wrong with playbooks that call each other: themselves, ever deeper ones, and one that is
// not there.
func calls(t *testing.T) []diagnostic.Code {
	t.Helper()
	deep := func(n int) string {
		return fmt.Sprintf("version: 1\nname: p\nsteps: [{playbook: ./p%d.yaml}, {playbook: ./gone.yaml}, {playbook: ./self.yaml}]\n", n+1)
	}
	p, found := Parse("p0.yaml", []byte(deep(0)))
	if len(found) > 0 {
		t.Fatal(found)
	}
	found = Link(p, func(_ *Playbook, name string) (Called, error) {
		n := 0
		if _, err := fmt.Sscanf(name, "./p%d.yaml", &n); err == nil {
			return Called{File: name, Data: []byte(deep(n))}, nil
		}
		if name == "./self.yaml" {
			return Called{File: name, Data: []byte("version: 1\nname: self\nsteps: [{playbook: ./self.yaml}]\n")}, nil
		}
		return Called{}, &NotFoundError{Message: "there is no such file"}
	})
	var codes []diagnostic.Code
	count := map[string]int{}
	for _, d := range found {
		codes = append(codes, d.Code)
		count[strings.Split(d.Message, ":")[0]]++
	}
	// p8 is eight calls deep: it calls p9, and that is too much; and self.yaml from there.
	if count["calls are nested deeper than 8"] != 2 || count["a playbook cannot call itself"] != 1 || count["there is no such file"] != 9 {
		t.Errorf("%v: %v", count, found)
	}
	return codes
}

// generated are bad playbooks that are too large or too odd to keep as files.
func generated() map[string][]byte {
	return map[string][]byte{
		"large.yaml": bytes.Repeat([]byte("# padding\n"), MaxFileSize/10+1),
	}
}

// codeConstants are the constants of type diagnostic.Code that the package's own source uses.
func codeConstants(t *testing.T) map[string]diagnostic.Code {
	t.Helper()
	values := make(map[string]diagnostic.Code)
	declared, err := parser.ParseFile(token.NewFileSet(), "../diagnostic/codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(declared, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				values[spec.Names[0].Name] = diagnostic.Code(strings.Trim(lit.Value, `"`))
			}
		}
		return true
	})
	used := make(map[string]diagnostic.Code)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "diagnostic" {
					if code, isCode := values[selector.Sel.Name]; isCode {
						used[selector.Sel.Name] = code
					}
				}
			}
			return true
		})
	}
	if len(used) < 20 {
		t.Fatalf("only %d codes found in the source", len(used))
	}
	return used
}

// printed is a playbook as text, for golden files: everything that Parse fills in.
func printed(p *Playbook) string {
	var b strings.Builder
	fmt.Fprintf(&b, "playbook %s version %d at %s timeout %s\n", p.Name, p.Version, p.NamePos, p.Timeout)
	if p.Description != "" {
		fmt.Fprintf(&b, "description %q\n", p.Description)
	}
	if s := p.Schedule; s != nil {
		fmt.Fprintf(&b, "schedule %q persistent=%t jitter=%s at %s, calendar %s\n", s.Calendar, s.Persistent, s.Jitter, s.Pos, s.CalendarPos)
	}
	for _, in := range p.Inputs {
		fmt.Fprintf(&b, "input %s: %s items=%q required=%t optional=%t secret=%t pattern=%q %q at %s\n",
			in.Name, in.Type, in.Items, in.Required(), in.Optional, in.Secret, in.Pattern, in.Description, in.Pos)
		for _, e := range in.Enum {
			printValue(&b, "  enum", e)
		}
		if in.Min != nil {
			printValue(&b, "  min", *in.Min)
		}
		if in.Max != nil {
			printValue(&b, "  max", *in.Max)
		}
		if in.Default != nil {
			printValue(&b, "  default", in.Default)
		}
	}
	for _, v := range p.Vars {
		printValue(&b, "var "+v.Name+" at "+v.Pos.String(), v.Value)
	}
	for _, s := range p.AllSteps() {
		fmt.Fprintf(&b, "%s id=%s (%s) uses %s at %s, action %s; step at %s timeout %s continue_on_error=%t\n",
			s.Path, s.ID, s.IDPos, s.Uses, s.Uses.Pos, s.Uses.ActionPos, s.Pos, s.Timeout, s.ContinueOnError)
		if s.Call != nil {
			fmt.Fprintf(&b, "  playbook: %s %q, %d characters\n", s.Call.Pos, s.Call.Name, s.Call.Width)
		}
		if s.Name != nil {
			printValue(&b, "  name", *s.Name)
		}
		if s.If != nil {
			printValue(&b, "  if", *s.If)
		}
		if s.ForEach != nil {
			printValue(&b, "  for_each", s.ForEach)
		}
		if len(s.With.Entries) > 0 {
			printValue(&b, "  with", s.With)
		}
	}
	for _, v := range p.Outputs {
		printValue(&b, "output "+v.Name+" at "+v.Pos.String(), v.Value)
	}
	return b.String()
}

func printValue(b *strings.Builder, label string, v Value) {
	indent := label[:len(label)-len(strings.TrimLeft(label, " "))] + "  "
	fmt.Fprintf(b, "%s: %s ", label, v.Position())
	switch v := v.(type) {
	case Scalar:
		end := v.At(len([]rune(v.Text)))
		style := [...]string{"plain", "single", "double", "literal", "folded"}[v.Style]
		fmt.Fprintf(b, "%s %q literal %T, text %s to %s\n", style, v.Text, Literal(v), v.At(0), end)
	case List:
		b.WriteString("list\n")
		for _, item := range v.Items {
			printValue(b, indent+"-", item)
		}
	case Map:
		b.WriteString("map\n")
		for _, e := range v.Entries {
			printValue(b, indent+e.Key+" at "+e.KeyPos.String(), e.Value)
		}
	}
}
