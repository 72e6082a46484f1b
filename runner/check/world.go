package check

import (
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk/unit"
)

// world is what expressions can name at one place of a playbook. It grows step
// by step.
type world struct {
	inputs expression.Type
	vars   []expression.Field
	steps  []expression.Field
}

var noStatus []string

// Units are the readings of duration, size and timestamp, for expressions.
var Units = expression.Units{ParseDuration: unit.ParseDuration, FormatDuration: unit.FormatDuration,
	ParseSize: unit.ParseSize, ParseTimestamp: unit.ParseTimestamp}

// Statuses are the values of steps.ID.status.
var Statuses = []string{"ok", "changed", "skipped", "failed", "errored", "timed_out", "cancelled", "unreached"}

func newWorld(p *Program) *world {
	var fields []expression.Field
	for _, in := range p.Inputs {
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
	outputs := expression.Any
	if s.Action != nil {
		outputs = expression.TypeOf(s.SchemaOf())
	}
	switch {
	case s.Source.If != nil:
		outputs = outputs.MaybeSkipped("step " + s.ID + " may be skipped")
	case s.Source.ContinueOnError:
		outputs = outputs.MaybeSkipped("step " + s.ID + " may fail")
	}
	w.steps = append(w.steps, expression.Field{Name: s.ID, Type: expression.Record(
		expression.Field{Name: "status", Type: expression.Enum(Statuses...)},
		expression.Field{Name: "changed", Type: expression.Bool},
		expression.Field{Name: "outputs", Type: outputs},
	)})
}

// scope is what an expression in a section can name. unsure says why earlier
// steps may not have run; "" when they have.
func (w *world) scope(status []string, k sectionKind, unsure string) expression.Scope {
	steps := w.steps
	if unsure != "" {
		steps = make([]expression.Field, len(w.steps))
		for i, s := range w.steps {
			outputs, _ := s.Type.Field("outputs")
			steps[i] = expression.Field{Name: s.Name, Type: expression.Record(
				expression.Field{Name: "status", Type: expression.Enum(Statuses...)},
				expression.Field{Name: "changed", Type: expression.Bool},
				expression.Field{Name: "outputs", Type: outputs.MaybeSkipped(unsure)},
			)}
		}
	}
	names := []expression.Field{
		{Name: "inputs", Type: w.inputs},
		{Name: "vars", Type: expression.Record(w.vars...)},
		{Name: "steps", Type: expression.Record(steps...)},
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
	if k != mainSection {
		failure := expression.Record(
			expression.Field{Name: "step", Type: expression.String},
			expression.Field{Name: "status", Type: expression.String},
			expression.Field{Name: "message", Type: expression.String},
		)
		if k == alwaysSection {
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
