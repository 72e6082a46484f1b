package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// compiler gathers what is wrong while it compiles one playbook.
type compiler struct {
	file  string
	found diagnostic.List
	// later are the ids that steps further down have.
	later     map[string]bool
	plugins   map[string]*sdk.Description
	installed []string
	reads     map[string]bool // see Program.reads
	// into is the step that is compiled; nil: none.
	into *Step
	// prefix is what the ids of the steps of a called playbook begin with: "nightly/".
	prefix string
	// total counts the steps, those of called playbooks each time.
	total int
	// secrets are the paths at which secrets stand: inputs.token, vars.header, item.
	secrets map[string]bool
	// carried is set when a value was compiled that can hold a secret.
	carried bool
	// literal: values are data, nothing in them is an expression.
	literal bool
}

func (c *compiler) add(pos diagnostic.Position, length int, code diagnostic.Code, path, format string, args ...any) *diagnostic.Diagnostic {
	c.found.Add(diagnostic.Diagnostic{File: c.file, Pos: pos, Length: max(length, 1), Code: code, Path: path,
		Message: fmt.Sprintf(format, args...)})
	return &c.found[len(c.found)-1]
}

// problems reports what the expression package found in a scalar.
func (c *compiler) problems(s playbook.Scalar, path string, all []expression.Problem) {
	for _, p := range all {
		d := c.add(s.At(p.Offset), p.Length, diagnostic.Code(p.Code), path, "%s", p.Message)
		d.Allowed, d.Suggestion = p.Allowed, p.Suggestion
		if s.CutByComment() {
			d.Suggestion = "to YAML, # after a space begins a comment: put the value in quotes"
		}
		if id := c.laterStep(s, p); id != "" {
			d.Code = diagnostic.LaterStep
			d.Message = fmt.Sprintf("step %s runs later", id)
			if c.into != nil && id == c.into.Source.ID {
				d.Message = fmt.Sprintf("step %s cannot read its own results", id)
			}
			d.Allowed = nil
			d.Suggestion = "read only steps that stand above this one"
		}
	}
}

// laterStep is the id that an unknown name would have been, further down.
func (c *compiler) laterStep(s playbook.Scalar, p expression.Problem) string {
	if p.Code != expression.CodeUnknownName {
		return ""
	}
	runes := []rune(s.Text)
	if p.Offset < 0 || p.Offset+p.Length > len(runes) {
		return ""
	}
	name := string(runes[p.Offset : p.Offset+p.Length])
	name = name[strings.LastIndex(name, ".")+1:]
	if c.later[name] {
		return name
	}
	return ""
}

// condition compiles an `if`; nil when it has a mistake.
func (c *compiler) condition(s playbook.Scalar, path string, scope expression.Scope) *expression.Program {
	program, problems := expression.CompileCondition(s.Text, scope)
	c.problems(s, path, problems)
	if len(problems) > 0 { // a text that is only compared shows nowhere
		return nil
	}
	c.note(program)
	return program
}

// guard reports where a program makes another text of a secret, and remembers when it holds one; false: there was a mistake.
func (c *compiler) guard(s playbook.Scalar, path string, p *expression.Program) bool {
	if len(c.secrets) == 0 {
		return true
	}
	altered := p.Altered(c.secret)
	c.problems(s, path, altered)
	c.carried = c.carried || p.Carries(c.secret)
	return len(altered) == 0
}

// secret reports whether a secret stands at a path of names, or below it.
func (c *compiler) secret(path []string) bool {
	for secret := range c.secrets {
		names := strings.Split(secret, ".")
		n := min(len(names), len(path))
		if slices.Equal(names[:n], path[:n]) {
			return true
		}
	}
	return false
}

// note remembers which steps' outputs a program reads, and which steps the current one needs.
func (c *compiler) note(p *expression.Program) {
	for _, path := range p.References() {
		if s := c.into; s != nil && path[0] == "steps" && len(path) > 1 && !slices.Contains(s.Needs, c.prefix+path[1]) {
			s.Needs = append(s.Needs, c.prefix+path[1])
		}
		switch {
		case c.reads == nil || path[0] != "steps":
		case len(path) < 3:
			c.reads[""] = true // a step as a whole, or all of them
		case path[2] == "outputs":
			c.reads[c.prefix+path[1]] = true
		}
	}
}

// text compiles a text with expressions in it.
func (c *compiler) text(s playbook.Scalar, path string, scope expression.Scope) *expression.Program {
	program, problems := expression.CompileTemplate(s.Text, scope)
	c.problems(s, path, problems)
	if len(problems) > 0 || !c.guard(s, path, program) {
		return nil
	}
	c.note(program)
	return program
}

// value compiles a value that must fit a schema; nil schema: any value. It
// returns nil when it has found a mistake.
func (c *compiler) value(v playbook.Value, s *schema.Schema, path string, scope expression.Scope) Tree {
	switch v := v.(type) {
	case playbook.Scalar:
		return c.scalar(v, s, path, scope)
	case playbook.List:
		return c.list(v, s, path, scope)
	case playbook.Map:
		return c.object(v, s, path, scope)
	}
	return nil
}

func (c *compiler) scalar(v playbook.Scalar, s *schema.Schema, path string, scope expression.Scope) Tree {
	if c.literal {
		return c.constant(v, s, path)
	}
	template, problems := expression.ParseTemplate(v.Text)
	if len(problems) > 0 {
		c.problems(v, path, problems)
		return nil
	}
	if text, ok := template.Constant(); ok {
		plain := v
		plain.Text = text // with $${{ resolved
		return c.constant(plain, s, path)
	}
	program := c.text(v, path, scope)
	if program == nil {
		return nil
	}
	if ok, why := program.Type().AssignableTo(s); !ok {
		c.add(v.Pos, v.Width(), diagnostic.ExpressionType, path, "%s", why)
		return nil
	}
	return computed{program: program, place: path}
}

// constant types a text without expressions by its schema.
func (c *compiler) constant(v playbook.Scalar, s *schema.Schema, path string) Tree {
	if s == nil || s.Type == "" {
		value := fromLiteral(playbook.Literal(v))
		return constant{value: value, typ: typeOf(value)}
	}
	t, ok := scalarType(s)
	if !ok {
		c.add(v.Pos, v.Width(), diagnostic.WrongType, path, "expected a %s, found %q", s.TypeName(), v.Text)
		return nil
	}
	raw, mistake := playbook.Convert(t, v)
	if mistake != nil {
		mistake.File, mistake.Path = c.file, path
		c.found.Add(*mistake)
		return nil
	}
	value := fromLiteral(raw)
	if problem := checkValue(s, value); problem != "" {
		d := c.add(v.Pos, v.Width(), diagnostic.BadValue, path, "%s", problem)
		if len(s.Enum) > 0 {
			d.Message = fmt.Sprintf("%q is not a legal value", v.Text)
			d.Allowed = s.Enum
			if near := diagnostic.Suggest(v.Text, s.Enum); near != "" {
				d.Suggestion = fmt.Sprintf("did you mean %q?", near)
			}
		}
		return nil
	}
	return constant{value: value, typ: expression.TypeOf(s)}
}

func (c *compiler) list(v playbook.List, s *schema.Schema, path string, scope expression.Scope) Tree {
	var items *schema.Schema
	if s != nil && s.Type != "" {
		if s.Type != schema.Array {
			c.add(v.Pos, 1, diagnostic.WrongType, path, "expected a %s, found a list", s.TypeName())
			return nil
		}
		items = s.Items
		if len(v.Items) < s.MinItems {
			c.add(v.Pos, 1, diagnostic.BadValue, path, "needs %d or more items, has %d", s.MinItems, len(v.Items))
			return nil
		}
	}
	out := make(list, 0, len(v.Items))
	for i, item := range v.Items {
		if tree := c.value(item, items, fmt.Sprintf("%s[%d]", path, i), scope); tree != nil {
			out = append(out, tree)
		}
	}
	if len(out) < len(v.Items) {
		return nil
	}
	return out
}

func (c *compiler) object(v playbook.Map, s *schema.Schema, path string, scope expression.Scope) Tree {
	strict := s != nil && s.Type == schema.Object && s.Values == nil
	if s != nil && s.Type != "" && s.Type != schema.Object {
		c.add(v.Pos, 1, diagnostic.WrongType, path, "expected a %s, found a map", s.TypeName())
		return nil
	}
	out := make(record, 0, len(v.Entries))
	broken := false
	for _, e := range v.Entries {
		var inner *schema.Schema
		switch {
		case strict:
			if inner = s.Property(e.Key); inner == nil {
				d := c.add(e.KeyPos, len([]rune(e.Key)), diagnostic.UnknownInput, path+"."+e.Key, "there is no input %q here", e.Key)
				d.Allowed = s.Names()
				if near := diagnostic.Suggest(e.Key, s.Names()); near != "" {
					d.Suggestion = fmt.Sprintf("did you mean %q?", near)
				}
				broken = true
				continue
			}
		case s != nil:
			inner = s.Values
		}
		tree := c.value(e.Value, inner, path+"."+e.Key, scope)
		if tree == nil {
			broken = true
			continue
		}
		if _, absent := tree.Type().Absent(); absent && strict && s.IsRequired(e.Key) {
			c.add(e.Value.Position(), 1, diagnostic.MissingInput, path+"."+e.Key, "%q is required, and this may be unset: give it a fallback with ??", e.Key)
			broken = true
			continue
		}
		out = append(out, member{e.Key, tree})
	}
	if broken {
		return nil
	}
	return out
}
