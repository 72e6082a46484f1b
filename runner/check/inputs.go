package check

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
)

// Given is a value that somebody gave an input.
type Given struct {
	Name   string
	Pos    diagnostic.Position // of the name; zero on the command line
	Value  playbook.Value
	Origin string // a file's name, or "-i" on the command line
}

// Masked stands for a secret wherever it would be shown.
const Masked = "••••"

// Resolve makes the complete inputs of a run: of several values for one input
// the last counts; defaults fill the rest. Optional inputs that nobody gave are
// absent. Values are data: an expression in them is not evaluated.
func (p *Program) Resolve(given []Given) (map[string]any, diagnostic.List) {
	c := &compiler{literal: true}
	var names []string
	for _, in := range p.Inputs {
		names = append(names, in.Decl.Name)
	}
	last := map[string]Given{}
	for _, g := range given {
		if !contains(names, g.Name) {
			c.file = origin(g)
			d := c.add(g.Pos, len([]rune(g.Name)), diagnostic.UnknownInput, "", "playbook %s has no input %q", p.Playbook.Name, g.Name)
			d.Allowed = names
			if near := diagnostic.Suggest(g.Name, names); near != "" {
				d.Suggestion = fmt.Sprintf("did you mean %q?", near)
			}
			continue
		}
		last[g.Name] = g
	}
	values := map[string]any{}
	for _, in := range p.Inputs {
		g, ok := last[in.Decl.Name]
		switch {
		case ok:
			c.file = origin(g)
		case in.Decl.Default != nil:
			c.file, g.Value = p.Playbook.File, in.Decl.Default
		case in.Decl.Optional:
			continue
		default:
			c.file = p.Playbook.File
			d := c.add(in.Decl.Pos, len(in.Decl.Name), diagnostic.MissingInput, "inputs."+in.Decl.Name,
				"input %q (%s) has no value", in.Decl.Name, in.Schema.TypeName())
			d.Suggestion = fmt.Sprintf("give it with -i %s=…", in.Decl.Name)
			if in.Decl.Secret {
				d.Suggestion = fmt.Sprintf("give it with -i %s=@file", in.Decl.Name)
			}
			continue
		}
		if wrong := in.Decl.Check(g.Value); len(wrong) > 0 {
			for _, d := range wrong {
				d.File, d.Path = c.file, "inputs."+in.Decl.Name+d.Path
				c.found.Add(d)
			}
			continue
		}
		values[in.Decl.Name] = c.input(in, g.Value)
	}
	if c.found.HasErrors() {
		return nil, c.found.Sorted()
	}
	return values, c.found.Sorted()
}

// origin is where a value comes from, for messages.
func origin(g Given) string {
	if g.Origin == "-i" {
		return "-i " + g.Name
	}
	return g.Origin
}

// input is the value of an input that has been checked.
func (c *compiler) input(in Input, v playbook.Value) any {
	tree := c.value(v, in.Schema, "inputs."+in.Decl.Name, expression.Scope{})
	if tree == nil {
		return nil // reported
	}
	value, _ := tree.Eval(context.Background(), expression.Env{}) // constants only: no error
	return value
}

// PrintInputs is the inputs as JSON values for people to see: secrets are masked.
func (p *Program) PrintInputs(values map[string]any) map[string]any {
	out := map[string]any{}
	for _, in := range p.Inputs {
		v, ok := values[in.Decl.Name]
		if !ok {
			continue
		}
		if in.Decl.Secret {
			out[in.Decl.Name] = Masked
			continue
		}
		if data, err := Units.ToJSON(in.Schema, v); err == nil {
			out[in.Decl.Name] = json.RawMessage(data)
		}
	}
	return out
}

// Secrets are the texts that must not be shown.
func (p *Program) Secrets(values map[string]any) []string {
	var secrets []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			secrets = append(secrets, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, in := range p.Inputs {
		if in.Decl.Secret {
			walk(values[in.Decl.Name])
		}
	}
	return secrets
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}
