package check

import (
	"slices"

	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk/unit"
)

// world is what expressions can name at one place of a playbook. It grows step
// by step.
//
// Each expression keeps the types of its scope. All scopes share them: a step is added behind
// those that are there, and what changes is made anew.
type world struct {
	inputs expression.Type
	vars   []expression.Field
	steps  []expression.Field
	// unsure are the first of the steps as they look where they may not have run, for that reason.
	unsure []expression.Field
	why    string
}

var noStatus []string

// Units are the readings of duration, size and timestamp, for expressions.
var Units = expression.Units{ParseDuration: unit.ParseDuration, FormatDuration: unit.FormatDuration,
	ParseSize: unit.ParseSize, ParseTimestamp: unit.ParseTimestamp}

// Statuses are the values of steps.ID.status.
var Statuses = []string{"ok", "changed", "skipped", "failed", "rescued", "errored", "timed_out", "cancelled", "unreached"}

func newWorld(inputs []Input) *world {
	var fields []expression.Field
	for _, in := range inputs {
		t := expression.TypeOf(in.Schema)
		if in.Decl.Default == nil && in.Decl.Optional {
			t = t.MaybeUnset("input " + in.Decl.Name + " is optional")
		}
		fields = append(fields, expression.Field{Name: in.Decl.Name, Type: t})
	}
	return &world{inputs: expression.Record(fields...)}
}

// add makes a step's results known to those below it.
func (w *world) add(s *Step) {
	fields := []expression.Field{
		{Name: "status", Type: expression.Enum(Statuses...)},
		{Name: "changed", Type: expression.Bool},
	}
	if !s.Source.IsBlock() {
		outputs := expression.Any
		switch {
		case s.Call != nil:
			outputs = s.Call.outputs()
		case s.Action != nil:
			outputs = expression.TypeOf(s.SchemaOf())
		}
		switch {
		case s.Source.If != nil:
			outputs = outputs.MaybeSkipped("step " + s.Source.ID + " may be skipped")
		case s.Source.ContinueOnError:
			outputs = outputs.MaybeSkipped("step " + s.Source.ID + " may fail")
		}
		fields = append(fields, expression.Field{Name: "outputs", Type: outputs})
	}
	w.steps = append(w.steps, expression.Field{Name: s.Source.ID, Type: expression.Record(fields...)})
}

// doubt marks the steps from one index up to another: they may not have run. ""
// is no reason.
func (w *world) doubt(from, to int, why string) {
	if why == "" {
		return
	}
	w.steps, w.unsure = slices.Clone(w.steps), nil
	for i := from; i < to; i++ {
		w.steps[i].Type = withOutputs(w.steps[i].Type, why)
	}
}

// withOutputs is the type of a step's results with outputs that may be absent.
func withOutputs(t expression.Type, why string) expression.Type {
	var fields []expression.Field
	for _, name := range []string{"status", "changed", "outputs"} {
		field, ok := t.Field(name)
		if !ok {
			continue // a block has no outputs
		}
		if name == "outputs" {
			field = field.MaybeSkipped(why)
		}
		fields = append(fields, expression.Field{Name: name, Type: field})
	}
	return expression.Record(fields...)
}

// scope is what an expression can name where it stands.
func (w *world) scope(status []string, at place) expression.Scope {
	steps := w.steps
	if at.unsure != "" {
		if at.unsure != w.why {
			w.unsure, w.why = nil, at.unsure
		}
		for _, s := range w.steps[len(w.unsure):] {
			w.unsure = append(w.unsure, expression.Field{Name: s.Name, Type: withOutputs(s.Type, at.unsure)})
		}
		steps = w.unsure
	}
	names := []expression.Field{
		{Name: "inputs", Type: w.inputs},
		{Name: "vars", Type: expression.RecordOf(w.vars[:len(w.vars):len(w.vars)])},
		{Name: "steps", Type: expression.RecordOf(steps[:len(steps):len(steps)])},
		{Name: "run", Type: expression.Record(
			expression.Field{Name: "id", Type: expression.String},
			expression.Field{Name: "playbook", Type: expression.String},
			expression.Field{Name: "started_at", Type: expression.Timestamp},
		)},
		{Name: "host", Type: expression.Record(
			expression.Field{Name: "name", Type: expression.String},
			expression.Field{Name: "kernel", Type: expression.String},
		)},
	}
	if at.failure != none {
		failure := expression.Record(
			expression.Field{Name: "step", Type: expression.String},
			expression.Field{Name: "status", Type: expression.Enum(Statuses...)},
			expression.Field{Name: "message", Type: expression.String},
		)
		if at.failure == possible {
			failure = failure.MaybeSkipped("the run may have succeeded")
		}
		names = append(names, expression.Field{Name: "error", Type: failure})
	}
	return expression.Scope{Names: names, Status: status, Units: Units}
}

// withItem is the scope inside a for_each.
func withItem(s expression.Scope, key, elem expression.Type) expression.Scope {
	s.Names = append(s.Names, expression.Field{Name: "item", Type: elem}, expression.Field{Name: "index", Type: key})
	return s
}
