package check

import (
	"fmt"
	"slices"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Check compiles a playbook. plugins has the description of each plugin that
// could be asked; a plugin that is missing there is reported. installed names
// all that there are, for suggestions. The program is nil when a mistake was
// found.
func Check(p *playbook.Playbook, plugins map[string]*sdk.Description, installed []string) (*Program, diagnostic.List) {
	c := &compiler{plugins: plugins, installed: installed, reads: map[string]bool{}}
	out := c.playbook(p, nil)
	if c.found.HasErrors() {
		return nil, c.found.Sorted()
	}
	return &Program{Playbook: p, Inputs: out.inputs, Vars: out.vars, Steps: out.steps, OnFailure: out.onFailure, Always: out.always, reads: c.reads}, c.found.Sorted()
}

// compiled is a playbook, compiled.
type compiled struct {
	inputs                   []Input
	vars, outputs            []Var
	steps, onFailure, always []*Step
	carriers                 []string // outputs that can hold a secret
}

// playbook compiles a playbook in a scope of its own. secrets names the inputs that are given a secret, beside those that are
// declared secret.
func (c *compiler) playbook(p *playbook.Playbook, secrets []string) *compiled {
	c.file, c.later, c.secrets = p.File, map[string]bool{}, map[string]bool{}
	out := &compiled{}
	for _, in := range p.Inputs {
		out.inputs = append(out.inputs, Input{Decl: in, Schema: InputSchema(in)})
		if in.Secret || slices.Contains(secrets, in.Name) {
			c.secrets["inputs."+in.Name] = true
		}
	}
	world := newWorld(out.inputs)
	for _, v := range p.Vars {
		c.carried = false
		tree := c.value(v.Value, nil, "vars."+v.Name, world.scope(noStatus, place{}))
		if c.carried {
			c.secrets["vars."+v.Name] = true
		}
		if tree == nil {
			tree = constant{typ: expression.Any}
		}
		out.vars = append(out.vars, Var{Name: v.Name, Value: tree})
		world.vars = append(world.vars, expression.Field{Name: v.Name, Type: tree.Type()})
	}
	for _, s := range p.AllSteps() {
		c.later[s.ID] = true
	}
	out.steps = c.section(p.Steps, world, place{})
	first := len(world.steps)
	out.onFailure = c.section(p.OnFailure, world, place{failure: certain, unsure: "the run may have failed before it"})
	last := len(world.steps)
	out.always = c.section(p.Always, world, place{failure: possible, unsure: "the run may have failed before it"})
	world.doubt(first, last, "on_failure does not run when all goes well")
	for _, v := range p.Outputs {
		c.carried = false
		tree := c.value(v.Value, nil, "outputs."+v.Name, world.scope(noStatus, place{}))
		if c.carried {
			out.carriers = append(out.carriers, v.Name)
		}
		if tree == nil {
			tree = constant{typ: expression.Any}
		}
		out.outputs = append(out.outputs, Var{Name: v.Name, Value: tree})
	}
	return out
}

// place is what an expression can rely on where it stands.
type place struct {
	failure failureKind // whether there is an `error`
	unsure  string      // why steps above may not have run; "": they have
}

type failureKind int

const (
	none     failureKind = iota // no step has failed here
	possible                    // always
	certain                     // on_failure, rescue
)

// section compiles a list of steps.
func (c *compiler) section(steps []playbook.Step, w *world, at place) []*Step {
	var compiled []*Step
	for i := range steps {
		compiled = append(compiled, c.step(&steps[i], w, at))
	}
	return compiled
}

func (c *compiler) step(s *playbook.Step, w *world, at place) *Step {
	out := &Step{ID: c.prefix + s.ID, File: c.file, Source: s, Timeout: s.Timeout}
	defer func(outer *Step) { c.into = outer }(c.into)
	c.into = out
	if s.If != nil {
		if at.unsure == "" && usesStatus(s.If.Text, w.scope(expression.StatusFunctions, at)) {
			at.unsure = "this step also runs when an earlier one failed"
		}
		out.If = c.condition(*s.If, s.Path+".if", w.scope(expression.StatusFunctions, at))
	}
	c.count(s)
	switch {
	case s.IsBlock():
		c.block(out, w, at)
	case s.Call != nil:
		c.call(out, w, at)
	default:
		c.action(out, w, at)
	}
	delete(c.later, s.ID)
	w.add(out)
	return out
}

// block compiles what is inside a block. Steps below the block can read the
// results of those inside, which may not have run.
func (c *compiler) block(out *Step, w *world, at place) {
	s := out.Source
	if s.Name != nil {
		out.Name = c.text(*s.Name, s.Path+".name", w.scope(noStatus, at))
	}
	first := len(w.steps)
	out.Block = c.section(s.Block, w, at)
	inside := "block " + s.ID + " may have failed before it"
	out.Rescue = c.section(s.Rescue, w, place{failure: certain, unsure: inside})
	rescued := place{failure: max(at.failure, possible), unsure: inside}
	out.Always = c.section(s.Always, w, rescued)
	why := ""
	switch {
	case s.If != nil:
		why = "block " + s.ID + " may be skipped"
	case len(s.Rescue) > 0 || s.ContinueOnError:
		why = "block " + s.ID + " may have failed before it"
	}
	w.doubt(first, first+count(s.Block), why)
	w.doubt(first+count(s.Block), len(w.steps)-count(s.Always), "the rescue of block "+s.ID+" may not have run")
	if s.If != nil {
		w.doubt(len(w.steps)-count(s.Always), len(w.steps), why)
	}
}

// count is the number of steps in a list, those inside blocks included.
func count(steps []playbook.Step) int {
	n := 0
	for i := range steps {
		n += 1 + count(steps[i].Block) + count(steps[i].Rescue) + count(steps[i].Always)
	}
	return n
}

// action compiles a step that uses an action.
func (c *compiler) action(out *Step, w *world, at place) {
	s := out.Source
	out.Action = c.uses(s)
	delete(c.secrets, "item")
	inner := w.scope(noStatus, at)
	if s.ForEach != nil {
		out.ForEach, inner = c.forEach(s, inner)
	}
	if s.Name != nil {
		out.Name = c.text(*s.Name, s.Path+".name", inner)
	}
	if out.Action != nil {
		out.With = c.value(s.With, out.Action.Inputs, s.Path+".with", inner)
		c.required(s, out.Action)
		out.Action = c.declared(s, out.Action)
	}
	if r := s.Retry; r != nil {
		out.Retry = &Retry{Attempts: r.Attempts, Delay: r.Delay, Backoff: r.Backoff}
		if r.When != nil {
			out.Retry.When = c.condition(*r.When, s.Path+".retry.when", w.scope(noStatus, place{failure: certain, unsure: at.unsure}))
		}
	}
}

// usesStatus reports whether a condition asks how the run is going: such a step
// can run although an earlier one failed.
func usesStatus(text string, scope expression.Scope) bool {
	p, problems := expression.CompileCondition(text, scope)
	return len(problems) == 0 && p.UsesStatus()
}

// forEach compiles what a step loops over and returns the scope of an item.
func (c *compiler) forEach(s *playbook.Step, scope expression.Scope) (Tree, expression.Scope) {
	path := s.Path + ".for_each"
	c.carried = false
	defer func() {
		if delete(c.secrets, "item"); c.carried {
			c.secrets["item"] = true
		}
	}()
	var tree Tree
	if scalar, ok := s.ForEach.(playbook.Scalar); ok {
		// An expression, bare or in ${{ }}.
		template, problems := expression.ParseTemplate(scalar.Text)
		if _, single := template.Single(); single || len(problems) > 0 {
			if p := c.text(scalar, path, scope); p != nil {
				tree = computed{program: p, place: path}
			}
		} else {
			p, problems := expression.CompileValue(scalar.Text, scope)
			c.problems(scalar, path, problems)
			if len(problems) == 0 && c.guard(scalar, path, p) {
				c.note(p)
				tree = computed{program: p, place: path}
			}
		}
	} else {
		tree = c.value(s.ForEach, nil, path, scope)
	}
	key, elem := expression.Any, expression.Any
	if tree != nil && tree.Type().String() != expression.Any.String() {
		var ok bool
		if key, elem, ok = tree.Type().Iterable(); !ok {
			c.add(s.ForEach.Position(), 1, diagnostic.ExpressionType, path, "for_each needs a list or a map, found %s", tree.Type())
			key, elem = expression.Any, expression.Any
		}
	}
	return tree, withItem(scope, key, elem)
}

// uses finds the action of a step; nil when there is none.
func (c *compiler) uses(s *playbook.Step) *sdk.Info {
	u := s.Uses
	if u.Plugin == "" {
		return nil // reported by the parser
	}
	path := s.Path + ".uses"
	d, ok := c.plugins[u.Plugin]
	if !ok {
		diag := c.add(u.Pos, len(u.Plugin), diagnostic.UnknownPlugin, path, "there is no plugin %q", u.Plugin)
		diag.Allowed = c.installed
		if near := diagnostic.Suggest(u.Plugin, c.installed); near != "" {
			diag.Suggestion = fmt.Sprintf("did you mean %q?", near)
		}
		return nil
	}
	if a := d.Action(u.Action); a != nil {
		return a
	}
	var names []string
	for _, a := range d.Actions {
		names = append(names, a.Name)
	}
	diag := c.add(u.ActionPos, len(u.Action), diagnostic.UnknownAction, path, "plugin %s has no action %q", u.Plugin, u.Action)
	diag.Allowed = names
	if near := diagnostic.Suggest(u.Action, names); near != "" {
		diag.Suggestion = fmt.Sprintf("did you mean %q?", u.Plugin+"."+near)
	}
	return nil
}

// required reports inputs of the action that must be given and are not.
func (c *compiler) required(s *playbook.Step, a *sdk.Info) {
	pos := s.With.Pos
	if !pos.IsValid() {
		pos = s.Uses.Pos
	}
	for _, name := range a.Inputs.Required {
		if _, given := s.With.Get(name); !given {
			d := c.add(pos, 1, diagnostic.MissingInput, s.Path+".with", "%s needs the input %q (%s)", s.Uses, name, a.Inputs.Property(name).TypeName())
			if p := a.Inputs.Property(name); p.Description != "" {
				d.Suggestion = name + ": " + p.Description
			}
		}
	}
}

// SchemaOf is the schema of what a step gives: a list of outputs for a loop.
func (s *Step) SchemaOf() *schema.Schema {
	if s.Action == nil {
		return nil
	}
	if s.ForEach != nil {
		return &schema.Schema{Type: schema.Array, Items: s.Action.Outputs}
	}
	return s.Action.Outputs
}
