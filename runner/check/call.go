package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/unit"
)

// Call is a called playbook: what its steps see. They stand in the sections of the step that calls it.
type Call struct {
	Playbook *playbook.Playbook
	Prefix   string // what the ids of its steps begin with, in the program
	Inputs   []Input
	Vars     []Var
	Outputs  []Var
	with     record
	unknown  bool // it could not be found, or not be followed: that is reported
}

// outputs is the type of steps.ID.outputs of the step that calls.
func (c *Call) outputs() expression.Type {
	if c.unknown {
		return expression.Any
	}
	fields := make([]expression.Field, len(c.Outputs))
	for i, o := range c.Outputs {
		fields[i] = expression.Field{Name: o.Name, Type: o.Value.Type()}
	}
	return expression.Record(fields...)
}

// Resolve makes the complete inputs of the called playbook, with env of the one that calls it. Parts of them can be
// expression.Unknown; what is known fits the declarations.
func (c *Call) Resolve(ctx context.Context, env expression.Env) (map[string]any, error) {
	given := map[string]any{}
	for _, m := range c.with {
		v, err := m.value.Eval(ctx, env)
		if err != nil {
			return nil, err
		}
		if v != nil { // an absent value is an input that is not given
			given[m.name] = v
		}
	}
	values := map[string]any{}
	for _, in := range c.Inputs {
		name := in.Decl.Name
		v, ok := given[name]
		if !ok {
			if v, ok = defaultOf(c.Playbook.File, in); ok {
				values[name] = v
			} else if !in.Decl.Optional {
				return nil, fmt.Errorf("with.%s: it is required, and has no value", name)
			}
			continue
		}
		if !expression.ContainsUnknown(v) {
			text, ok := written(v)
			if !ok {
				return nil, fmt.Errorf("with.%s: not a value that an input can have", name)
			}
			if wrong := in.Decl.Check(text); len(wrong) > 0 {
				return nil, fmt.Errorf("with.%s%s: %s", name, wrong[0].Path, wrong[0].Message)
			}
		}
		values[name] = v
	}
	return values, nil
}

// written is a value as a playbook would write it.
func written(v any) (playbook.Value, bool) {
	switch v := v.(type) {
	case string:
		return playbook.Text(v), true
	case bool, int, float64:
		return playbook.Text(fmt.Sprint(v)), true
	case time.Duration:
		return playbook.Text(unit.FormatDuration(v)), true
	case time.Time:
		return playbook.Text(v.Format(time.RFC3339Nano)), true
	case []any:
		var list playbook.List
		for _, item := range v {
			text, ok := written(item)
			if !ok {
				return nil, false
			}
			list.Items = append(list.Items, text)
		}
		return list, true
	case map[string]any:
		var m playbook.Map
		for name, member := range v {
			text, ok := written(member)
			if !ok {
				return nil, false
			}
			m.Entries = append(m.Entries, playbook.Entry{Key: name, Value: text})
		}
		slices.SortFunc(m.Entries, func(a, b playbook.Entry) int { return strings.Compare(a.Key, b.Key) })
		return m, true
	}
	return nil, false
}

// call compiles the call of a playbook, and the playbook for this call of it.
func (c *compiler) call(out *Step, w *world, at place) {
	s := out.Source
	scope := w.scope(noStatus, at)
	if s.Name != nil {
		out.Name = c.text(*s.Name, s.Path+".name", scope)
	}
	p := s.Call.Playbook
	out.Call = &Call{Playbook: p, Prefix: out.ID + "/"}
	if p == nil { // reported when it was looked for
		for _, e := range s.With.Entries {
			c.value(e.Value, nil, s.Path+".with."+e.Key, scope)
		}
		out.Call.Playbook, out.Call.unknown = &playbook.Playbook{}, true
		return
	}
	secrets := c.given(out, scope)
	if out.Timeout == 0 || p.Timeout > 0 && p.Timeout < out.Timeout {
		out.Timeout = p.Timeout
	}
	if c.total > playbook.MaxSteps {
		out.Call.unknown = true
		return // reported; there may be no end of it
	}
	outer := *c
	c.prefix, c.into = out.Call.Prefix, nil
	inner := c.playbook(p, secrets)
	c.file, c.later, c.secrets, c.prefix, c.into = outer.file, outer.later, outer.secrets, outer.prefix, outer.into
	out.Call.Inputs, out.Call.Vars, out.Call.Outputs = inner.inputs, inner.vars, inner.outputs
	out.Block, out.OnFailure, out.Always = inner.steps, inner.onFailure, inner.always
	for _, name := range inner.carriers {
		c.secrets["steps."+s.ID+".outputs."+name] = true
	}
}

// given compiles what the playbook is given, and returns the inputs that are given a secret.
func (c *compiler) given(out *Step, scope expression.Scope) (secrets []string) {
	s, p := out.Source, out.Source.Call.Playbook
	names := make([]string, len(p.Inputs))
	for i, in := range p.Inputs {
		names[i] = in.Name
	}
	for _, e := range s.With.Entries {
		path := s.Path + ".with." + e.Key
		i := slices.Index(names, e.Key)
		if i < 0 {
			d := c.add(e.KeyPos, len([]rune(e.Key)), diagnostic.UnknownInput, path, "playbook %s has no input %q", p.Name, e.Key)
			d.Allowed, d.Suggestion = names, diagnostic.DidYouMean(e.Key, names)
			continue
		}
		in := p.Inputs[i]
		c.carried = false
		tree := c.inputValue(e.Value, in, path, scope)
		if tree == nil {
			continue
		}
		if in.Secret && !c.carried {
			d := c.add(e.Value.Position(), 1, diagnostic.PlainSecret, path, "the input %q of playbook %s is secret, and this is no secret here: it would be shown", e.Key, p.Name)
			d.Suggestion, d.Conceal = "give it an input that is declared with secret: true", !computes(e.Value)
		}
		if c.carried {
			secrets = append(secrets, e.Key)
		}
		if _, absent := tree.Type().Absent(); absent && in.Required() {
			c.add(e.Value.Position(), 1, diagnostic.MissingInput, path, "%q is required, and this may be unset: give it a fallback with ??", e.Key)
		}
		out.Call.with = append(out.Call.with, member{e.Key, tree})
	}
	for _, in := range p.Inputs {
		if _, ok := s.With.Get(in.Name); ok || !in.Required() || in.Type == "" {
			continue
		}
		pos := s.With.Pos
		if !pos.IsValid() {
			pos = s.Call.Pos
		}
		d := c.add(pos, 1, diagnostic.MissingInput, s.Path+".with", "playbook %s needs the input %q (%s)", p.Name, in.Name, InputSchema(in).TypeName())
		if in.Description != "" {
			d.Suggestion = in.Name + ": " + in.Description
		}
	}
	return secrets
}

// inputValue compiles the value of an input of a called playbook. One without expressions is held against all that the
// declaration says; nil: there is a mistake.
func (c *compiler) inputValue(v playbook.Value, in playbook.Input, path string, scope expression.Scope) Tree {
	if in.Type != "" && !computes(v) {
		wrong := in.Check(v)
		for _, d := range wrong {
			d.File, d.Path = c.file, path+d.Path
			c.found.Add(d)
		}
		if len(wrong) > 0 {
			return nil
		}
	}
	s := InputSchema(in)
	return c.value(v, s, path, scope)
}

// computes reports whether an expression stands in a value.
func computes(v playbook.Value) bool {
	switch v := v.(type) {
	case playbook.Scalar:
		return strings.Contains(v.Text, "${{")
	case playbook.List:
		return slices.ContainsFunc(v.Items, computes)
	case playbook.Map:
		return slices.ContainsFunc(v.Entries, func(e playbook.Entry) bool { return computes(e.Value) })
	}
	return false
}

// count reports that there are too many steps, once.
func (c *compiler) count(s *playbook.Step) {
	if c.total++; c.total == playbook.MaxSteps+1 {
		c.add(s.Pos, 1, diagnostic.TooMany, s.Path, "with this step of a called playbook there are more than %d steps", playbook.MaxSteps)
	}
}
